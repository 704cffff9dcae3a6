# Every target does its own set-up: it needs Python 3.10 or newer with venv and pip, and make.
#   make quickstart        the shipped recipe, from a trained network to an int8 file and its table
#   make test              the default test suite
#   make test-slow         the tests that take a minute or more
#   make test-all          both
#   make test-torch-free   the deploying half in an environment without torch
#   make lint typecheck    style and types

PYTHON ?= python3
VENV ?= .venv
# A test process for each core, and never so many that they fill the memory.
IN_PARALLEL ?= -n auto --maxprocesses 4
TORCH_FREE_VENV ?= build/torch-free
PIP_INSTALL = -m pip install --disable-pip-version-check

.PHONY: quickstart test test-slow test-all test-torch-free lint format typecheck clean

quickstart: $(VENV)/installed-run
	"$(VENV)/bin/nnc" run quickstart

test: $(VENV)/installed-test
	"$(VENV)/bin/python" -m pytest $(IN_PARALLEL)

test-slow: $(VENV)/installed-test
	"$(VENV)/bin/python" -m pytest $(IN_PARALLEL) -m slow

test-all: $(VENV)/installed-test
	"$(VENV)/bin/python" -m pytest $(IN_PARALLEL) -m ""

test-torch-free: $(VENV)/installed-test $(TORCH_FREE_VENV)/installed
	NNC_TORCH_FREE_PYTHON="$(abspath $(TORCH_FREE_VENV))/bin/python" \
	    "$(VENV)/bin/python" -m pytest tests/cli/test_torch_free.py

lint: $(VENV)/installed-test
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .

format: $(VENV)/installed-test
	"$(VENV)/bin/ruff" check --fix .
	"$(VENV)/bin/ruff" format .

# The type checker must meet the checkout under its import name, whatever its folder is called.
typecheck: $(VENV)/installed-test
	mkdir -p build/typecheck
	ln -sfn ../.. build/typecheck/nnc
	mypy="$$(cd "$(VENV)" && pwd)/bin/mypy" && cd build/typecheck && \
	    "$$mypy" --config-file nnc/pyproject.toml --cache-dir nnc/.mypy_cache -p nnc

clean:
	rm -rf "$(VENV)" build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# A stamp a set of extras: made last, so that an interrupted installation is done again.
$(VENV)/installed-run: pyproject.toml
	"$(PYTHON)" -m venv "$(VENV)"
	"$(VENV)/bin/python" $(PIP_INSTALL) -e ".[train,cpu]"
	touch "$@"

# The last two are for the tests of TensorRT alone, which builds engines without a GPU: where there
# is no wheel for the machine, those tests are skipped. The type stubs are those of TensorRT 10,
# without the library that they describe.
$(VENV)/installed-test: pyproject.toml
	"$(PYTHON)" -m venv "$(VENV)"
	"$(VENV)/bin/python" $(PIP_INSTALL) -e ".[train,cpu,test]"
	-"$(VENV)/bin/python" $(PIP_INSTALL) -e ".[rtx]"
	-"$(VENV)/bin/python" $(PIP_INSTALL) --no-deps tensorrt-stubs==10.13.0.35.1
	touch "$@" "$(VENV)/installed-run"

$(TORCH_FREE_VENV)/installed: pyproject.toml
	"$(PYTHON)" -m venv "$(TORCH_FREE_VENV)"
	"$(TORCH_FREE_VENV)/bin/python" $(PIP_INSTALL) -e ".[cpu]"
	touch "$@"
