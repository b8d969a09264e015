"""Trajectories in compiled code are those of `step`, bit for bit."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from kinds import ordinary
from references import CASES, cases_of

import fastopt
from fastopt.drivers import trajectories as driver
from fastopt.study import batch, objectives, stepped, trace, trace_many

STEPS = 25
PLANE = objectives.himmelblau.noisy(0.5, seed=3)


def stepwise(cls, objective, start, steps=STEPS, **hyperparameters):
    return stepped.follow(cls, objective, start, steps, hyperparameters)


def assert_same(own, expected):
    assert own.dtype == expected.dtype
    assert own.tobytes() == expected.tobytes()


# Classes that take another way through the driver each; what a kind adds only to `step` is not among them.
PATHS = [
    fastopt.Adam,
    fastopt.NAG,  # looks ahead
    fastopt.Prodigy,  # sums over everything, running numbers, slots that start as the parameter
    fastopt.MoMo,  # takes the value
    fastopt.Sophia,  # takes curvatures
    fastopt.NoisySGD,  # draws
    fastopt.MARSAdamW,  # fills a slot, sums over the tensor
    fastopt.SM3,  # has lines where there are matrices
]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        ordinary(c, dtype, when=c.cls in PATHS and c == cases_of(c.cls)[0] and dtype == np.float32)
        for c in CASES
        for dtype in (np.float32, np.float64)
    ],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_trajectories_are_those_of_step(case, dtype):
    start = np.array([-1.5, 2.0], dtype)
    points, gradients, slots, running = stepwise(case.cls, PLANE, start, **case.hyperparameters)
    own = trace(case.cls, PLANE, start, STEPS, dtype=dtype, **case.hyperparameters)
    assert_same(own.points, points)
    assert_same(own.gradients, gradients)
    assert_same(own.values, PLANE.value(points))
    assert set(own.slots) == set(slots)
    assert set(own.running) == set(running)
    for name in slots:
        assert_same(own.slots[name], slots[name])
    for name in running:
        assert_same(own.running[name], running[name])

    starts = np.random.default_rng(0).uniform(-4, 4, (driver.BLOCK + 2, 2)).astype(dtype)
    starts[-1] = start
    many = trace_many(case.cls, PLANE, starts, STEPS, dtype=dtype, **case.hyperparameters)
    assert_same(many.points[-1], points)
    (batch_of_all,) = batch.batches(case.cls, starts, case.hyperparameters)
    assert batch_of_all.points.shape == (1, 2, len(starts)), "not step by step"


@pytest.mark.parametrize(
    "case",
    [ordinary(c, when=c.cls is fastopt.Adam and c == cases_of(c.cls)[0]) for c in CASES],
    ids=str,
)
def test_hyperparameters_of_their_own(case):
    given = {"lr": 0.05, **case.hyperparameters}
    if "lr" not in inspect.signature(case.cls).parameters:
        pytest.skip("no learning rate")
    rates = np.array([0.01, 0.05, 0.2])
    many = trace_many(case.cls, PLANE, [1, 2], STEPS, dtype="float32", **{**given, "lr": rates})
    for k, lr in enumerate(rates):
        points, *_ = stepwise(
            case.cls, PLANE, np.array([1, 2], np.float32), **{**given, "lr": float(lr)}
        )
        assert_same(many.points[k], points)


def test_options_of_any_optimizer():
    options = {"lr": 0.3, "ema_decay": 0.9, "bounds": (-1.0, 2.5)}
    points, _, slots, _ = stepwise(fastopt.SGD, PLANE, np.array([0.5, -0.5]), **options)
    own = trace(fastopt.SGD, PLANE, [0.5, -0.5], STEPS, **options)
    assert_same(own.points, points)
    assert_same(own.slots["ema_params"], slots["ema_params"])
    assert own.points.min() == -1
    assert own.points.max() == 2.5
