# Moving Target: the commands of the README. Works with GNU make 3.81 and later.
#
#   make demo          set up, run the study `demo`, print verdicts and where catalog and report are
#   make test          set up, run all tests
#   make ui PORT=3000  Dagster's UI on 127.0.0.1
#   make ray           add what a Ray cluster needs
#   make soak KILLS=5  kill runs of STUDY (demo) at random moments, compare with one left alone; hours with the demo
#
# TORCH chooses the build of PyTorch: on Linux without an NVIDIA GPU, the CPU build saves gigabytes:
#   make demo TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
TORCH ?= torch==2.13.0
WORKERS ?= 2
PORT ?= 3000
STUDY ?= demo
KILLS ?= 5
VENV := .venv
BIN := $(VENV)/bin
TESTS ?=
JOBS ?= 2

.PHONY: demo test ray ui report bench soak validate architectures docs lint lock clean help

help:
	@sed -n 's/^#   //p' Makefile

# The stamp holds until the lock file or the project's metadata change. Torch comes first and by itself: see [tool.uv]
# in pyproject.toml.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --no-compile $(TORCH)
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/python -m pipelines run demo --workers $(WORKERS)

test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

# What a Ray cluster needs, on each of its machines; see the README.
ray: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements-ray.lock

ui: $(VENV)/.installed
	@$(BIN)/python -m pipelines ui $(STUDY) --port $(PORT)

report: $(VENV)/.installed
	@$(BIN)/python -m pipelines report

bench: $(VENV)/.installed
	@$(BIN)/python -m tests.bench

# Runs killed with their workers by SIGKILL and run again: twice the study's own time for each of KILLS.
soak: $(VENV)/.installed
	@$(BIN)/python -m tests.soak $(STUDY) --kills $(KILLS) --workers $(WORKERS)

# How often the rules are right, by simulation: coverage of intervals, wrong verdicts. Takes about half an hour.
validate: $(VENV)/.installed
	@$(BIN)/python -m tests.validation

# Writes assets/models/ARCHITECTURES.md: which decoder classes of transformers are measured, and how.
architectures: $(VENV)/.installed
	@$(BIN)/python -m tests.architectures

# Writes catalog/DICTIONARY.md from the comments, and catalog/COOKBOOK.md with the answers of the home's catalog (the demo's).
docs: $(VENV)/.installed
	@$(BIN)/python -m tests.documents

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Writes the lock files anew; needs uv (https://docs.astral.sh/uv). What the extra `ray` needs stands in a file of its
# own, which is half a gigabyte once installed.
LOCK := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate
lock:
	$(LOCK) --extra demo --extra dev pyproject.toml --output-file requirements.lock
	$(LOCK) --extra ray --constraints requirements.lock pyproject.toml --output-file requirements-ray.lock

# What can be made again; the record and the weights stay. `make clean ALL=1` takes the environment too.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	$(if $(ALL),rm -rf $(VENV))
