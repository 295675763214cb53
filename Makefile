# Each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench clean

demo: $(READY)  ## compare three trainers on the embedded model, about four minutes on two cores
	$(BIN)/alftbench compare

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -q

lint: $(READY)  ## style, types, and which way imports go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## speed side by side with peers
	$(BIN)/python benchmarks/sampling.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:  ## remove the environment and everything that was run by default
	rm -rf .venv runs
