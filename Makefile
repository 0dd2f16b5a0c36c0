# The two commands of a newcomer: `make demo` and `make test`. Both set up .venv first.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PYTHON ?= python3.11
JOBS ?= 2

.PHONY: demo setup test lint test-full native clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## Create .venv with everything in it

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@PYTHON=$(PYTHON) bash tools/setup.sh $(VENV)
	@touch $@

demo: $(STAMP) ## Convert a Rep-BNN, prove it, run it on pictures
	@$(BIN)/repbnn-edge demo

test: $(STAMP) ## Run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow"

test-full: $(STAMP) ## Run the exhaustive tests too (long)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

lint: $(STAMP) ## Lint, format, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

native: ## Build the delegate and its tests into build/native
	@cmake -S . -B build/native -G Ninja
	@cmake --build build/native -j $(JOBS)

clean: ## Remove everything that was built
	rm -rf $(VENV) build dist
