"""FlatBuffer: one aligned array behind many."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import fastopt
from fastopt import FlatBuffer


@dataclasses.dataclass(frozen=True)
class Layer:
    W: np.ndarray
    b: np.ndarray


class Pair(NamedTuple):
    W: np.ndarray
    b: np.ndarray


def arrays():
    return np.arange(6.0).reshape(2, 3), np.arange(4.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views_share_memory_in_the_order_of_the_leaves(dtype):
    W, b = (a.astype(dtype) for a in arrays())
    buffer = FlatBuffer.like({"layer": {"W": W}, "rest": [b]})
    assert buffer.flat.dtype == dtype
    assert buffer.flat.shape == (10,)
    assert not buffer.flat.any()
    buffer.flat[:] = np.arange(10)
    np.testing.assert_array_equal(buffer.views["layer"]["W"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(buffer.views["rest"][0], [6, 7, 8, 9])
    buffer.views["rest"][0][...] = -1
    np.testing.assert_array_equal(buffer.flat[6:], [-1] * 4)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_starts_at_a_cache_line(size, dtype):
    flat = FlatBuffer.like(np.ones(size, dtype)).flat
    assert flat.ctypes.data % 64 == 0
    assert flat.flags.aligned
    assert flat.flags.c_contiguous
    assert flat.flags.writeable


@pytest.mark.parametrize(
    "make",
    [
        lambda W, b: [W, b],
        lambda W, b: (W, b),
        lambda W, b: {"W": W, "b": b},
        lambda W, b: Layer(W, b),
        lambda W, b: Pair(W, b),
        lambda W, b: [{"x": (W, [b])}],
    ],
)
def test_structure_and_values_are_kept(make):
    W, b = arrays()
    views = FlatBuffer.like(make(W, b), copy=True).views
    expected = make(W, b)
    assert type(views) is type(expected)
    assert repr(views) == repr(expected)


def test_copies_are_copies():
    W, b = arrays()
    buffer = FlatBuffer.like([W, b], copy=True)
    W[:] = -1
    np.testing.assert_array_equal(buffer.flat, [*range(6), *range(4)])


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_and_memory_order(shape, order):
    a = np.asarray(np.random.default_rng(0).normal(size=shape)).copy(order=order)
    view = FlatBuffer.like(a, copy=True).views
    np.testing.assert_array_equal(view, a)
    assert view.shape == shape
    assert (view.flags.c_contiguous, view.flags.f_contiguous) == (
        a.flags.c_contiguous,
        a.flags.f_contiguous,
    )


def test_what_is_not_contiguous_gets_a_view_in_c_order():
    a = np.arange(24.0).reshape(4, 6)[::2, ::2]
    buffer = FlatBuffer.like(a, copy=True)
    np.testing.assert_array_equal(buffer.views, a)
    np.testing.assert_array_equal(buffer.flat, a.ravel())


@pytest.mark.parametrize(
    ("params", "error", "said"),
    [
        ([], ValueError, "empty"),
        ({}, ValueError, "empty"),
        ([1.0], TypeError, "0 is float"),
        ({"a": np.ones(2), "b": np.ones(2, np.float32)}, TypeError, "b is float32 and a float64"),
        (np.ones(2, int), TypeError, "params is int64"),
        (np.ones(2, np.float16), TypeError, "params is float16"),
        (np.ones(2, complex), TypeError, "params is complex128"),
        ([np.ones(2), [None]], TypeError, "1/0 is NoneType"),
        (np.ones(2, ">f8"), TypeError, "params is >f8"),
    ],
)
def test_what_cannot_be(params, error, said):
    with pytest.raises(error, match=said):
        FlatBuffer.like(params)


def test_flat_and_views_give_the_same_bits():
    """One optimizer over the flat array, another over the views of a twin."""
    start = [np.random.default_rng(0).normal(size=s) for s in [(5, 7), (7,), (), (0, 3)]]
    a, b = FlatBuffer.like(start, copy=True), FlatBuffer.like(start, copy=True)
    grads = FlatBuffer.like(start)
    flat, views = fastopt.AdamW(a.flat), fastopt.AdamW(b.views)
    for seed in range(5):
        grads.flat[:] = np.random.default_rng(seed).normal(size=grads.flat.size)
        flat.step(grads.flat)
        views.step(grads.views)
    assert a.flat.tobytes() == b.flat.tobytes()


def test_the_flat_array_and_its_views_are_not_two_parameters():
    buffer = FlatBuffer.like([np.ones(3), np.ones(2)])
    with pytest.raises(ValueError, match="share memory"):
        fastopt.SGD([buffer.flat, buffer.views[0]], lr=0.1)


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))], ids=["deepcopy", "pickle"]
)
def test_a_copy_has_views_into_its_own_flat_array(twin):
    buffer = FlatBuffer.like({"W": np.ones((2, 2)), "b": np.ones(3)}, copy=True)
    other = twin(buffer)
    other.views["b"][:] = 7
    np.testing.assert_array_equal(other.flat, [1, 1, 1, 1, 7, 7, 7])
    np.testing.assert_array_equal(buffer.flat, np.ones(7))
