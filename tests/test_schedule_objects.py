"""Schedules in compiled code, as objects that are copied and saved, and their errors."""

from __future__ import annotations

import copy
import pickle

import numba
import numpy as np
import pytest
from schedule_calls import CALLS, COUNTS, IDS
from stages import entry

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
        entry(driver.apply)(words, count, plan)
        np.testing.assert_array_equal(header["lr"], [lr(count), lr(count), 0, now])
        np.testing.assert_array_equal(header["beta"], [0, *[decay(count)] * 3])
        assert not header["step"].any()
        plateau.update(metric)
    entry(driver.apply)(words, count, plan[:0])


# ---- as objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=IDS)
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


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=IDS)
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
    (lambda: schedules.from_state_dict(5), TypeError, "the state is 5; expected a mapping"),
    (lambda: schedules.from_state_dict({"type": "Cosine"}), ValueError, "type is 'Cosine'; expected one of"),
    (lambda: schedules.from_state_dict({"type": [1]}), ValueError, "type is \\[1\\]"),
    (lambda: schedules.from_state_dict({"call": 1}), ValueError, "the state has no type; found call"),
    (lambda: Schedule([[1, 2], [3]]), ValueError, "expected an array of numbers"),
    (lambda: schedules.ReduceLROnPlateau(1).load_state_dict(None), TypeError, "the state is None"),
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
