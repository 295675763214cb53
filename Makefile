# Each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
VLLM := .venv-vllm/bin/python
VLLM_READY := .venv-vllm/.ready

.PHONY: demo board zoo test test-vllm lint bench clean

demo: $(READY)  ## compare three trainers on the embedded model, six minutes at most on two cores
	$(BIN)/alftbench compare

# BOARD_OPTIONS narrows it for a trial, into a folder of its own: BOARD_DIR=scratch BOARD_OPTIONS='--seeds 1'
BOARD_DIR ?= .
BOARD_OPTIONS ?=
board: $(READY)  ## make the committed board `tiny`: the demo, measured on training problems too
	$(BIN)/alftbench compare --board tiny --output-dir $(BOARD_DIR) --measure-train 40 $(BOARD_OPTIONS)

# Runs go to runs/zoo; what is published of them is packed: the answer of every sample, the texts of seed 0.
ZOO_SEEDS ?= 5
zoo: $(READY)  ## make the committed board `zoo`: every recipe at one budget, hours on two cores
	mkdir -p runs/zoo/leaderboards && cp -r leaderboards/zoo runs/zoo/leaderboards/
	$(BIN)/alftbench compare --board zoo --output-dir runs/zoo --seeds $(ZOO_SEEDS) --measure-train 20
	$(BIN)/alftbench pack runs/zoo/results/zoo results/zoo
	$(BIN)/alftbench leaderboard leaderboards/zoo

test: $(READY)  ## the whole test suite, a process per core
	$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

test-vllm: $(VLLM_READY)  ## the vllm and openai backends with the real vLLM, on CPU; installs 3.5 GB at first
	OMP_NUM_THREADS=1 $(VLLM) -m pytest -q tests/vllm

lint: $(READY)  ## style, types, and which way imports go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: export OMP_NUM_THREADS = 1
bench: $(READY)  ## speed and verdicts beside peers, minutes; DATA=FOLDER adds the two that read data
	$(BIN)/python benchmarks/sampling.py --quick
	$(BIN)/python benchmarks/games.py --quick
	$(BIN)/python benchmarks/partition.py --quick
	$(BIN)/python benchmarks/quality.py --quick
	$(BIN)/python benchmarks/coherence.py --quick
ifdef DATA
	$(BIN)/python benchmarks/answers.py --quick --data $(DATA)
	$(BIN)/python benchmarks/throughput.py --quick --data $(DATA)/gsm8k_test.jsonl
endif

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Without torchvision and its kind: unused here, and built for another torch they break its import.
$(VLLM_READY): tests/vllm/requirements.txt pyproject.toml
	test -x $(VLLM) || $(PYTHON) -m venv .venv-vllm
	$(VLLM) -m pip install --quiet --requirement tests/vllm/requirements.txt
	$(VLLM) -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM) -m pip install --quiet --no-deps --editable .
	touch $@

clean:  ## remove the environments and everything that was run by default
	rm -rf .venv .venv-vllm runs
