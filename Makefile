# Everything a person types here works on a machine with nothing but Python and make.
PYTHON ?= python3
VENV ?= .venv
MUTANTS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.installed

LOCK := uv pip compile --universal --python-version 3.11 --no-emit-package pip --generate-hashes --no-header --quiet
# Two processes more than cores: the tests with a browser or with servers wait most of the time.
PYTEST := $(BIN)/pytest --numprocesses=4 --no-loadscope-reorder

.PHONY: help install demo dev test test-fast test-long test-sample mutants check format lint types imports dependencies security docs audit system lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: $(READY) ## make .venv with exactly the locked packages

$(READY): requirements-dev.lock setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY) ## the whole story on the sandbox organisation and the sample directory
	$(BIN)/swit-provisioning demo

dev: $(READY) ## the Dagster UI on the sandbox organisation
	$(BIN)/swit-provisioning demo --ui

system: ## the programs that the tests need (slapd, Samba, 389 Directory Server, PostgreSQL, nginx, chromium)
	@bash .ci/system-packages

test-fast: $(READY) ## units, properties with 50 examples, the sandbox; needs nothing but Python
	$(PYTEST) --tier=fast

test: $(READY) system ## all but the long tests; names the ones it left out for want of a program or of root
	$(PYTEST)

test-long: $(READY) system ## properties with 1,000 examples, 200 nights, a kill at every call, large data
	$(PYTEST) --tier=long --timeout=3600

test-sample: $(READY) system ## a sample of the long tests: 20 nights, a kill at every tenth call
	$(PYTEST) --tier=sample

mutants: ## break planning/ in thousands of ways, and see that its tests notice (hours; MUTANTS='*planning.match_users*')
	$(PYTHON) -m venv $(VENV)-mutants
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	SHRINK=no $(VENV)-mutants/bin/python .ci/mutants.py run $(MUTANTS)
	$(VENV)-mutants/bin/python .ci/mutants.py results

check: format lint types imports dependencies security docs test ## all checks and `make test`

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

dependencies: $(READY)
	@$(BIN)/python .ci/declared-dependencies.py > $(VENV)/declared.txt
	$(BIN)/deptry . --requirements-files $(VENV)/declared.txt

security: $(READY)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive swit_provisioning .ci
	@$(BIN)/python .ci/audit.py

docs: $(READY) ## the documentation as a searchable site in build/docs, and its tests
	$(PYTEST) --numprocesses=0 swit_provisioning_tests/test_documentation.py swit_provisioning_tests/test_reference_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

audit: $(READY) ## known vulnerabilities of the locked packages; fails where nobody can be asked
	@$(BIN)/python .ci/audit.py --required

lock: $(READY) ## bring requirements.lock (what servers run) and requirements-dev.lock (with tools and tests) up to date (needs uv)
	$(LOCK) --extra dev --upgrade setup.cfg --output-file requirements-dev.lock
	$(LOCK) --extra postgresql --constraint requirements-dev.lock setup.cfg --output-file requirements.lock

clean: ## remove what this Makefile made
	rm -rf $(VENV) $(VENV)-mutants mutants *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
