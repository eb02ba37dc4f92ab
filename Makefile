# A fresh machine needs Python 3.11 or later and make. Everything is set up in .venv, once.
#   make compare   PoLe against PoW: tables and figures in $(COMPARE)
#   make test      formatting, lint, types and tests
#   make figures   redraw the committed figures in figures/
#   make lint      the first three;  make format   repair what can be repaired
#   make clean     remove caches and builds (environments: rm -rf .venv*)
.PHONY: help compare figures test lint format clean run-env dev-env
.DEFAULT_GOAL := help

BIN := .venv/bin
COMPARE := results/compare
WORKERS := 2
export MPLBACKEND := Agg

help:
	@sed -n '2,6s/^# //p' Makefile | sed 's|$$(COMPARE)|$(COMPARE)|'

run-env:
	@.ci/venv .venv run any -e .

dev-env:
	@.ci/venv .venv dev any -e '.[dev]'

compare: run-env
	@$(BIN)/polejax compare
	@echo "tables and figures are in $(COMPARE)"

# The committed figures are those of the main job at its defaults, and of double spends.
figures: run-env
	@$(BIN)/polejax compare --out results/figures
	@cp results/figures/figures/* figures/
	@$(BIN)/python experiments/double_spend.py --out figures
	@echo "figures are in figures/"

lint: dev-env
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

# --dist loadfile keeps a file's tests on one worker, so that what its fixtures compile is compiled once.
test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST)

format: dev-env
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find polejax tests experiments -name __pycache__ -type d -prune -exec rm -rf {} +
