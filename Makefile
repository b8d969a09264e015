# Each target makes the virtual environment it needs; nothing but Python 3.10+ and make must be there.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: demo test test-all lint docs tables bench bench-smoke clean

# One stamp per set of extras: installing again only when pyproject.toml changed.
define environment
$(VENV)/.installed-$(subst $(comma),-,$(1)): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(1)]'
	touch $$@
endef
comma := ,
$(foreach extras,$(sort demo lint docs bench $(EXTRAS)),$(eval $(call environment,$(extras))))
installed = $(VENV)/.installed-$(subst $(comma),-,$(1))

demo: $(call installed,demo)
	$(BIN)/fastopt demo

test: $(call installed,$(EXTRAS))
	$(BIN)/python -m pytest -n auto -m "not full" $(PYTEST_ARGS)

test-all: $(call installed,$(EXTRAS))
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: $(call installed,lint)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(call installed,docs)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

# What is written into the repository about every optimizer; the other tables are made by `docs`.
tables: $(call installed,bench)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python docs/catalogue.py

bench: $(call installed,bench)
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.whole_step
	$(BIN)/python -m benchmarks.study

bench-smoke: $(call installed,bench)
	$(BIN)/python -m benchmarks.core --smoke
	$(BIN)/python -m benchmarks.whole_step --smoke
	$(BIN)/python -m benchmarks.study --smoke
	$(BIN)/python -m benchmarks.training --smoke

clean:
	rm -rf $(VENV) docs/_build build dist demo.png
