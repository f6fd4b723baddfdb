# `make demo` and `make test` need nothing but a Python 3.10-3.12; both create and reuse .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PACKAGES := . plugins/digits plugins/pruning plugins/recovery plugins/segmentation
PROJECTS := $(addsuffix /pyproject.toml,$(PACKAGES))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(package))

.PHONY: help demo smoke test test-slow lint clean

help:
	@echo "make demo       compare two pruning methods on the embedded data set (installs into .venv)"
	@echo "make smoke      the same in under a minute: proves that everything works, says nothing about accuracy"
	@echo "make test       ruff, mypy, import-linter and all tests (installs into .venv)"
	@echo "make test-slow  the tests that take more than a minute"
	@echo "make clean      remove .venv and caches; results stay"

demo: $(VENV)/.demo
	$(BIN)/bench run configs/demo.yaml

smoke: $(VENV)/.demo
	$(BIN)/bench run configs/smoke.yaml

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -n auto

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.python:
	$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 12); sys.exit(None if ok else "Python 3.10, 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + ". Say e.g. make PYTHON=python3.11 demo")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.python requirements/demo.txt requirements/constraints.txt $(PROJECTS)
	$(PIP) install --quiet --requirement requirements/demo.txt
	$(PIP) install --quiet --no-deps --no-build-isolation $(EDITABLE)
	touch $@

$(VENV)/.test: $(VENV)/.demo requirements/test.txt
	$(PIP) install --quiet --requirement requirements/test.txt
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
