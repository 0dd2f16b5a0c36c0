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

.PHONY: help demo setup test lint test-full native device wheels android android-screens android-full clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## Create .venv with everything in it

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@PYTHON=$(PYTHON) bash tools/setup.sh $(VENV)
	@touch $@

demo: $(STAMP) ## Convert a Rep-BNN, prove it, run it on pictures
	@$(BIN)/repbnn-edge demo

test: $(STAMP) native ## Run all tests, the native ones among them
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not slow"

test-full: $(STAMP) native ## Run the exhaustive tests too (long)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(JOBS) --dist loadscope

lint: $(STAMP) ## Lint, format, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@git ls-files native tests/native android_demo | grep -E '\.(cc|h|inl|inc)$$' | xargs $(BIN)/clang-format --dry-run -Werror

native: $(STAMP) ## Build the delegate into build/native, and its tests where GoogleTest is installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/native -G Ninja -DREPBNN_TESTS=$(GTEST) >/dev/null
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/native -j $(JOBS)

device: $(STAMP) ## Build what phones and boards need into build/device: runner, delegate, Android's TFLite
	@JOBS=$(JOBS) $(BIN)/python tools/device.py

android: $(STAMP) ## Build the Android library and the sample app into android_demo/build/outputs
	@$(BIN)/python tools/android build

android-screens: $(STAMP) ## Draw every screen of the sample app into android_demo/build/screens
	@$(BIN)/python tools/android screens

android-full: $(STAMP) native ## Run all Android tests, with what CI leaves out (long)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest \
		tests/android tests/native_runner/test_emulated.py tests/native_runner/test_allocations.py

wheels: $(STAMP) ## Build and check manylinux wheels for x86-64 and aarch64, device binaries inside, into dist
	@JOBS=$(JOBS) $(BIN)/python tools/wheels.py

clean: ## Remove everything that was built
	rm -rf $(VENV) build dist android_demo/build
