# make demo   makes the environment, installs the package, runs the main job into runs/demo
# make test   makes the environment where needed, adds the test tools, runs the tests
# make lint   adds the lint tools, runs ruff and mypy
#
# PYTHON=python3.12 chooses the interpreter, VENV=path another place for the environment;
# DEMO_FLAGS and PYTEST_FLAGS are handed on, as in: make demo DEMO_FLAGS=--fast

PYTHON ?= python3
VENV ?= .venv
DEMO_FLAGS ?=
PYTEST_FLAGS ?=

bin := $(VENV)/bin
# Hatchling lies in the environment, so that a repeated installation asks no package index.
pip := $(bin)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
install := $(pip) --no-build-isolation --editable
recipe := pyproject.toml constraints.txt
old_python := { echo "make: $(PYTHON) is missing or older than Python 3.10; try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }

.PHONY: help demo test lint clean
help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

# One stamp for each set of requirements: installed again only when the recipe changes. The installation is
# editable, so a change of the sources takes effect by itself.
$(VENV)/.base: $(recipe)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || $(old_python)
	@test -x $(bin)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing spectral-cascade into $(VENV); the first time takes minutes."
	@$(pip) hatchling
	@$(install) .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@echo "Adding the test tools to $(VENV)."
	@$(install) '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.base
	@echo "Adding the lint tools to $(VENV)."
	@$(install) '.[lint]'
	@touch $@

demo: $(VENV)/.base
	@$(bin)/sclc demo $(DEMO_FLAGS)

# A file's tests stay in one process, so that what they share is made once; torch keeps to one thread in each.
test: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(bin)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_FLAGS)

lint: $(VENV)/.lint
	@$(bin)/ruff check
	@$(bin)/ruff format --check
	@$(bin)/mypy

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
