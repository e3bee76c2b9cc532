# Everything needs only make and Python 3.11 or newer: `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Arguments for pytest, for example: make test ARGS="tests/unit -n 0 -k preferences"
ARGS ?= -n 2 --dist worksteal
BENCHMARKS := $(sort $(wildcard bench/bench_*.py))

.DEFAULT_GOAL := help
.PHONY: help run test faults check lint format openapi bench clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.runtime  ## Start Tidings: everything in one process, on SQLite and the in-memory bus
	@exec $(BIN)/tidings up

test: $(VENV)/.dev  ## Run the whole test suite (ARGS="..." goes to pytest)
	@$(BIN)/python -m pytest $(ARGS)

faults: ARGS = -n 0
faults: $(VENV)/.dev  ## Try every fault in full, under load: an hour (ARGS="-k F13_" tries one)
	@TIDINGS_TEST_FAULTS=full $(BIN)/python -m pytest tests/faults tests/simulation/test_simulation.py $(ARGS)

check: lint test  ## All that must hold before a commit: format, lint, types, layers, tests

lint: $(VENV)/.dev  ## The checks without the tests
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python .ci/file_lengths.py

format: $(VENV)/.dev  ## Format the code and mend what the linter can mend
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

openapi: $(VENV)/.dev  ## Write docs/reference/openapi.json anew, after a change of the API
	@$(BIN)/python .ci/openapi.py > docs/reference/openapi.json

bench: $(VENV)/.dev  ## Run the benchmarks
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script; done

clean:  ## Remove the virtual environment and everything the tools left behind
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file stands for what is installed; it is made anew when a lock file or pyproject.toml changes.

define install
@echo "Installing $(1) (half a minute the first time)"
@$(PIP) install --require-hashes --only-binary :all: -r $(1)
@$(PIP) install --no-deps --no-build-isolation -e .
endef

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Tidings needs Python 3.11 or newer; name yours: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.made
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/.made
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.runtime
