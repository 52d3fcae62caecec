# The daily round, one word each. Whatever is longer than a line is in scripts/.

export PYTHON ?=
VENV := .venv
# The interpreter's kfw and all that make needs: made when missing, brought up to date when pyproject.toml is newer.
READY := $(VENV)/.installed-dev

.PHONY: help setup check test test-real requirements screens mutants fuzz bench chaos soak demo image site

help: ## list these words
	@sed -n -e 's/\$$\$$/$$/' -e 's/^\([a-z-]*\):.*## /\1	/p' Makefile

setup: $(READY) ## make .venv with kfw and what developing it needs; PYTHON=python3.13 picks the interpreter

check: $(READY) ## style, types, import contracts, names, circles, pointers, shell scripts, committed schemas
	@scripts/check.sh

test: $(READY) ## every test that needs no real cluster; ARGS='-k name' for some of them
	@$(VENV)/bin/python -m pytest -m 'not real' $(ARGS)

test-real: $(READY) ## the tests on a real cluster: eval "$$(../shared/cluster/cluster env kfw)" first
	@$(VENV)/bin/python -m pytest -m real $(ARGS)

requirements: $(READY) ## run the tests of seed 004's requirements and write docs/requirements.md
	@$(VENV)/bin/python -m tests.requirements $(ARGS)

screens: $(READY) ## write tests/screens/*.txt again, which show what kfw draws; look at what git says of them
	@KFW_WRITE_SCREENS=1 $(VENV)/bin/python -m pytest -q tests/screens $(ARGS)

mutants: $(READY) ## change a module in small ways and see whether its tests notice; ARGS='spdy --sample 50 --seed 1'
	@$(VENV)/bin/python -m tests.mutants $(ARGS)

fuzz: $(READY) ## made-up input for five minutes, seeds printed; ARGS='--area api --seed 7 --cases 1' does one again
	@$(VENV)/bin/python -m tests.fuzz $(ARGS)

bench: $(READY) ## measure, print a table, write build/bench.json; ARGS='relay --short' for a part
	@$(VENV)/bin/python -m tests.bench $(ARGS)

chaos: $(READY) ## faults under load on a cluster of its own, judged; ARGS='--list', '--only api-blackhole --short'
	@$(VENV)/bin/python -m tests.real.chaos $(ARGS)

soak: $(READY) ## an hour of random faults under load, then memory, descriptors and forwards as before; ARGS='--minutes 5'
	@$(VENV)/bin/python -m tests.real.chaos.soak $(ARGS)

demo: $(READY) ## a cluster in one process, five forwards, pods killed under load, nothing failed
	@$(VENV)/bin/kfw demo

image: ## the quick start in a container; ARGS=--local-base where no registry can be reached
	@scripts/image.sh $(ARGS)

site: $(READY) ## the documentation as a site in build/site
	@scripts/site.sh

$(READY): pyproject.toml scripts/setup.sh
	@scripts/setup.sh dev
