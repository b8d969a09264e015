"""Names that docstring examples use without importing them."""

import gc
import importlib.util
import os

# The networks of the tests are small, and pytest's workers share the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import fastopt

# Modules that import an extra have their examples where it is installed.
collect_ignore = []
# They have no examples, and all one name.
collect_ignore_glob = ["tests/conftest.py", "tests/*/conftest.py"]
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["fastopt/interop/torch.py"]
if importlib.util.find_spec("numba_cuda") is None:
    collect_ignore += ["fastopt/device", "fastopt/drivers/cuda", "fastopt/cli/ptx.py"]
    collect_ignore += ["tests/ptx_runtime.py", "tests/ptx_steps.py"]
if importlib.util.find_spec("matplotlib") is None or not importlib.util.find_spec("vega_datasets"):
    collect_ignore += ["fastopt/study/figures", "fastopt/study/animation.py"]
if not all(importlib.util.find_spec(m) for m in ("bokeh", "sympy", "matplotlib")):
    collect_ignore += ["fastopt/study/playground"]


def pytest_collection_finish():
    """Thousands of tests and what they import are there to stay: `gc.collect` in a test need not walk them."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _example_names(doctest_namespace):
    doctest_namespace.update(np=np, fastopt=fastopt)


@pytest.fixture(autouse=True)
def _same_threads():
    before = fastopt.get_num_threads()
    yield
    fastopt.set_num_threads(before)
