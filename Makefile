# The whole developer interface: make demo, test, test-all, check, bench, house.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all check bench house

demo: $(READY)  ## run the built-in model on the built-in movie
	$(BIN)/posestream demo

# In the order of the files: the slow ones of engine/ come first, and none is left for the end.
test: $(READY)  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-all: $(READY)  ## run the tests, the slow ones too
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m ""

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Results are kept in .benchmarks/; from the second time on, they stand beside the last ones, and
# one whose fastest round takes twice as long fails.
LAST := $(wildcard .benchmarks/*/*.json)
bench: $(READY)  ## time the stages, against the last time on this machine
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-max-time 0.5 --benchmark-autosave \
		--benchmark-columns min,median,rounds --benchmark-group-by fullname \
		$(if $(LAST),--benchmark-compare --benchmark-compare-fail min:100%)

BEFORE :=
house: $(READY)  ## measure the code; make house BEFORE=REVISION: against a revision
	$(BIN)/python -m benchmarks.house $(BEFORE)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
