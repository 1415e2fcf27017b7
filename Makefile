# make demo: screen the six examples.  make test: install everything and test.  make check: format, lint, types.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= osteolens-out

.PHONY: demo test check clean

demo: $(VENV)/.base
	$(BIN)/osteolens process --out $(OUT) --no-resume
	$(BIN)/osteolens evaluate $(OUT) --examples

test: $(VENV)/.full
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.full
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --no-incremental  # the cache has hidden an error

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.full: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[train,test,dev]'
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info
