# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
# Test processes, one thread each: more threads than cores make torch slower.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOWEST := .venv-lowest

RUN := OMP_NUM_THREADS=1 MPLBACKEND=agg
PYTEST := bin/pytest -n $(WORKERS) --dist worksteal

# The interpreter of a version, from the path or from pyenv; empty where there is none.
interpreter = $(shell for python in python$(1) "$$(pyenv prefix $(1) 2>/dev/null)/bin/python"; do \
	"$$python" -c 'import sys; assert sys.version.startswith("$(1)."); print(sys.executable)' 2>/dev/null && break; done)
missing = Python $(1) is not installed here: no tests were run under it.

.DEFAULT_GOAL := help
.PHONY: help environment-lowest test test-thorough test-fast test-lowest lint format docs tune figures wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.%-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: $(INSTALLED) ## create the environment, or update it after pyproject.toml or constraints.txt changed

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

environment-lowest: ## create the environment of `make test-lowest` (several GB)
	$(if $(call interpreter,3.11),$(MAKE) $(LOWEST)/.installed,@echo "$(call missing,3.11)")

environment-3.%: ## create the environment of `make test-3.12` and the like
	$(if $(call interpreter,3.$*),$(MAKE) .venv-3.$*/.installed,@echo "$(call missing,3.$*)")

test: $(INSTALLED) ## run all tests but the thorough ones, in about 10 minutes (WORKERS=2, ARGS="tests/deploy -k adamw")
	$(RUN) $(VENV)/$(PYTEST) -m "not thorough" $(ARGS)

test-thorough: $(INSTALLED) ## run those that compile, kill processes or go through a large matrix, in about 15 minutes
	$(RUN) $(VENV)/$(PYTEST) -m thorough $(ARGS)

test-fast: $(INSTALLED) ## run those that are neither thorough nor slow, in about 4 minutes
	$(RUN) $(VENV)/$(PYTEST) -m "not slow and not thorough" $(ARGS)

test-lowest: environment-lowest ## run the fast tests on the lowest versions that pyproject.toml allows (several GB)
	$(if $(call interpreter,3.11),$(RUN) $(LOWEST)/$(PYTEST) $(OLD_NEWS) -m "not slow" $(ARGS))

# What versions of years ago say of each other is not ours to mend; nor is how torch's SequentialLR stepped.
OLD_NEWS := $(foreach kind,Deprecation PendingDeprecation Future,-W ignore::$(kind)Warning)
OLD_NEWS += -W "ignore:The epoch parameter in:UserWarning"

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt tests/lowest_versions.py
	$(call interpreter,3.11) -m venv $(LOWEST)
	$(LOWEST)/bin/python tests/lowest_versions.py test > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check \
		-c $(LOWEST)/constraints.txt -c constraints-lowest.txt -e ".[test]"
	touch $@

test-3.%: environment-3.% ## run the fast tests under another Python, where it is installed: test-3.12 (several GB)
	$(if $(call interpreter,3.$*),$(RUN) .venv-3.$*/$(PYTEST) -m "not slow" $(ARGS))

.venv-3.%/.installed: pyproject.toml constraints.txt
	$(call interpreter,3.$*) -m venv .venv-3.$*
	.venv-3.$*/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

lint: $(INSTALLED) ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED) ## fix what ruff can fix, then format
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: $(INSTALLED) ## build the documentation into site/; a warning is an error, and no network is needed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict

tune: $(INSTALLED) ## tune on the starter corpus; the report is out/starter/report.html
	$(BIN)/metaopt tune starter --n-trials 100 --folds 5 --workers 2 --out out/starter --seed 0

figures: $(INSTALLED) ## make the numbers, outputs and pictures of README and docs (ARGS="--splice-only", "--only NAME", --all)
	$(BIN)/python -m benchmarks.figures $(ARGS)

wheel: $(INSTALLED) ## build the source distribution and the wheel into dist/
	$(BIN)/python -m build

clean: ## remove caches and builds; .venv and out stay
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find metaopt plugins tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
