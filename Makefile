# Two commands matter: `make demo` and `make test`. Both set up .venv from constraints.txt, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIN := $(shell cat constraints.txt pyproject.toml | sha256sum | cut -c1-16)
BASE := $(VENV)/.base-$(PIN)
FULL := $(VENV)/.full-$(PIN)
JOBS ?= 2
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types clean

demo: $(BASE)
	$(BIN)/crossdiff ingest tests/samples --dataset samples --out demo
	@echo "Open the report: $(abspath demo/report.html)"

test: $(FULL)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

lint: $(FULL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(FULL)
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# setuptools first: some of the mmpose chain builds with the installed one.
$(BASE): | $(BIN)/python
	$(INSTALL) setuptools wheel
	$(INSTALL) -e .
	touch $@

$(FULL): $(BASE)
	$(INSTALL) -e '.[mmpose,ray,dask,synthetic,dev]'
	touch $@

clean:
	rm -rf $(VENV) demo
