# Two commands on a fresh machine: `make app` and `make test`. Each sets up what it needs.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
SETUP := .setup
CHECK_PYTHON := import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help app demo test test-browser lint format bench clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(SETUP)/venv:
	@$(PYTHON) -c "$(CHECK_PYTHON)" || { echo "PerturbScope needs Python 3.11 or newer; set PYTHON=python3.12, for example."; exit 1; }
	@mkdir -p $(SETUP)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(SETUP)/app: requirements.txt requirements-peers.txt constraints.txt | $(SETUP)/venv
	@echo "Installing the app (about two minutes the first time) …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-peers.txt -c constraints.txt \
	  || echo "Scanorama and BBKNN need a C compiler to install: the integration panel goes on without them."
	@touch $@

$(SETUP)/dev: requirements-dev.txt $(SETUP)/app
	@echo "Installing the tools of tests and linting …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

demo: $(SETUP)/app ## Prepare the demo workspace (quick when it is there)
	@$(BIN)/python -m core static
	@$(BIN)/python -m core demo

app: demo ## Set up everything and start the app on http://localhost:8501
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

test: $(SETUP)/dev lint ## Lint, type-check and test
	@$(BIN)/python -m core static
	$(BIN)/python -m pytest || { echo "What failed runs once more: a busy machine can miss a deadline, a fault fails twice."; \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

test-browser: $(SETUP)/dev ## Only the journeys in a real Chromium
	$(BIN)/python -m pytest -m browser

lint: $(SETUP)/dev ## ruff (lint and format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(SETUP)/dev ## Format and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: demo $(SETUP)/dev ## Slow benchmarks beside their peers (minutes each)
	@for bench in benchmarks/[a-z]*.py; do echo "== $$bench"; $(BIN)/python -m benchmarks.$$(basename $$bench .py) || exit 1; done

clean: ## Remove the environment (the workspace stays)
	rm -rf $(VENV) $(SETUP) .mypy_cache .ruff_cache .pytest_cache
