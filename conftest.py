"""Names that docstring examples use without importing them."""

import numpy as np
import pytest

import fastopt


@pytest.fixture(autouse=True)
def _example_names(doctest_namespace):
    doctest_namespace.update(np=np, fastopt=fastopt)


@pytest.fixture(autouse=True)
def _same_threads():
    before = fastopt.get_num_threads()
    yield
    fastopt.set_num_threads(before)
