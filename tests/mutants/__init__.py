"""Whether the tests of a module see a change of it: `make mutants`. Not part of `make test`."""
