# make demo   the three phases on screen, from a fresh machine
# make test   all tests, from a fresh machine
# Both make .venv if need be. For a GPU: make CONSTRAINTS= demo

PYTHON ?= python3
CONSTRAINTS ?= -c constraints-cpu.txt
BIN := .venv/bin
OUTPUT ?= runs/demo
ONE_PROCESS := --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no

.PHONY: demo test quality

.venv/installed: pyproject.toml constraints-cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]" $(CONSTRAINTS)
	touch $@

demo: .venv/installed
	test -e data/tiny || $(BIN)/python -m data_builder recipes/tiny.yaml --output_dir data/tiny
	$(BIN)/accelerate launch --quiet $(ONE_PROCESS) run_pretrain.py recipes/tiny.yaml --dataset data/tiny \
		--output_dir $(OUTPUT) --overwrite_output_dir
	$(BIN)/python -m evaluation $(OUTPUT) --people 3

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

quality: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
