PYTHON ?= python3
BIN := .venv/bin
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help venv venv-dev demo test check fix lock

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 3; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/development: .venv/runtime requirements/development.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $@

venv: .venv/runtime  ## Set up the virtual environment: then .venv/bin/plugin-host

venv-dev: .venv/development  ## The same with what the tests need

lock:  ## Resolve the dependencies anew (needs uv)
	$(COMPILE) pyproject.toml --group build -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/development.txt
