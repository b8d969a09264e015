"""Exponentially weighted averages against the recursion, one number after another."""

from __future__ import annotations

import numpy as np
import pytest

from fastopt.smoothing import ema


def reference(y, beta, init="first", bias_correction=False):
    y = np.asarray(y, np.float64)
    out, smooth = np.empty_like(y), np.zeros(y.shape[1:])
    for t in range(len(y)):
        first = t == 0 and init == "first"
        smooth = y[0] if first else beta * smooth + (1 - beta) * y[t]
        out[t] = smooth / (1 - beta ** (t + 1)) if bias_correction else smooth
    return out


def series(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(1,), (2,), (50,), (50, 3), (7, 2, 3), (1, 4), (3, 0)])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "how",
    [{}, {"init": "first"}, {"init": "zero"}, {"init": "zero", "bias_correction": True}],
    ids=str,
)
def test_recursion(shape, beta, how):
    y = series(shape)
    result = ema(y, beta, **how)
    assert result.shape == shape
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, reference(y, beta, **how), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.9, 0.99, 0.999])
def test_it_starts_exactly_at_the_first_value(beta):
    y = series((1, 1000))
    np.testing.assert_array_equal(ema(y, beta), y)


@pytest.mark.parametrize("beta", [0.1, 0.9, 0.999])
def test_of_one_value_it_is_that_value_corrected_or_not(beta):
    np.testing.assert_allclose(
        ema([3.7], beta, init="zero", bias_correction=True), [3.7], rtol=1e-13
    )
    np.testing.assert_allclose(ema([3.7], beta, init="zero"), [(1 - beta) * 3.7], rtol=1e-15)


@pytest.mark.parametrize(
    "how", [{}, {"init": "zero"}, {"init": "zero", "bias_correction": True}], ids=str
)
def test_float32_stays_and_is_rounded_once(how):
    y = series((200,)).astype(np.float32)
    result = ema(y, 0.95, **how)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, reference(y, 0.95, **how), rtol=1.2e-7, atol=1e-10)


@pytest.mark.parametrize(
    "y", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), np.array([1, 2, 3], np.float16)]
)
def test_all_else_becomes_float64(y):
    result = ema(y, 0.5)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [1, 1.5, 2.25])


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_foreign_byte_order(dtype):
    result = ema(np.array([1, 2, 3], dtype), 0.5)
    assert result.dtype.isnative
    np.testing.assert_array_equal(result, [1, 1.5, 2.25])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (0, 2, 2)])
def test_an_empty_series_stays_empty(shape):
    assert ema(np.zeros(shape), 0.9).shape == shape


def test_an_empty_list_stays_empty():
    assert ema([], 0.9).shape == (0,)


@pytest.mark.parametrize(
    "view",
    [lambda y: y[::2], lambda y: y[::-1], lambda y: y.T, np.asfortranarray, lambda y: y[:, 1:3]],
    ids=["strided", "reversed", "transposed", "fortran", "columns"],
)
def test_any_strides(view):
    y = series((10, 10))
    np.testing.assert_array_equal(ema(view(y), 0.9), ema(view(y).copy(), 0.9))


def test_the_series_is_only_read():
    y = series((20,))
    before = y.copy()
    y.flags.writeable = False
    result = ema(y, 0.9)
    np.testing.assert_array_equal(y, before)
    result[:] = 0
    np.testing.assert_array_equal(y, before)


def test_columns_are_independent_series():
    y = series((30, 3))
    together = ema(y, 0.9)
    for j in range(3):
        np.testing.assert_array_equal(together[:, j], ema(y[:, j], 0.9))


def test_not_a_number_stays_from_there_on():
    y = np.array([1.0, np.nan, 2.0])
    np.testing.assert_array_equal(np.isnan(ema(y, 0.5)), [False, True, True])
    two = np.array([[1.0, np.nan], [2.0, 1.0]])
    np.testing.assert_array_equal(np.isnan(ema(two, 0.5)), [[False, True], [False, True]])


@pytest.mark.parametrize(
    "beta", [-0.1, 1, 1.0, 1.5, np.nan, np.inf, -np.inf, "0.9", None, 1j, [0.9]]
)
def test_beta_outside_its_range_is_refused_with_its_value(beta):
    with pytest.raises(ValueError, match=r"beta is .*expected a number in \[0, 1\)") as error:
        ema([1.0, 2.0], beta)
    assert repr(beta) in str(error.value)


@pytest.mark.parametrize("init", ["last", "", None, 0])
def test_unknown_start_is_refused_with_its_value(init):
    with pytest.raises(ValueError, match="init is") as error:
        ema([1.0], 0.5, init=init)
    assert repr(init) in str(error.value)


def test_correction_of_what_has_no_bias_is_refused():
    with pytest.raises(ValueError, match="no bias"):
        ema([1.0], 0.5, bias_correction=True)


def test_a_single_number_is_no_series():
    with pytest.raises(ValueError, match=r"single number 3\.0"):
        ema(3.0, 0.5)


def test_complex_series_are_refused():
    with pytest.raises(TypeError, match="complex"):
        ema(np.ones(3, complex), 0.5)
