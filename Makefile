# The two commands of a newcomer: `make demo` and `make test`. Both set up .venv first.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PYTHON ?= python3.11
JOBS ?= 2
CXX ?= c++
GTEST := $(shell echo '\#include <gtest/gtest.h>' | $(CXX) -x c++ -E - >/dev/null 2>&1 && echo ON || echo OFF)

# Python's bytecode is what makes tensorflow load in 5 seconds rather than 20.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo setup test lint test-full native native-test clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## Create .venv with everything in it

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@PYTHON=$(PYTHON) bash tools/setup.sh $(VENV)
	@touch $@

demo: $(STAMP) ## Convert a Rep-BNN, prove it, run it on pictures
	@$(BIN)/repbnn-edge demo

test: $(STAMP) native-test ## Run all tests: the native ones, then Python's
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not slow"

test-full: $(STAMP) native-test ## Run the exhaustive tests too (long)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope

lint: $(STAMP) ## Lint, format, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

native: $(STAMP) ## Build the delegate and its tests into build/native
	@$(BIN)/cmake -S . -B build/native -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DREPBNN_TESTS=$(GTEST) >build-native.log \
	  || { cat build-native.log; exit 1; }; rm -f build-native.log
	@$(BIN)/cmake --build build/native -j $(JOBS)

native-test: native
ifeq ($(GTEST),ON)
	@$(BIN)/ctest --test-dir build/native --output-on-failure -LE slow
else
	@echo "GoogleTest is not installed, so the native tests are left out (apt-get install libgtest-dev)"
endif

clean: ## Remove everything that was built
	rm -rf $(VENV) build dist
