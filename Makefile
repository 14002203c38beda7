# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
# Test processes, one thread each: more threads than cores make torch slower.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help test lint format tune wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: $(INSTALLED) ## create the environment, or update it after pyproject.toml or constraints.txt changed

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

test: $(INSTALLED) ## run all tests (WORKERS=2, ARGS="tests/deploy -k adamw")
	OMP_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(INSTALLED) ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED) ## fix what ruff can fix, then format
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

tune: $(INSTALLED) ## tune on the starter corpus; the report is out/starter/report.html
	$(BIN)/metaopt tune starter --n-trials 100 --folds 5 --workers 2 --out out/starter --seed 0

wheel: $(INSTALLED) ## build the source distribution and the wheel into dist/
	$(BIN)/python -m build

clean: ## remove caches and builds; .venv and out stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find metaopt plugins tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
