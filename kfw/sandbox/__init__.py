"""A small Kubernetes cluster in one process, for `kfw demo` and for the tests: one implementation."""
