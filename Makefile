# make demo   the three phases on screen, from a fresh machine; again: shows the run that is there
# make explore   the demo's run in the browser, checkpoint by checkpoint; trains it if it is not there
# make test   all tests, from a fresh machine
# make docs   the documentation as a site, build/docs/site/index.html; also from a fresh machine
# make test-lowest   all tests with the lowest versions that pyproject.toml allows (of torch, the one of CONSTRAINTS)
# They make .venv or .venv-lowest if need be. For a GPU: make CONSTRAINTS= demo

PYTHON ?= python3
CONSTRAINTS ?= -c constraints-cpu.txt
BIN := .venv/bin
OUTPUT ?= runs/demo
ONE_PROCESS := --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no

.PHONY: demo explore test docs test-lowest quality

.venv/installed: pyproject.toml constraints-cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]" $(CONSTRAINTS)
	touch $@

demo: .venv/installed
	test -e data/tiny || $(BIN)/python -m data_builder recipes/tiny.yaml --output_dir data/tiny
	test -e $(OUTPUT)/individuals.json || $(BIN)/accelerate launch --quiet $(ONE_PROCESS) run_pretrain.py \
		recipes/tiny.yaml --dataset data/tiny --output_dir $(OUTPUT) --resume_from_checkpoint auto
	$(BIN)/python -m evaluation $(OUTPUT) --people 3

explore: .venv/installed
	test -e $(OUTPUT)/individuals.json || $(MAKE) demo
	$(BIN)/python -m explorer $(OUTPUT)

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

docs: .venv/installed
	$(BIN)/python -m docs.pages build/docs
	$(BIN)/python -m zensical build --strict --config-file build/docs/mkdocs.yml

.venv-lowest/installed: pyproject.toml constraints-cpu.txt
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	sed -n 's/^    "\([a-z0-9_]*\)>=\([0-9.]*\)",$$/\1==\2/p' pyproject.toml | grep -v ^torch > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --upgrade pip
	.venv-lowest/bin/python -m pip install --quiet --editable ".[dev]" -c .venv-lowest/constraints.txt $(CONSTRAINTS)
	touch $@

test-lowest: .venv-lowest/installed
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist worksteal

quality: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
