"""Every schedule against optax and against its formula, at every count; joins and bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from schedule_calls import CALLS, COUNTS, IDS

from fastopt import schedules
from fastopt.drivers import schedule as driver
from fastopt.schedules import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    join_schedules,
    linear_schedule,
    polynomial_schedule,
    warmup_cosine_decay_schedule,
    warmup_stable_decay_schedule,
)

FAR = np.array([10**6, 2**31 - 1, 2**31, 2**31 + 1, 2**40])


@pytest.fixture
def optax():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    module = pytest.importorskip("optax", reason="optax is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield module
    jax.config.update("jax_enable_x64", before)


def at(theirs, counts):
    """Their values as float64; constants come back as plain numbers."""
    import jax

    value = lambda count: jax.numpy.asarray(theirs(count), "float64")
    return np.asarray(jax.vmap(value)(jax.numpy.asarray(counts)))


def assert_same(schedule, theirs, name=""):
    """At every count.

    optax's 1 + cos(pi x) cancels towards the end of a wave: its last values are right to some units in the last
    place of the first, not of their own. `test_formula` holds ours to their own.
    """
    size = np.abs(theirs).max()
    waves = "cos" in name or "sgdr" in name or name.startswith("piecewise_i")
    atol = 8 * np.finfo(float).eps * size if waves else 0.0
    np.testing.assert_allclose(schedule, theirs, rtol=1e-12, atol=atol)


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=IDS)
def test_optax(optax, name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    assert_same(schedule(COUNTS), at(getattr(optax, name)(*arguments), COUNTS), name)


def test_every_function_is_among_the_calls():
    made = {name for name in schedules.__all__ if name.endswith(("_schedule", "_decay"))}
    assert made == {name for name, _ in CALLS} | {"warmup_stable_decay_schedule"}


def test_names_arguments_and_defaults_are_optax_s(optax):
    import inspect

    shape = lambda f: [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
    for name in [*dict(CALLS), "join_schedules"]:
        assert shape(getattr(schedules, name)) == shape(getattr(optax, name)), name


# ---- formulas, one count after another -------------------------------------------------------------


@pytest.mark.parametrize("exponent", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.5])
def test_cosine_formula(alpha, exponent):
    """To the digits of each value, also of the smallest: (1 + cos(pi x)) / 2 = sin(pi / 2 (1 - x))^2."""
    steps = 500
    value = cosine_decay_schedule(0.3, steps, alpha, exponent)
    left = (steps - np.minimum(COUNTS, steps)) / steps
    formula = 0.3 * ((1 - alpha) * np.sin(np.pi / 2 * left) ** (2 * exponent) + alpha)
    np.testing.assert_allclose(value(COUNTS), formula, rtol=1e-12)


def test_a_long_warm_up_keeps_its_digits():
    value = linear_schedule(0.0, 1.0, 10**9)
    counts = np.arange(1, 100)
    np.testing.assert_allclose(value(counts), counts / 1e9, rtol=1e-15)


WAYS_DOWN = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + np.cos(np.pi * x)) / 2,
    "sqrt": lambda x: 1 - np.sqrt(x),
}


@pytest.mark.parametrize("decay", WAYS_DOWN)
@pytest.mark.parametrize(("warmup", "stable"), [(50, 200), (0, 200), (1, 0), (0, 0)])
@pytest.mark.parametrize("end", [0.0, 0.02])
def test_warmup_stable_decay(decay, warmup, stable, end):
    schedule = warmup_stable_decay_schedule(0.1, 0.3, warmup, stable, 100, end, decay)
    for t in COUNTS:
        if t < warmup:
            expected = 0.1 + (0.3 - 0.1) * t / warmup
        elif t < warmup + stable:
            expected = 0.3
        else:
            x = min((t - warmup - stable) / 100, 1.0)
            expected = end + (0.3 - end) * WAYS_DOWN[decay](x)
        assert schedule(int(t)) == pytest.approx(expected, rel=1e-12, abs=1e-16), t


@pytest.mark.parametrize(
    ("name", "arguments"),
    [c for c in CALLS if c[0] != "exponential_decay"] + [("exponential_decay", (0.3, 17, 0.9))],
    ids=str,
)
def test_ends_hold_exactly_and_for_ever(name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    if "exponential" not in name:
        assert set(schedule(FAR)) == {schedule(699)}
    assert np.isfinite(schedule(FAR)).all()
    one_by_one = [driver.evaluate(schedule.segments, int(count)) for count in FAR]
    np.testing.assert_array_equal(schedule(FAR), one_by_one)


def test_first_and_last_value_are_the_given_ones():
    for init, end in itertools.permutations([0.1, 0.3, 0.7, 1e-9, 0.0], 2):
        for schedule in (
            linear_schedule(init, end, 30, 5),
            polynomial_schedule(init, end, 1.7, 30, 5),
            warmup_cosine_decay_schedule(init, init + 1, 5, 35, end),
            join_schedules([constant_schedule(init), linear_schedule(init, end, 30)], [5]),
        ):
            assert schedule(0) == init
            assert schedule(35) == end


# ---- joins ------------------------------------------------------------------------------------------

PARTS = [
    ("linear_schedule", (0.0, 0.3, 20, 3)),
    ("piecewise_constant_schedule", (0.5, {4: 0.5, 9: 3.0, 40: 0.1})),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 5, 40, 0.7, 3, True, 0.01)),
    ("polynomial_schedule", (0.7, 0.2, 2.0, 30)),
]


@pytest.mark.parametrize(
    "boundaries", [(30, 60, 90), (0, 5, 200), (7, 7, 8), (0, 0, 0), (10, 50, 50), (300, 301, 302)]
)
def test_joins_and_joins_of_joins(optax, boundaries):
    def join(library):
        parts = [getattr(library, name)(*arguments) for name, arguments in PARTS]
        flat = library.join_schedules(parts, list(boundaries))
        return library.join_schedules([parts[3], flat, parts[1], flat], [25, 130, 133])

    def deeper(library):
        return library.join_schedules([join(library), join(library), join(library)], [11, 400])

    assert_same(join(schedules)(COUNTS), at(join(optax), COUNTS))
    assert_same(deeper(schedules)(COUNTS), at(deeper(optax), COUNTS))


def test_a_join_of_one_is_that_one():
    one = linear_schedule(0.0, 0.3, 20, 3)
    assert join_schedules([one], []) == one
    assert join_schedules(iter([one, one]), iter([0])) == one


# ---- bounds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=IDS)
def test_low_and_high_are_the_extremes(name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    values = schedule(np.concatenate([COUNTS, FAR, [2**63 - 1]]))
    assert schedule.low == values.min()
    assert schedule.high == values.max()


def test_bounds_are_of_what_a_join_leaves():
    growth = exponential_decay(0.1, 10, 2.0)
    assert growth.high == np.inf
    cut = join_schedules(
        [growth, linear_schedule(1.0, -1.0, 100), constant_schedule(0.5)], [11, 31]
    )
    assert (cut.low, cut.high) == (0.1, 1.0)
