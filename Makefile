# The README's commands. Everything is set up in .venv; a new machine needs Python 3.11
# or newer, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# hogblock.kernels and hogblock.models lie beside hogblock/; mypy wants them inside.
TYPES := build/types/hogblock

.PHONY: demo cnn asynchrony distributed docs test types format coverage dist bench
.PHONY: faults soak fuzz clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# The main job: train with 2 workers, print a report, draw the loss and the staleness.
demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

# A convolutional network on Fashion-MNIST; draws its filters, confusions and mistakes.
cnn: $(VENV)/installed
	$(BIN)/python examples/fashion_mnist_cnn.py

# The scripts on asynchrony: a claim, its numbers and a picture each.
asynchrony: $(VENV)/installed
	for script in examples/asynchrony/[a-z]*.py; do \
		echo "$$script"; $(BIN)/python "$$script" || exit 1; done

# Fashion-MNIST on two nodes of a local cluster of Ray; draws loss by time and by bytes.
distributed: $(VENV)/installed
	$(BIN)/python examples/distributed/fashion_mnist.py

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) types
	$(BIN)/python -m pytest

# The site, in build/docs/index.html. It runs the gallery; any warning is an error.
docs: $(VENV)/docs-installed
	rm -rf build/docs docs/api/generated docs/gallery
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

types: $(VENV)/installed
	rm -rf $(TYPES)
	mkdir -p $(TYPES)
	ln -s "$(CURDIR)"/hogblock/* "$(CURDIR)/kernels" "$(CURDIR)/models" $(TYPES)
	cd $(TYPES)/.. && "$(CURDIR)/$(BIN)/mypy" --config-file "$(CURDIR)/pyproject.toml"

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What tests reach, in this process: kernels are compiled, workers are others. pytest-cov
# lies beside .venv: Numba imports coverage where it finds it, in every process.
TESTS ?= tests
coverage: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/coverage \
		pytest-cov coverage
	PYTHONPATH=build/coverage $(BIN)/python -m pytest -p pytest_cov $(TESTS) \
		--cov=hogblock --cov=models --cov-report=term-missing:skip-covered \
		--cov-report=html:build/coverage-html

# Wheel and source distribution into dist/; the wheel is installed elsewhere and tried.
dist: $(VENV)/installed
	.ci/dist

# The tables of docs/benchmarks.md; peers that are not installed are skipped (extra `bench`).
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.peers.mlp_fashion_mnist
	$(BIN)/python -m benchmarks.peers.cnn_fashion_mnist
	$(BIN)/python -m benchmarks.kernels.convolutions

# The measured columns of docs/reliability.md: kills of workers, of programs and of those
# that save, and what protection costs. Half an hour.
faults: $(VENV)/installed
	$(BIN)/python -m benchmarks.reliability.workers
	$(BIN)/python -m benchmarks.reliability.parents
	$(BIN)/python -m benchmarks.reliability.checkpoints
	$(BIN)/python -m benchmarks.reliability.cost

# Ten minutes of random fits, kills and interrupts: nothing may grow.
soak: $(VENV)/installed
	$(BIN)/python -m benchmarks.reliability.soak

# 100,000 hostile files a loader; inputs with a fault are kept in results/fuzz.
fuzz: $(VENV)/installed
	$(BIN)/python -m benchmarks.reliability.fuzz

clean:
	rm -rf $(VENV) build dist results docs/api/generated docs/gallery *.egg-info
