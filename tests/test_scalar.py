"""Every function of fastopt.scalar: what Python gives, compiled code gives, at the odd values too."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numba
import numpy as np
import pytest

import fastopt
from fastopt import scalar

DTYPES = [np.float32, np.float64]
ODD = [0.0, -0.0, 1.0, -1.0, 0.3, -2.75, 1e30, -1e-30, np.inf, -np.inf, np.nan]


def unary(function, dtype):
    @numba.njit(error_model="numpy")
    def compiled(x):
        return function(x)

    return lambda x: compiled(dtype(x)), compiled


@numba.njit(error_model="numpy")
def binary_maximum(x, y):
    return scalar.maximum(x, y)


@numba.njit(error_model="numpy")
def binary_minimum(x, y):
    return scalar.minimum(x, y)


@numba.njit(error_model="numpy")
def compiled_where(condition, x, y):
    return scalar.where(condition, x, y)


@numba.njit(error_model="numpy")
def compiled_clamp(x, low, high):
    return scalar.clamp(x, low, high)


@numba.njit(error_model="numpy")
def compiled_power(x, n):
    return scalar.power(x, n)


@numba.njit(error_model="numpy")
def cube_roots(x, out):
    for i in range(x.size):
        out[i] = scalar.cbrt(x[i])


def compiled_cbrt(x):
    out = np.empty_like(x)
    cube_roots(x, out)
    return out


def quietly(function, *arguments):
    with np.errstate(all="ignore"):
        return function(*arguments)


def assert_same(mine, theirs, *, zero_signs=True):
    np.testing.assert_array_equal(mine, theirs)
    if zero_signs and not np.isnan(mine):
        assert np.signbit(mine) == np.signbit(theirs)


def test_the_list_of_functions_is_complete():
    assert set(scalar.__all__) == {
        "abs", "cbrt", "clamp", "maximum", "minimum", "power", "sign", "sqrt", "where"
    }  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sqrt", "abs", "sign"])
def test_of_one_number(name, dtype):
    function = getattr(scalar, name)
    call, compiled = unary(function, dtype)
    for x in [dtype(v) for v in ODD]:
        assert_same(call(x), quietly(function, x), zero_signs=name != "sign")
    element = numba.from_dtype(np.dtype(dtype))
    assert [s.return_type for s in compiled.nopython_signatures] == [element]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_of_two_numbers(name, dtype):
    compiled = {"maximum": binary_maximum, "minimum": binary_minimum}[name]
    for x in ODD:
        for y in ODD:
            expected = getattr(np, name)(dtype(x), dtype(y))
            assert_same(compiled(dtype(x), dtype(y)), expected, zero_signs=False)
            assert_same(getattr(scalar, name)(dtype(x), dtype(y)), expected, zero_signs=False)


@pytest.mark.parametrize("compiled", [binary_maximum, binary_minimum])
@pytest.mark.parametrize("dtype", DTYPES)
def test_not_a_number_wins_in_either_place(compiled, dtype):
    for y in ODD:
        assert np.isnan(compiled(dtype(np.nan), dtype(y)))
        assert np.isnan(compiled(dtype(y), dtype(np.nan)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("condition", [True, False])
def test_where(condition, dtype):
    for x in ODD:
        for y in ODD:
            expected = dtype(x) if condition else dtype(y)
            assert_same(compiled_where(condition, dtype(x), dtype(y)), expected)
            assert_same(scalar.where(condition, dtype(x), dtype(y)), expected)


@pytest.mark.parametrize(
    ("condition", "expected"), [(0, 2.0), (-3, 1.0), (0.0, 2.0), (np.nan, 1.0)]
)
def test_where_takes_numbers_as_conditions(condition, expected):
    assert compiled_where(condition, 1.0, 2.0) == expected
    assert scalar.where(condition, 1.0, 2.0) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_clamp(dtype):
    for x in ODD:
        mine = compiled_clamp(dtype(x), dtype(-1), dtype(0.5))
        theirs = scalar.clamp(dtype(x), dtype(-1), dtype(0.5))
        assert_same(mine, theirs, zero_signs=False)
        if np.isnan(x):
            assert np.isnan(mine)
        else:
            assert mine == min(max(dtype(x), dtype(-1)), dtype(0.5))


@numba.njit(error_model="numpy")
def real_powers(x, y, out):
    for i in range(x.size):
        out[i] = scalar.power(x[i], y)


REAL = [0.5, -0.5, 0.6, -1 / 3, 1.0, 2.0, 3.7, -9.3, 0.0, 1e-3]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("y", REAL)
def test_real_powers_of_all_sizes(y, dtype):
    """Within 1.5 (1 + |y|) units in the last place, where neither x nor the power is denormal."""
    y, limits = dtype(y), np.finfo(dtype)
    reach = 0.97 * np.log2(limits.max) / max(1, abs(float(y)))
    rng = np.random.default_rng(0)
    x = np.concatenate([2.0 ** rng.uniform(-reach, reach, 20_000), 1 + rng.normal(0, 0.1, 20_000)])
    x = np.abs(x).astype(dtype)
    mine = np.empty_like(x)
    real_powers(x, y, mine)
    exact = np.power(x.astype(np.longdouble), np.longdouble(y))
    unit = np.spacing(exact.astype(dtype)).astype(np.longdouble)
    assert (np.abs(mine - exact) / unit).max() <= 1.5 * (1 + abs(float(y)))
    near = scalar.power(x, y)
    np.testing.assert_allclose(mine, near, rtol=4 * (1 + abs(float(y))) * limits.eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("y", [0.5, -0.5, 0.0, 5.0, -5.0])
def test_real_powers_of_odd_numbers(y, dtype):
    """Those of NumPy; of numbers below 0, and -0 by a negative power, what there is no real power for."""
    limits = np.finfo(dtype)
    x = np.array([0, np.inf, np.nan, 1, limits.tiny, limits.max], dtype)
    mine = np.empty_like(x)
    real_powers(x, dtype(y), mine)
    expected = quietly(np.power, x, dtype(y))
    expected[2] = np.nan  # to the power of 0 too
    expected[np.abs(expected) < limits.tiny] = 0
    np.testing.assert_allclose(mine, expected, rtol=10 * limits.eps)
    real_powers(np.full(6, -1.5, dtype), dtype(y), mine)
    assert np.isnan(mine).all()


def test_on_whole_arrays():
    x = np.array([-8.0, 0.0, 27.0])
    np.testing.assert_array_equal(scalar.abs(x), [8, 0, 27])
    np.testing.assert_array_equal(scalar.sign(x), [-1, 0, 1])
    np.testing.assert_array_equal(scalar.maximum(x, np.float64(1)), [1, 1, 27])
    np.testing.assert_array_equal(scalar.minimum(x, np.float64(1)), [-8, 0, 1])
    np.testing.assert_array_equal(scalar.where(x > 0, x, -x), [8, 0, 27])
    np.testing.assert_array_equal(scalar.power(x, 2), [64, 0, 729])
    np.testing.assert_array_equal(scalar.power(x, 0), [1, 1, 1])
    np.testing.assert_allclose(scalar.cbrt(x), [-2, 0, 3], rtol=1e-15)
    np.testing.assert_array_equal(scalar.sqrt(scalar.abs(x)), np.sqrt(np.abs(x)))


# ---- power ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 10, 100, 1000, 12345])
def test_power_against_exact_powers(dtype, n):
    """n - 1 roundings at most, each of half a unit."""
    half_unit = Fraction(float(np.finfo(dtype).eps)) / 2
    for x in [dtype(v) for v in (0.9, -0.9, 0.999, 1.0, 1.0001)]:
        exact = Fraction(float(x)) ** n
        if abs(exact) < Fraction(float(np.finfo(dtype).tiny)):
            continue
        result = compiled_power(x, n)
        assert abs(Fraction(float(result)) - exact) <= max(n - 1, 0) * half_unit * abs(exact) * 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 1000])
def test_power_has_the_same_bits_in_python(dtype, n):
    for x in [dtype(v) for v in (0.9, -0.9, 0.999, 1.0, 0.0, -0.0, np.nan)]:
        assert_same(compiled_power(x, n), quietly(scalar.power, x, n))
        assert scalar.power(x, n).dtype == dtype


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan])
def test_power_of_what_is_not_finite(x, n):
    expected = x**n
    np.testing.assert_array_equal(compiled_power(x, n), expected)
    np.testing.assert_array_equal(quietly(scalar.power, np.float64(x), n), expected)


@pytest.mark.parametrize("n", [0, 1])
def test_power_computes_no_square_that_it_does_not_need(n):
    """A warning of an overflow that is not in the result would be an error in a strict program."""
    assert scalar.power(np.float64(1e200), n) == 1e200**n


# ---- cbrt -----------------------------------------------------------------------------------------


def assert_within_one_unit(x, root):
    """|root - cbrt(x)| <= one unit in the last place of root, in exact arithmetic."""
    for value, r in zip(x.tolist(), root, strict=True):
        assert np.isfinite(r), (value, r)
        middle, unit = Fraction(float(r)), Fraction(float(np.spacing(np.abs(r))))
        low, high = (middle - unit) ** 3, (middle + unit) ** 3
        assert low <= Fraction(value) <= high, (value, r)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_within_one_unit_over_the_whole_range(dtype):
    limits = np.finfo(dtype)
    rng = np.random.default_rng(0)
    exponents = rng.uniform(limits.minexp, limits.maxexp - 1, 3000)
    x = np.exp2(exponents).astype(dtype) * rng.choice([-1, 1], 3000).astype(dtype)
    assert_within_one_unit(x, compiled_cbrt(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_within_one_unit_in_one_octave(dtype):
    x = np.linspace(1, 8, 3001, dtype=dtype)
    assert_within_one_unit(x, compiled_cbrt(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_near_the_ends_of_the_range(dtype):
    limits = np.finfo(dtype)
    x = np.array([limits.max, limits.max / 2, limits.max / 3, limits.max / 5, limits.tiny], dtype)
    assert_within_one_unit(x, compiled_cbrt(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_of_subnormal_numbers(dtype):
    limits = np.finfo(dtype)
    x = np.array([limits.smallest_subnormal, limits.tiny / 2, limits.tiny / 1000], dtype)
    assert_within_one_unit(x, compiled_cbrt(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_of_cubes_and_of_odd_values(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    for mine, theirs in zip(compiled_cbrt(x), np.cbrt(x), strict=True):
        assert_same(mine, theirs)
    cubes = np.array([1, -1, 8, 27, -64, 1000], dtype)
    np.testing.assert_array_equal(np.round(compiled_cbrt(cubes)), [1, -1, 2, 3, -4, 10])
    np.testing.assert_array_equal(quietly(scalar.cbrt, x), np.cbrt(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_compiles_where_warnings_are_errors(dtype):
    @numba.njit(error_model="numpy")
    def fresh(x):
        return scalar.cbrt(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert round(float(fresh(dtype(27)))) == 3
    assert fresh.nopython_signatures[0].return_type == numba.from_dtype(np.dtype(dtype))


# ---- in a rule ------------------------------------------------------------------------------------


class EveryFunction(fastopt.Optimizer):
    """A formula with every function in it; not a good optimizer."""

    slots = {"exp_avg": fastopt.Slot()}

    def __init__(self, params, lr=0.1, beta=0.9):
        super().__init__(params, lr=lr, beta=beta)

    @staticmethod
    def coefficients(h, t):
        return h["lr"] / (1 - scalar.power(h["beta"], t)), h["beta"], 1.0, -1.0

    @staticmethod
    def update(c, p, g, s):
        lr, beta, high, low = c
        (m,) = s
        m = beta * m + scalar.clamp(g, low, high)
        size = scalar.maximum(scalar.abs(g), scalar.sqrt(scalar.abs(m)))
        step = scalar.where(size > high, scalar.sign(m), scalar.minimum(m, size))
        return p - lr * scalar.cbrt(step), (m,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_rule_with_every_function_runs_as_in_python(dtype):
    rng = np.random.default_rng(0)
    p = rng.normal(size=100).astype(dtype)
    q, m = p.copy(), np.zeros(100, dtype)
    opt = EveryFunction(p)
    for t in range(1, 6):
        g = rng.normal(size=100).astype(dtype)
        opt.step(g)
        c = [dtype(v) for v in EveryFunction.coefficients({"lr": 0.1, "beta": 0.9}, t)]
        q, (m,) = EveryFunction.update(c, q, g, (m,))
    assert q.dtype == m.dtype == dtype
    np.testing.assert_allclose(opt.state[0]["exp_avg"], m, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(p, q, rtol=0, atol=16 * np.finfo(dtype).eps)
