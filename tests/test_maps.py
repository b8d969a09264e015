"""Many trajectories, basins and maps of steps."""

from __future__ import annotations

import numpy as np
import pytest

import fastopt
from fastopt.study import basins, objectives, rate_map, stepped, trace, trace_many
from fastopt.study import batch as batch_module

PLANE = objectives.himmelblau.noisy(0.5, seed=3)


class TwiceAsFast(fastopt.SGD):
    """One whose step is Python of its own: no driver knows it."""

    def step(self, grads, **options):
        return super().step(2 * np.asarray(grads), **options)


def test_same_bits_for_any_number_of_threads():
    starts = np.random.default_rng(0).uniform(-4, 4, (1000, 2))
    ends = []
    for threads in range(1, min(fastopt.get_num_threads(), 3) + 1):
        fastopt.set_num_threads(threads)
        found = trace_many(fastopt.SGD, PLANE, starts, 40, lr=0.01, keep="last")
        ends.append(found.last.tobytes())
    alone = [trace(fastopt.SGD, PLANE, starts[k], 40, lr=0.01).points[-1] for k in (0, 500, 999)]
    assert [found.last[k].tolist() for k in (0, 500, 999)] == [p.tolist() for p in alone]
    assert len(set(ends)) == 1


def test_a_slot_that_only_some_have():
    momenta = np.array([0.0, 0.5, 0.0, 0.9])
    many = trace_many(fastopt.SGD, "booth", [1.0, 1.0], 30, momentum=momenta, lr=0.01)
    for k, momentum in enumerate(momenta):
        own = trace(fastopt.SGD, "booth", [1.0, 1.0], 30, momentum=float(momentum), lr=0.01)
        assert (many.points[k] == own.points).all()
    made = batch_module.batches(fastopt.SGD, np.ones((4, 2)), {"lr": 0.01, "momentum": momenta})
    assert [b.members.tolist() for b in made] == [[0, 2], [1, 3]]


def test_hyperparameters_that_do_not_go_together_are_found_wherever_they_are():
    nesterov = np.array([False] * 50 + [True, False])
    momenta = np.array([0.0] * 51 + [0.5])
    with pytest.raises(ValueError, match="nesterov with momentum 0"):
        trace_many(fastopt.SGD, "booth", [1, 1], 3, lr=0.01, momentum=momenta, nesterov=nesterov)
    with pytest.raises(ValueError, match=r"bounds is \(2.0, 1.0\)"):
        trace_many(fastopt.SGD, "booth", [1, 1], 3, lr=0.01, bounds=(np.array([0.0, 2.0]), 1.0))


def test_arrays_in_tuples_and_of_names_and_switches():
    many = trace_many(
        fastopt.Adam, "booth", [1, 1], 20, lr=0.1, betas=(np.array([0.5, 0.9]), 0.99),
        bias_correction=np.array([True, False]),
    )  # fmt: skip
    for k, (beta, correct) in enumerate([(0.5, True), (0.9, False)]):
        own = trace(
            fastopt.Adam, "booth", [1, 1], 20, lr=0.1, betas=(beta, 0.99), bias_correction=correct
        )
        assert (many.points[k] == own.points).all()
    many = trace_many(fastopt.Momentum, "booth", [1, 1], 20, form=np.array(["ema", "velocity"]))
    for k, form in enumerate(["ema", "velocity"]):
        assert (
            many.points[k] == trace(fastopt.Momentum, "booth", [1, 1], 20, form=form).points
        ).all()


@pytest.mark.parametrize("cls", [fastopt.SGD, TwiceAsFast])
def test_steps_to_a_tolerance(cls):
    rates = np.array([0.001, 0.01, 0.04, 0.2])
    many = trace_many(cls, "quadratic", [1.0, 1.0], 100, lr=rates)
    found = many.steps_to(1e-2)
    for k in range(len(rates)):
        above = np.flatnonzero(~(objectives.quadratic.value(many.points[k]) <= 1e-2))
        expected = 0 if not len(above) else above[-1] + 1
        assert found[k] == (expected if expected <= 100 else np.inf)
    assert np.isinf(found[0])
    assert (many.steps_to(1e9)[:3] == 0).all()


def test_steps_step_by_step_are_counted_as_by_the_driver():
    """Between two numbers of float32 lies a goal that float64 tells apart."""
    values = trace(fastopt.SGD, "quadratic", [1, 1], 20, dtype="float32", lr=0.01).values
    goal = np.nextafter(np.float64(values[10]), 0)
    for cls in (fastopt.SGD, TwiceAsFast):
        lr = 0.01 if cls is fastopt.SGD else 0.005
        many = trace_many(cls, "quadratic", [1, 1], 20, dtype="float32", lr=lr)
        assert many.steps_to(goal) == 11


def test_what_no_driver_knows_is_followed_step_by_step():
    starts = np.random.default_rng(0).uniform(-4, 4, (5, 2))
    assert batch_module.batches(TwiceAsFast, starts, {"lr": 0.01}) is None
    own = trace_many(TwiceAsFast, PLANE, starts, 20, lr=0.01)
    for k, start in enumerate(starts):
        points, *_ = stepped.follow(TwiceAsFast, PLANE, start, 20, {"lr": 0.01})
        assert (own.points[k] == points).all()


@pytest.mark.parametrize(
    "rate", [fastopt.schedules.exponential_decay(0.01, 10, 0.5), lambda count: 0.01 / (1 + count)]
)
def test_schedules(rate):
    points, *_ = stepped.follow(fastopt.SGD, PLANE, np.array([1.0, 2.0]), 30, {"lr": rate})
    assert (trace(fastopt.SGD, PLANE, [1, 2], 30, lr=rate).points == points).all()
    assert (trace_many(fastopt.SGD, PLANE, [[1, 2]] * 3, 30, lr=rate).points == points).all()


def test_basins_are_where_trajectories_end():
    own = basins(fastopt.SGD, "himmelblau", resolution=(20, 30), steps=300, lr=0.01)
    assert own.last.shape == (20, 30, 2)
    corner = trace(fastopt.SGD, "himmelblau", [-6, 6], 300, lr=0.01).points[-1]
    assert (own.last[-1, 0] == corner).all(), "the first row is the lowest y"
    distance = np.linalg.norm(own.last[..., None, :] - own.minima, axis=-1)
    nearest = np.where(distance.min(axis=-1) <= 0.05 * 12, distance.argmin(axis=-1), -1)
    assert (own.which == nearest).all()
    assert (own.which == -1).any() == (~np.isfinite(own.last)).any()


def test_minima_that_no_one_told():
    own = basins(fastopt.Adam, "(x**2 - 1)**2 + y**2", resolution=(24, 24), steps=300, lr=0.1)
    assert sorted(own.minima.round(1).tolist()) == [[-1, 0], [1, 0]]
    assert set(own.which.ravel()) == {0, 1}
    away = basins(fastopt.SGD, "saddle", resolution=(8, 8), steps=100, lr=0.1)
    assert (away.which == -1).all()


def test_a_map_is_of_the_pairs():
    rates, betas = np.array([0.003, 0.03, 0.3]), np.array([0.0, 0.9])
    own = rate_map(
        fastopt.Adam, "booth", x=("lr", rates), y=(("betas", 0), betas), steps=400, tolerance=0.1
    )
    assert own.steps.shape == (2, 3)
    assert own.names == ("lr", "betas[0]")
    for i, beta in enumerate(betas):
        for j, lr in enumerate(rates):
            t = trace(fastopt.Adam, "booth", steps=400, lr=lr, betas=(beta, 0.999))
            above = np.flatnonzero(~(t.values <= 0.1))[-1] + 1
            assert own.steps[i, j] == (above if above <= 400 else np.inf)
            assert (own.last[i, j] == t.points[-1]).all()


def test_none_and_nowhere():
    none = trace_many(fastopt.SGD, "booth", np.zeros((0, 2)), 5)
    assert none.points.shape == (0, 6, 2)
    assert trace(fastopt.SGD, "booth", steps=0).points.shape == (1, 2)
    lost = trace(fastopt.SGD, "rosenbrock", steps=50, lr=1.0)
    assert not np.isfinite(lost.points[-1]).any()
    starts = np.asfortranarray(np.random.default_rng(0).uniform(-4, 4, (7, 2)))
    starts.flags.writeable = False
    kept = starts.copy()
    trace_many(fastopt.SGD, "booth", starts, 5)
    assert (starts == kept).all()


WRONG = [
    ({"cls": fastopt.Muon}, TypeError, "matrices only"),
    ({"cls": fastopt.Lookahead}, TypeError, "goes around another"),
    ({"cls": fastopt.Optimizer}, TypeError, "expected an optimizer class"),
    ({"cls": fastopt.SGD(np.zeros(2), lr=1)}, TypeError, "expected an optimizer class"),
    ({"objective": "x +"}, ValueError, "no expression"),
    ({"objective": 3}, TypeError, "objective is 3"),
    ({"starts": [1, 2, 3]}, ValueError, "shape"),
    ({"starts": [[np.nan, 0]]}, ValueError, "not finite"),
    ({"starts": "here"}, TypeError, "starts"),
    ({"starts": np.zeros((2, 2, 2))}, ValueError, "shape"),
    ({"steps": -1}, ValueError, "steps is -1"),
    ({"steps": 1.5}, TypeError, "steps is 1.5"),
    ({"steps": True}, TypeError, "steps is True"),
    ({"dtype": "float16"}, ValueError, "dtype is 'float16'"),
    ({"dtype": "nonsense"}, ValueError, "dtype is 'nonsense'"),
    ({"keep": "all"}, ValueError, "keep is 'all'"),
    ({"lr": -1.0}, ValueError, "lr is -1.0"),
    ({"lr": np.array([0.1, -0.1])}, ValueError, "lr is -0.1"),
    ({"lr": np.array([0.1, np.nan])}, ValueError, "lr is nan"),
    ({"lr": np.array(["a", "b"])}, TypeError, "lr is 'a'"),
    ({"lr": np.array([0.1, None])}, TypeError, "lr is an array of object"),
    ({"lr": np.array([0.1, 0.2]), "momentum": np.zeros(3)}, ValueError, "one length"),
    ({"starts": np.zeros((4, 2)), "lr": np.ones(3)}, ValueError, "one length"),
    ({"speed": 2}, TypeError, "speed"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "error", "message"), WRONG)
def test_what_is_wrong_is_named(given, error, message):
    arguments = {"cls": fastopt.SGD, "objective": "booth", "steps": 3, **given}
    with pytest.raises(error, match=message):
        trace_many(**arguments)


@pytest.mark.parametrize(
    "given",
    [
        {"resolution": 0}, {"resolution": (0, 3)}, {"resolution": (2.5, 3)}, {"bounds": ((1, 0), (0, 1))},
        {"bounds": 3}, {"bounds": ((0, np.inf), (0, 1))}, {"lr": np.array([0.1, 0.2])}, {"within": -1.0},
        {"within": np.nan},
    ],
)  # fmt: skip
def test_maps_that_cannot_be(given):
    with pytest.raises(ValueError, match=rf"{next(iter(given))} is "):
        basins(fastopt.SGD, "booth", **given)


def test_one_trajectory_takes_single_values():
    with pytest.raises(ValueError, match="lr is an array; expected one value"):
        trace(fastopt.SGD, "booth", lr=np.array([0.1, 0.2]))


@pytest.mark.parametrize(
    "x", ["lr", ("lr",), ("lr", 3), (("lr", 0), [0.1]), ((1, "a"), [1]), ("lr", []), ("momentum", [0.1])]
)  # fmt: skip
def test_axes_that_cannot_be(x):
    with pytest.raises(ValueError, match="rate_map"):
        rate_map(fastopt.SGD, "booth", x=x, y=("momentum", [0.1, 0.2]))
