# Everything sets itself up: `make demo` and `make test` work in a fresh clone with only Python and make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.fewfit-installed
DATA ?=
# Two test processes with a thread for each core wait for each other: the unit tests took four times as long.
ONE_THREAD := OMP_NUM_THREADS=1

.PHONY: help install bases weights sdks browser screenshots demo test unit check format bench clean

help: ## show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing fewfit into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e ".[train,server]"
	@touch $@

install: $(STAMP) ## make the virtual environment with everything in it

bases: $(STAMP) ## fetch the weights that the demo uses (once)
	@$(BIN)/fewfit bases fetch english-small

weights: $(STAMP) ## fetch the weights of every base, which the tests of bases read (once)
	@$(BIN)/fewfit bases fetch english-small english multilingual

demo: bases ## fine-tune on the examples that come with fewfit and classify unseen texts
	@$(BIN)/python -m fewfit.demo

sdks: $(STAMP) ## install the Cohere SDKs that the tests drive, each version in a place of its own (once; needs Node.js)
	@$(BIN)/python -m tests.acceptance.sdk.packages

browser: $(STAMP) ## install what the browser tests need: Chromium (Debian's, as root) and axe-core (once; needs Node.js)
	@$(BIN)/python -m tests.acceptance.browser.packages

screenshots: browser bases ## make the screenshots in the docs anew
	@$(BIN)/python -m tests.acceptance.browser.screenshots

test: check unit weights sdks browser ## every check and every test
	@$(ONE_THREAD) $(BIN)/python -m pytest tests/unit -n 2 -m slow
	@$(BIN)/python -m pytest tests/integration tests/acceptance tests/perf
	@FEWFIT_TEST_DATABASE=postgresql $(BIN)/python -m pytest tests/acceptance/sdk --ignore tests/acceptance/sdk/test_any_request.py

unit: $(STAMP) ## the unit tests alone (offline, two to three minutes)
	@$(ONE_THREAD) $(BIN)/python -m pytest tests/unit -n 2 --dist loadscope -m "not slow"

check: $(STAMP) ## lint, format, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## put the code into the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## measure accuracy beside SetFit and the classical baselines: make bench DATA=folder
	@test -n "$(DATA)" || { echo "make bench needs DATA=folder with the evaluation tasks (see benchmarks/README.md)"; exit 2; }
	@$(BIN)/python benchmarks/accuracy.py --data "$(DATA)"

clean: ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
