# The two commands: `make demo` and `make test`. `make install` alone creates .venv with the wonlost command in it.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Waiting OpenMP threads that spin would take the core that the working one needs.
export OMP_WAIT_POLICY ?= passive

.PHONY: help install install-dev demo test lint unit slow bench lock clean

help:
	@echo "make demo     set up, simulate a CRM, import, train, score, and serve it on loopback"
	@echo "make test     set up and run every check"
	@echo "make install  create .venv with the wonlost command"
	@echo "make bench    measure on real data; tables go to benchmarks/RESULTS.md"

install: .venv/.installed
install-dev: .venv/.installed-dev

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wonlost needs Python 3.11 or newer; name it with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	@# uv installs in a fifth of the time; where it cannot be had, pip does the same from the same hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	@touch $@

define install_locked
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) 2>/dev/null || $(BIN)/python -m pip install --quiet --require-hashes -r $(1)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
endef

.venv/.installed: .venv/.python requirements.lock pyproject.toml
	$(call install_locked,requirements.lock)
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	$(call install_locked,requirements-dev.lock)
	@touch $@

demo: install
	@WONLOST=$(BIN)/wonlost bash demo.sh

test: lint unit slow

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two workers with a thread for each core would wait for each other: several times as long where BLAS has much to do.
ONE_THREAD := OMP_NUM_THREADS=1

unit: install-dev
	$(ONE_THREAD) $(BIN)/pytest -m "not slow" -n 2

slow: install-dev
	$(ONE_THREAD) $(BIN)/pytest -m slow -n 2 --no-loadscope-reorder

bench: install-dev
	$(BIN)/python -m benchmarks

PIN := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11
lock: .venv/.python  ## pin every dependency with its hashes, without naming a registry
	$(PIN) --extra build pyproject.toml -o requirements.lock
	$(PIN) --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis
