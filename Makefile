# make demo: screen the six examples.  make test: install everything and test.  make check: format, lint, types.
# make docs: the site of docs/ in site/; broken links are errors.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= osteolens-out

.PHONY: demo test check docs clean

demo: $(VENV)/.base
	$(BIN)/osteolens process --out $(OUT) --no-resume
	$(BIN)/osteolens evaluate $(OUT) --examples

test: $(VENV)/.full
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.full
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --no-incremental  # the cache has hidden an error

docs: .venv-docs/.done
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/.done: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install -q -r docs/requirements.txt
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.full: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[train,test,dev]'
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) .venv-docs site $(OUT) build dist *.egg-info
