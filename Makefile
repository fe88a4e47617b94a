PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
ROOMS := messages connectors transformers store channels console host simulators
# What the tests need beside Python: a browser, archives and checkers of DICOM and PDF, a second opinion on HL7,
# a way to kill at a system call.
DEBIAN := chromium curl dcmtk dicom3tools fonts-dejavu-core gcc libc6-dev orthanc orthanc-dicomweb poppler-utils qpdf strace tshark

.PHONY: help venv venv-dev demo test check fix docs bench soak lock debian

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 3; }
	@$(PYTHON) -m venv .venv || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv && $(PYTHON) -m venv .venv; \
	    else echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 3; fi; }
	$(PIP) --require-hashes -r requirements/runtime.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q plugin_host.py $(ROOMS)
	@touch $@

.venv/development: .venv/runtime requirements/development.txt
	$(PIP) --require-hashes -r requirements/development.txt
	@touch $@

tests/peers/node_modules: tests/peers/package-lock.json
	cd tests/peers && npm ci --no-audit --no-fund
	@touch $@

debian:
	@missing=""; for p in $(DEBIAN); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	if [ -n "$$missing" ]; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	    else echo "The tests need these Debian packages:$$missing"; exit 3; fi; \
	fi

venv: .venv/runtime  ## Set up the virtual environment: then .venv/bin/plugin-host

venv-dev: .venv/development  ## The same with what the tests need

demo: .venv/runtime  ## Run the channels against simulators (ONCE=1: stop after the first message)
	@$(BIN)/plugin-host demo $(if $(ONCE),--once)

test: debian .venv/development tests/peers/node_modules  ## Run all tests
	$(BIN)/plugin-host check
	$(BIN)/plugin-host test
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

check: debian .venv/development tests/peers/node_modules  ## Lint, types, all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/plugin-host check
	$(BIN)/plugin-host test
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

fix: .venv/development  ## Format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/development  ## Measure, beside a straight-line program (FULL=1: with a million stored messages)
	@s=0; $(BIN)/python -m bench.pipeline || s=1; $(BIN)/python -m bench.mapping || s=1; \
	$(BIN)/python -m bench.growth $(if $(FULL),--full) || s=1; exit $$s

soak: debian .venv/development  ## The long trials: kills, power cuts, bad disks; writes the figures of docs/guarantee.md
	@s=0; $(BIN)/python -m tests.rig.soak $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) || s=1; \
	$(BIN)/python docs/generate.py; exit $$s

docs: .venv/development  ## Write the pages that are made from code
	$(BIN)/python docs/generate.py

lock:  ## Resolve the dependencies anew (needs uv)
	$(COMPILE) pyproject.toml --group build -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/development.txt
