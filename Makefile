# Everything a person types here works on a machine with nothing but Python and make.
PYTHON ?= python3
VENV ?= .venv
MUTANTS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help install demo dev test mutants check format lint types imports dependencies security audit system lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

install: $(READY) ## make .venv with exactly the locked packages

$(READY): requirements.lock setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY) ## the whole story on the sandbox organisation and the sample directory
	$(BIN)/swit-provisioning demo

dev: $(READY) ## the Dagster UI on the sandbox organisation
	$(BIN)/swit-provisioning demo --ui

system: ## the programs that the tests need (slapd, 389 Directory Server, ldap-utils, Samba, PostgreSQL, nginx, chromium)
	@bash .ci/system-packages

test: $(READY) system ## all tests, in two processes
	$(BIN)/pytest --numprocesses=2 --no-loadscope-reorder

mutants: ## break reconcile/ in thousands of ways, and see that its tests notice (hours; MUTANTS='*reconcile.order*')
	$(PYTHON) -m venv $(VENV)-mutants
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	SHRINK=no $(VENV)-mutants/bin/python .ci/mutants.py run $(MUTANTS)
	$(VENV)-mutants/bin/python .ci/mutants.py results

check: format lint types imports dependencies security test ## everything that CI asks

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

audit: $(READY) ## known vulnerabilities of the locked packages; fails where nobody can be asked
	@$(BIN)/python .ci/audit.py --required

lock: $(READY) ## bring requirements.lock up to date (needs uv)
	uv pip compile --universal --python-version 3.11 --extra dev --no-emit-package pip --generate-hashes --no-header --quiet --upgrade setup.cfg --output-file requirements.lock

clean: ## remove what this Makefile made
	rm -rf $(VENV) $(VENV)-mutants mutants *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
