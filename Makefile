# `make demo` and `make test` need nothing but a Python 3.10-3.12; both create and reuse .venv.
# `make test-ops` needs a C++ compiler too and has an environment of its own.
PYTHON ?= python3
VENV := .venv
OPS := .venv-ops
# Wheels of mmcv with compiled operations, shared by all clones: one takes about ten minutes to make.
OPS_WHEELS ?= $(HOME)/.cache/compression-bench/wheels
BIN := $(VENV)/bin
# A stamp lies in the environment that it is about.
PIP = $(@D)/bin/python -m pip --disable-pip-version-check
PACKAGES := . plugins/digits plugins/pruning plugins/recovery plugins/segmentation
MMCV := $(shell grep '^onedl-mmcv==' requirements/demo.txt)
PROJECTS := $(addsuffix /pyproject.toml,$(PACKAGES))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(package))

.PHONY: help demo smoke test test-slow test-ops lint clean

help:
	@echo "make demo       compare two pruning methods on the embedded data set (installs into .venv)"
	@echo "make smoke      the same in under a minute: proves that everything works, says nothing about accuracy"
	@echo "make test       ruff, mypy, import-linter and all tests (installs into .venv)"
	@echo "make test-slow  the tests that take more than a minute"
	@echo "make test-ops   the tests that need mmcv's compiled operations and mmdet (compiles once, installs into $(OPS))"
	@echo "make clean      remove $(VENV), $(OPS) and caches; results and compiled wheels stay"

demo: $(VENV)/.demo
	$(BIN)/bench run configs/demo.yaml

smoke: $(VENV)/.demo
	$(BIN)/bench run configs/smoke.yaml

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -n auto

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

test-ops: $(OPS)/.ops
	$(OPS)/bin/python -m pytest -m ops

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.python $(OPS)/.python:
	$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 12); sys.exit(None if ok else "Python 3.10, 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + ". Say e.g. make PYTHON=python3.11 demo")'
	$(PYTHON) -m venv $(@D)
	touch $@

$(VENV)/.demo $(OPS)/.demo: %/.demo: %/.python requirements/demo.txt requirements/constraints.txt $(PROJECTS)
	$(PIP) install --quiet --requirement requirements/demo.txt
	$(PIP) install --quiet --no-deps --no-build-isolation $(EDITABLE)
	touch $@

$(VENV)/.test $(OPS)/.test: %/.test: %/.demo requirements/test.txt
	$(PIP) install --quiet --requirement requirements/test.txt
	touch $@

$(OPS)/.ops: $(OPS)/.test requirements/ops.txt
	$(PIP) install --quiet --requirement requirements/ops.txt
	@$(HAS_OPS) 2>/dev/null || { $(INSTALL_OPS); }
	$(HAS_OPS)
	touch $@

HAS_OPS = $(@D)/bin/python -c 'import torch, mmcv._ext'

# A compiled wheel fits one mmcv, torch, Python and machine. pip would not tell it from a wheel without operations, so its
# own cache is left out; and a compilation that was interrupted leaves nothing that looks like a wheel.
define INSTALL_OPS
set -e; \
wheels="$(OPS_WHEELS)/$$($(@D)/bin/python -c 'import sys, sysconfig, torch; print("$(MMCV)", "torch==" + torch.__version__, sys.implementation.cache_tag, sysconfig.get_platform(), sep="_")')"; \
if ! ls "$$wheels"/*.whl >/dev/null 2>&1; then \
	echo "compiling the operations of $(MMCV): about ten minutes on two cores, once; the wheel goes to $$wheels"; \
	mkdir -p "$$wheels"; \
	building="$$(mktemp -d "$$wheels/building.XXXXXX")"; \
	trap 'rm -rf "$$building"' EXIT; \
	$(PIP) wheel --quiet --no-deps --no-binary :all: --no-build-isolation --no-cache-dir --wheel-dir "$$building" $(MMCV); \
	mv "$$building"/*.whl "$$wheels"; \
fi; \
$(PIP) install --quiet --no-deps --force-reinstall "$$wheels"/*.whl
endef

clean:
	rm -rf $(VENV) $(OPS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
