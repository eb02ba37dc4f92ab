# A fresh machine needs Python 3.11 or later and make. Everything is set up in .venv, once.
#   make compare   PoLe against PoW: tables and figures in $(COMPARE)
#   make claims    every claim of the paper with a verdict: half an hour, resumable; the page docs/claims.md
#   make figures   redraw the committed figures in figures/
#   make quick     formatting, lint, types, imports and the quick tests: about a minute, for the inner loop
#   make test      the same with all tests: what every change must pass
#   make coverage  all tests, and which lines of polejax/ they ran
#   make docs      the site in build/docs, which opens from disk; make docs-test looks at it with headless Chromium
#   make package   wheel and sdist in dist, checked, installed into an empty environment and tried
#   make lint      formatting, lint, types and imports alone;  make format   repair what can be repaired
#   make clean     remove caches and builds (environments: rm -rf .venv*)
.PHONY: help compare claims figures quick test coverage docs docs-test package lint format clean run-env dev-env docs-env
.DEFAULT_GOAL := help

BIN := .venv/bin
COMPARE := results/compare
WORKERS := 2
# --dist loadfile keeps a file's tests on one worker, so that what its fixtures compile is compiled once; the files are
# taken in the order of tests/conftest.py, the long ones first, and not those of most tests first.
TESTS := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export MPLBACKEND := Agg

help:
	@sed -n '2,11s/^# //p' Makefile | sed 's|$$(COMPARE)|$(COMPARE)|'

run-env:
	@.ci/venv .venv run any -e .

dev-env:
	@.ci/venv .venv dev any -e '.[dev]'

docs-env:
	@.ci/venv .venv docs any -e '.[docs]'

compare: run-env
	@$(BIN)/polejax compare
	@echo "tables and figures are in $(COMPARE)"

# The committed page is written by the full job; `polejax claims --quick` takes minutes.
claims: run-env
	@$(BIN)/polejax claims --out results/claims
	@mkdir -p docs/figures
	@cp results/claims/claims.md docs/claims.md
	@cp results/claims/figures/*.png docs/figures/
	@echo "the page is docs/claims.md; results/claims has tables and claims.html"

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
	$(BIN)/lint-imports --no-logo

quick: lint
	$(TESTS) -m "smoke and not slow" $(PYTEST)

test: lint
	$(TESTS) $(PYTEST)

# Apart from `make test`, because it takes longer: by a tenth with sys.monitoring, which Python has from 3.12 on, and by a
# sixth to a third without (measured on tests/consensus/test_chain.py).
coverage: dev-env
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
	$(TESTS) --cov --cov-report=term:skip-covered $(PYTEST)

# Warnings are errors; pages and figures that did not change are not executed again.
docs: docs-env
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "open build/docs/index.html"

docs-test: docs
	$(BIN)/python -m pytest docs/tests $(PYTEST)

package: docs-env
	$(BIN)/python .ci/package.py

format: dev-env
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf build dist docs/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find polejax tests experiments -name __pycache__ -type d -prune -exec rm -rf {} +
