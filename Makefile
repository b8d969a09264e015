# Each target makes the virtual environment it needs; nothing but Python 3.10+ and make must be there.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# numba-cuda replaces numba.cuda of the environment it is in: an environment of its own.
CUDA_VENV ?= .venv-cuda
CUDA_MARKS ?= not full

.PHONY: demo test test-all test-browser test-cuda test-gpu bench-gpu lint docs tables bench bench-docs bench-smoke \
	bench-quick bench-gate bench-gate-proof asv asv-continuous asv-publish clean

# One stamp per set of extras: installing again only when pyproject.toml changed.
define environment
$(VENV)/.installed-$(subst $(comma),-,$(1)): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(1)]'
	touch $$@
endef
comma := ,
$(foreach extras,$(sort browser demo lint docs bench bench-peers $(EXTRAS)),$(eval $(call environment,$(extras))))
installed = $(VENV)/.installed-$(subst $(comma),-,$(1))

demo: $(call installed,demo)
	$(BIN)/fastopt demo

test: $(call installed,$(EXTRAS))
	$(BIN)/python -m pytest -n auto -m "not full and not browser" $(PYTEST_ARGS)

test-all: $(call installed,$(EXTRAS))
	$(BIN)/python -m pytest -n auto -m "not browser" $(PYTEST_ARGS)
	$(MAKE) test-cuda CUDA_MARKS=

# The playground in Chromium; skipped where Debian's packages chromium and chromium-driver are not there.
test-browser: $(call installed,browser)
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

$(CUDA_VENV)/.installed: pyproject.toml
	test -x $(CUDA_VENV)/bin/python || $(PYTHON) -m venv $(CUDA_VENV)
	$(CUDA_VENV)/bin/python -m pip install --quiet --editable '.[test-cuda]'
	touch $@

# No GPU: kernels run in Numba's simulator, in a process of their own, and their machine code is looked at.
test-cuda: $(CUDA_VENV)/.installed
	NUMBA_ENABLE_CUDASIM=1 $(CUDA_VENV)/bin/python -m pytest -n auto -m "$(CUDA_MARKS)" tests/cuda $(PYTEST_ARGS)
	$(CUDA_VENV)/bin/python -m pytest -n auto -m "$(CUDA_MARKS)" tests/test_cuda_*.py $(PYTEST_ARGS)

# With a GPU, and CuPy and PyTorch in the environment PYTHON has: what no simulator shows.
test-gpu:
	FASTOPT_TEST_GPU=1 $(PYTHON) -m pytest tests/cuda $(PYTEST_ARGS)

bench-gpu:
	$(PYTHON) -m benchmarks.device_times $(BENCH_ARGS)

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

BENCH_ARGS ?=

# All measurements; those that docs/benchmarks.md shows go into build/bench, page and pictures.
bench: $(call installed,bench)
	$(BIN)/python -m benchmarks.record --folder build/bench $(BENCH_ARGS)
	$(BIN)/python -m benchmarks.neighbours
	$(BIN)/python -m benchmarks.rows
	$(BIN)/python -m benchmarks.study

# What the working tree, or the last commit, is compared with.
BASE ?= HEAD~1

# Airspeed velocity: this commit; two commits against each other; the pages of all results.
ASV := $(BIN)/python -m asv
ASV_ARGS ?=

asv: $(call installed,bench)
	$(ASV) machine --yes
	$(ASV) run $(ASV_ARGS) HEAD^!

asv-continuous: $(call installed,bench)
	$(ASV) machine --yes
	$(ASV) continuous --factor 1.25 --interleave-rounds --bench 'time' $(ASV_ARGS) $(BASE) HEAD

asv-publish: $(call installed,bench)
	$(ASV) publish

# The figures of docs/benchmarks.md, with all peers; DeepSpeed's operator is compiled when it is first used.
bench-docs: export DS_BUILD_OPS = 0
bench-docs: $(call installed,bench-peers)
	$(BIN)/python -m benchmarks.record $(BENCH_ARGS)

bench-smoke: $(call installed,bench)
	$(BIN)/python -m benchmarks.record --smoke --folder build/bench-smoke
	$(BIN)/python -m benchmarks.neighbours --smoke
	$(BIN)/python -m benchmarks.rows --smoke
	$(BIN)/python -m benchmarks.study --smoke
	$(BIN)/python -m benchmarks.training --smoke

# Steps by pytest-benchmark: SAVE=name keeps a run, COMPARE=name compares with one by fractions of twins.
bench-quick: $(call installed,bench)
	$(BIN)/python -m pytest -q tests/speed --benchmark-only --benchmark-columns=min,median,iqr \
	  $(if $(SAVE),--benchmark-save=$(SAVE)) $(if $(COMPARE),--by-twin=$(COMPARE))

# The working tree against a commit; status 1 if a step became slower than LIMIT times, twice and beyond noise.
LIMIT ?= 1.25
bench-gate: $(call installed,bench)
	$(BIN)/python -m benchmarks.gate $(BASE) --limit $(LIMIT)

bench-gate-proof: $(call installed,bench)
	$(BIN)/python -m benchmarks.gate.proof

clean:
	rm -rf $(VENV) $(CUDA_VENV) docs/_build build dist demo.png
