"""Every schedule against optax and against its formula, at every count; joins, bounds, copies, errors."""

from __future__ import annotations

import copy
import itertools
import pickle

import numba
import numpy as np
import pytest

import fastopt
from fastopt import schedules
from fastopt import segments as s
from fastopt.drivers import schedule as driver
from fastopt.schedules import (
    Schedule,
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    join_schedules,
    linear_schedule,
    piecewise_constant_schedule,
    polynomial_schedule,
    warmup_cosine_decay_schedule,
    warmup_stable_decay_schedule,
)

COUNTS = np.arange(700)
FAR = np.array([10**6, 2**31 - 1, 2**31, 2**31 + 1, 2**40])

SGDR = (
    {"init_value": 0.1, "peak_value": 0.3, "warmup_steps": 5, "decay_steps": 70, "end_value": 0.02},
    {"init_value": 0.2, "peak_value": 0.25, "warmup_steps": 0, "decay_steps": 90, "exponent": 2.0},
    {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 89, "decay_steps": 90},
)
SCALES = {50: 0.3, 90: 0.5, 30: 2.0, 400: 0.1}

# (name, arguments); all arguments away from their defaults in some of them, and what is a degenerate case
CALLS = [
    ("constant_schedule", (0.3,)),
    ("linear_schedule", (0.1, 0.3, 300, 7)),
    ("linear_schedule", (0.0, 0.3, 300)),
    ("linear_schedule", (-0.5, -0.1, 1, 0)),
    ("linear_schedule", (0.1, 0.3, 0, 7)),
    ("linear_schedule", (0.1, 0.3, -5, 7)),
    ("linear_schedule", (0.1, 0.3, 20, -7)),
    ("polynomial_schedule", (0.3, 0.0, 2.5, 300, 7)),
    ("polynomial_schedule", (0.1, 0.7, 0.5, 200)),
    ("polynomial_schedule", (0.1, 0.7, 0, 200, 3)),
    ("polynomial_schedule", (0.1, 0.7, 3, -1, 3)),
    ("cosine_decay_schedule", (0.3, 200)),
    ("cosine_decay_schedule", (0.3, 200, 0.1, 1.7)),
    ("cosine_decay_schedule", (0.3, 200, 1.5, 0.3)),
    ("cosine_decay_schedule", (0.3, 1, 0.1)),
    ("exponential_decay", (0.3, 17, 0.9)),
    ("exponential_decay", (0.3, 17, 0.9, 5, False, 0.01)),
    ("exponential_decay", (0.3, 17, 0.9, 5, True, 0.01)),
    ("exponential_decay", (0.3, 17, 1.2, 5, True, 7.0)),
    ("exponential_decay", (0.3, 17, 1.2, -5, False)),
    ("exponential_decay", (0.3, 17, 0.9, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 1.2, 5, False, 0.2)),
    ("exponential_decay", (-0.3, 17, 0.9, 5)),
    ("exponential_decay", (0.0, 17, 1.2, 5)),
    ("exponential_decay", (0.3, 0, 0.9, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 0.0, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 1.0, 5, False, 0.5)),
    ("piecewise_constant_schedule", (0.3,)),
    ("piecewise_constant_schedule", (0.3, SCALES)),
    ("piecewise_constant_schedule", (-0.3, {0: 0.5, 1: 0.0})),
    ("piecewise_interpolate_schedule", ("linear", 0.3)),
    ("piecewise_interpolate_schedule", ("linear", 0.3, SCALES)),
    ("piecewise_interpolate_schedule", ("cosine", 0.3, SCALES)),
    ("piecewise_interpolate_schedule", ("cosine", 0.3, {0: 0.5, 1: 3.0, 200: 0.0})),
    ("linear_onecycle_schedule", (400, 0.3)),
    ("linear_onecycle_schedule", (403, 0.3, 0.2, 0.7, 10.0, 1e3)),
    ("linear_onecycle_schedule", (1, 0.3)),
    ("linear_onecycle_schedule", (2, 0.3)),
    ("linear_onecycle_schedule", (40, 0.3, 0.0, 1.0)),
    ("cosine_onecycle_schedule", (200, 0.3)),
    ("cosine_onecycle_schedule", (203, 0.3, 0.2, 10.0, 1e3)),
    ("cosine_onecycle_schedule", (1, 0.3)),
    ("cosine_onecycle_schedule", (40, 0.3, 1.0)),
    ("warmup_constant_schedule", (0.1, 0.3, 100)),
    ("warmup_constant_schedule", (0.1, 0.3, 0)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 50, 300)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 50, 300, 0.01, 1.5)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 0, 300, 0.5)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 1, 2)),
    ("warmup_cosine_decay_schedule", (0.1, 0.0, 50, 300, 0.01)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 50, 40, 0.7)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 50, 40, 0.7, 3, True, 0.01)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 0, 40, 1.1, 3, False, 1.0)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 5, 0, 1.1)),
    ("sgdr_schedule", (SGDR,)),
    ("sgdr_schedule", (SGDR[:1],)),
]  # fmt: skip
ids = [f"{name}-{i}" for i, (name, _) in enumerate(CALLS)]


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


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=ids)
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


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=ids)
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


# ---- in compiled code -------------------------------------------------------------------------------


def test_user_code_evaluates_and_compiles_once():
    evaluate = schedules.evaluate

    @numba.njit
    def total(segments, steps):
        result = 0.0
        for count in range(steps):
            result += evaluate(segments, count)
        return result

    plateau = schedules.ReduceLROnPlateau(0.5, factor=0.5, patience=0)
    every = [getattr(schedules, name)(*arguments) for name, arguments in CALLS]
    for schedule in [*every, plateau]:
        assert total(schedule.segments, 700) == pytest.approx(sum(schedule(COUNTS)), rel=1e-12)
    for metric in (1.0, 2.0):
        plateau.update(metric)
    assert total(plateau.segments, 10) == 2.5
    assert len(total.signatures) == 1


def test_all_kinds_share_one_kernel():
    for name, arguments in CALLS:
        schedule = getattr(schedules, name)(*arguments)
        schedule(0), schedule(COUNTS), schedule(np.int32(3)), schedule(COUNTS.reshape(7, 100))
    schedules.ReduceLROnPlateau(0.5)(0)
    assert len(driver.sample.signatures) == 1


@pytest.mark.parametrize("count", [0, 7, 2**31 + 5])
def test_apply_writes_each_value_where_the_plan_says(count):
    lr, decay = linear_schedule(1.0, 0.0, 10), exponential_decay(0.3, 17, 0.9, 5)
    plateau = schedules.ReduceLROnPlateau(0.5, factor=0.5, patience=0)
    header = np.zeros(4, np.dtype([("step", "i8"), ("lr", "f8"), ("beta", "f8")], align=True))
    words = header.view(np.float64).reshape(4, 3)

    def row(schedule, first, last, word):
        return first, last, word, schedule.segments.ctypes.data, len(schedule.segments)

    plan = np.array([row(lr, 0, 2, 1), row(plateau, 3, 4, 1), row(decay, 1, 4, 2)])
    for now, metric in [(0.5, 1.0), (0.5, 2.0), (0.25, 3.0), (0.125, 4.0)]:
        driver.apply(words, count, plan)
        np.testing.assert_array_equal(header["lr"], [lr(count), lr(count), 0, now])
        np.testing.assert_array_equal(header["beta"], [0, *[decay(count)] * 3])
        assert not header["step"].any()
        plateau.update(metric)
    driver.apply(words, count, plan[:0])


# ---- as objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=ids)
def test_representation_is_the_call(name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    assert repr(schedule).startswith(name + "(")
    assert eval(repr(schedule), vars(schedules)) == schedule


def test_representations():
    assert repr(constant_schedule(np.float64(0.5))) == "constant_schedule(value=0.5)"
    nested = join_schedules(iter([constant_schedule(1), constant_schedule(2)]), boundaries=(5,))
    assert repr(nested) == (
        "join_schedules(schedules=[constant_schedule(value=1), constant_schedule(value=2)], "
        "boundaries=(5,))"
    )
    bare = Schedule([[0, s.POLYNOMIAL, 1, 0, 10, 1]])
    assert bare == linear_schedule(1, 0, 10)
    assert eval(repr(bare)) == bare


def test_equality_is_of_segments():
    line = linear_schedule(0.1, 0.3, 20)
    assert line == polynomial_schedule(0.1, 0.3, 1.0, 20)
    assert hash(line) == hash(polynomial_schedule(0.1, 0.3, 1.0, 20))
    assert line != linear_schedule(0.1, 0.3, 21)
    assert line != "linear"
    assert schedules.ReduceLROnPlateau(0.5) != constant_schedule(0.5) != schedules.ReduceLROnPlateau(0.5)  # fmt: skip


def test_immutable():
    schedule = linear_schedule(0.1, 0.3, 20)
    with pytest.raises(AttributeError):
        schedule.segments = np.zeros((1, s.COLUMNS))
    with pytest.raises(ValueError, match="read-only"):
        schedule.segments[0, 0] = 1
    assert schedule.segments is schedule.segments
    given = np.array([[0, s.POLYNOMIAL, 1, 0, 10, 1.0]])
    own = Schedule(given)
    given[:] = 7
    assert own(5) == 0.5


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=ids)
def test_copies_and_state(name, arguments):
    schedule = getattr(schedules, name)(*arguments)
    d = schedule.state_dict()
    for other in (
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        copy.copy(schedule),
        schedules.from_state_dict(pickle.loads(pickle.dumps(d))),
        schedules.from_state_dict({**d, "segments": d["segments"].tolist()}),
    ):
        assert other == schedule
        assert repr(other) == repr(schedule)
        np.testing.assert_array_equal(other(COUNTS), schedule(COUNTS))
    d["segments"][:] = 7
    assert schedule == getattr(schedules, name)(*arguments)


def test_calls():
    schedule = linear_schedule(1.0, 0.0, 4)
    assert type(schedule(1)) is float
    assert schedule(np.uint8(1)) == schedule(np.array(1)) == 0.75
    np.testing.assert_array_equal(schedule([[0, 1], [2, 9]]), [[1.0, 0.75], [0.5, 0.0]])
    assert schedule([]).shape == (0,)
    assert schedule(np.zeros((0, 3), int)).shape == (0, 3)
    assert schedule(10**9) == 0.0


# ---- errors -----------------------------------------------------------------------------------------

MISTAKES = [
    (lambda: constant_schedule("0.1"), TypeError, "constant_schedule: value is '0.1'"),
    (lambda: constant_schedule(True), TypeError, "value is True; expected a number"),
    (lambda: constant_schedule(np.nan), ValueError, "value is nan; expected a finite number"),
    (lambda: constant_schedule(10**400), ValueError, "value is 1000"),
    (lambda: linear_schedule(0.1, np.inf, 5), ValueError, "end_value is inf"),
    (lambda: linear_schedule(0.1, 0.2), TypeError, "linear_schedule: .*'transition_steps'"),
    (lambda: linear_schedule(0.1, 0.2, 5.5), ValueError, "transition_steps is 5.5; expected a whole"),
    (lambda: linear_schedule(0.1, 0.2, 2**60), ValueError, "transition_steps is 1152"),
    (lambda: linear_schedule(0.1, 0.2, 5, None), TypeError, "transition_begin is None"),
    (lambda: polynomial_schedule(1, 0, -1, 5), ValueError, "power is -1; expected .* >= 0"),
    (lambda: cosine_decay_schedule(1, 0), ValueError, "decay_steps is 0; expected .* >= 1"),
    (lambda: cosine_decay_schedule(1, 5, np.nan), ValueError, "alpha is nan"),
    (lambda: cosine_decay_schedule(1, 5, 0, -1), ValueError, "exponent is -1"),
    (lambda: exponential_decay(1, 5, -0.5), ValueError, "decay_rate is -0.5; expected .* >= 0"),
    (lambda: exponential_decay(1, 5, 0.5, staircase=2), TypeError, "staircase is 2"),
    (lambda: exponential_decay(1, 5, 0.5, end_value="0"), TypeError, "end_value is '0'"),
    (lambda: piecewise_constant_schedule(1, {5: -1}), ValueError, r"scales\[5\] is -1; .* >= 0"),
    (lambda: piecewise_constant_schedule(1, {-5: 1}), ValueError, "a boundary .* is -5"),
    (lambda: piecewise_constant_schedule(1, {5.5: 1}), ValueError, "a boundary .* is 5.5"),
    (lambda: piecewise_constant_schedule(1, [(5, 1)]), TypeError, "boundaries_and_scales is"),
    (lambda: piecewise_constant_schedule(1e300, {5: 1e300}), ValueError, "finite values"),
    (lambda: schedules.piecewise_interpolate_schedule("cubic", 1), ValueError, "interpolate_type is 'cubic'; expected one of 'linear', 'cosine'"),
    (lambda: schedules.linear_onecycle_schedule(0, 1), ValueError, "transition_steps is 0"),
    (lambda: schedules.linear_onecycle_schedule(9, 1, 1.5), ValueError, r"pct_start is 1.5; .* \[0, 1\]"),
    (lambda: schedules.linear_onecycle_schedule(9, 1, 0.5, 0.4), ValueError, "pct_final is 0.4"),
    (lambda: schedules.cosine_onecycle_schedule(-3, 1), ValueError, "transition_steps is -3"),
    (lambda: schedules.cosine_onecycle_schedule(9, 1, div_factor=0), ValueError, "div_factor is 0; expected .* > 0"),
    (lambda: schedules.cosine_onecycle_schedule(9, 1, final_div_factor=-1), ValueError, "final_div_factor is -1"),
    (lambda: schedules.warmup_constant_schedule(0, 1, -1), ValueError, "warmup_steps is -1"),
    (lambda: schedules.warmup_constant_schedule(0, "1", 1), TypeError, "peak_value is '1'"),
    (lambda: warmup_cosine_decay_schedule(0, 1, 10, 10), ValueError, "decay_steps is 10; expected .* >= 11"),
    (lambda: schedules.warmup_exponential_decay_schedule(0, 1, -5, 10, 0.5), ValueError, "warmup_steps is -5"),
    (lambda: warmup_stable_decay_schedule(0, 1, 5, -1, 5), ValueError, "stable_steps is -1"),
    (lambda: warmup_stable_decay_schedule(0, 1, 5, 1, 0), ValueError, "decay_steps is 0"),
    (lambda: warmup_stable_decay_schedule(0, 1, 5, 1, 5, 0, "exp"), ValueError, "decay is 'exp'; expected one of 'linear'"),
    (lambda: schedules.sgdr_schedule([]), ValueError, "cosine_kwargs is empty"),
    (lambda: schedules.sgdr_schedule([5]), TypeError, "cosine_kwargs has 5"),
    (lambda: schedules.sgdr_schedule([{"init_value": 1}]), TypeError, "peak_value"),
    (lambda: join_schedules([], []), ValueError, "0 schedules and 0 boundaries"),
    (lambda: join_schedules([constant_schedule(1)], [5]), ValueError, "1 schedules and 1 boundaries"),
    (lambda: join_schedules([constant_schedule(1), 0.1], [5]), TypeError, "schedules has 0.1"),
    (lambda: join_schedules([schedules.ReduceLROnPlateau(1)], []), TypeError, "schedules has ReduceLROnPlateau"),
    (lambda: join_schedules([constant_schedule(1)] * 3, [5, 4]), ValueError, r"boundaries is \[5, 4\]"),
    (lambda: join_schedules([constant_schedule(1)] * 2, [-1]), ValueError, "a boundary is -1"),
    (lambda: constant_schedule(1)(-1), ValueError, "count is -1; expected"),
    (lambda: constant_schedule(1)([0, -1]), ValueError, r"count is \[0, -1\]"),
    (lambda: constant_schedule(1)(2**63), ValueError, "at most 63 bits"),
    (lambda: constant_schedule(1)(0.5), TypeError, "count is 0.5; expected an integer"),
    (lambda: schedules.from_state_dict(5), TypeError, "got 5; expected a mapping"),
    (lambda: schedules.from_state_dict({"type": "Cosine"}), ValueError, "type is 'Cosine'; expected one of"),
    (lambda: schedules.from_state_dict({"type": "Schedule", "call": ""}), ValueError, "no segments"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes_are_named(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, s.BEGIN, 1, "start at 0"),
        (1, s.BEGIN, 0, "increase"),
        (1, s.BEGIN, 2.5, "whole begins"),
        (1, s.BEGIN, np.nan, "increase"),
        (1, s.KIND, 9, "kinds from 0 to 4"),
        (1, s.INIT, np.inf, "finite values"),
        (1, s.END, np.inf, "finite values"),
        (2, s.END, np.nan, "finite values"),
        (1, s.STEPS, 0, "finite steps > 0"),
        (1, s.SHAPE, -1, "finite shapes >= 0"),
    ],
)
def test_tables_that_are_none_are_refused(row, column, value, message):
    good = join_schedules([linear_schedule(0, 1, 5, 2), exponential_decay(1, 2, 0.5)], [9])
    table = good.segments.copy()
    table[row, column] = value
    with pytest.raises(ValueError, match=message):
        Schedule(table)


@pytest.mark.parametrize("table", [np.zeros((0, s.COLUMNS)), np.zeros(s.COLUMNS), np.zeros((1, 3))])
def test_tables_of_a_wrong_shape_are_refused(table):
    with pytest.raises(ValueError, match=r"segments has shape"):
        Schedule(table)


def test_it_is_exported():
    assert fastopt.schedules is schedules
    assert set(schedules.__all__) <= set(vars(schedules))
