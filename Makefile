# Everything a newcomer needs: `make demo` and `make test`. Both need only python3 (3.11 or later) and make.

PYTHON ?= python3
BIN := .venv/bin
DATA := $(firstword $(wildcard ../shared/data))
export PIP_CONSTRAINT := $(abspath constraints.txt)
export UNNOISE_DATA ?= $(if $(DATA),$(abspath $(DATA)))

.PHONY: demo test lint types unit docs install clean help

help:           ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

demo: install   ## train one small model a domain and write an HTML report
	$(BIN)/unnoise bench run --suite demo --out runs/demo
	@echo; echo "the report: $$($(BIN)/unnoise bench report --out runs/demo)"

test: lint types unit   ## lint, types, tests

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

unit: install
	$(BIN)/python -m pytest -q -n 2

docs: install   ## build the book into build/docs
	$(BIN)/python -m pip install -q -e '.[docs]'
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs
	@echo; echo "the book: build/docs/index.html"

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"unnoise needs Python 3.11 or later, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q torch
	$(BIN)/python -m pip install -q -e '.[dev]'
	@$(BIN)/python -m pip install -q -e '.[perceptual]' 2>/dev/null || echo 'without PESQ: its package needs a C compiler'
	@touch $@

clean:          ## remove what was installed and made
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
