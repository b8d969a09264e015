"""The benchmark that trains with every optimizer: its gradients, its seeds, and what it gives to whom."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

import fastopt
from fastopt.cli import trainer

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")

from benchmarks import training
from benchmarks.problems import PROBLEMS


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request):
    return replace(PROBLEMS[request.param](), steps=10)


def test_gradients_are_those_of_the_loss(problem):
    params = trainer.network(problem.sizes, "float64", 3)
    x, y = problem.data
    loss, grads = problem.gradients(params, x, y)
    assert loss == problem.loss(params)
    rng = np.random.default_rng(0)
    along = [rng.normal(size=p.shape) for p in params]
    ahead, behind = (
        problem.loss([p + h * a for p, a in zip(params, along, strict=True)]) for h in (1e-6, -1e-6)
    )
    slope = sum(float(np.sum(g * a)) for g, a in zip(grads, along, strict=True))
    assert (ahead - behind) / 2e-6 == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", ["SGD", "NAG", "ScheduleFreeSGD"])
def test_runs_follow_from_the_seed(problem, name):
    runs = [training.train(problem, getattr(fastopt, name), 0.01, seed) for seed in (1, 1, 2)]
    first, again, other = ({**asdict(run), "seconds": None} for run in runs)
    assert first == again != other
    assert np.isfinite(first["loss"])


def test_wrappers_are_put_around_adamw():
    problem = replace(PROBLEMS["diabetes"](), steps=10)
    for name in fastopt.wrappers.__all__:
        cls = getattr(fastopt, name)
        assert training.default_rate(cls) == 1e-3
        assert np.isfinite(training.train(problem, cls, 0.1, 0).loss)


class Asking:
    """Takes matrices, the loss and the Hessian, and keeps what it got."""

    dimensions, inputs = 2, ("value",)

    def __init__(self, params, lr=1.0):
        self.params, self.hessians, self.values = params, [], []

    def update_hessian(self, h):
        self.hessians.append([a.copy() for a in h])

    def step(self, grads, *, value):
        assert [g.shape for g in grads] == [p.shape for p in self.params]
        self.values.append(value)


def test_optimizers_get_what_they_ask_for():
    problem = PROBLEMS["diabetes"]()
    params = trainer.network(problem.sizes, "float64", 0)
    shares = training.optimizers(Asking, params, 0.5)
    (asking, own), (adamw, others) = shares
    assert (own, others) == ([0], [1])
    assert isinstance(adamw, fastopt.AdamW)
    step = training.stepper(shares, problem, params, 0)
    bias, count = params[1].copy(), 10 * training.HESSIAN_EVERY
    for t in range(count):
        before = problem.loss(params)
        step(t, *problem.data)
        assert asking.values[-1] == before
    assert not np.array_equal(params[1], bias)
    assert len(asking.hessians) == 10


def test_the_estimate_of_the_hessian(problem):
    params = trainer.network(problem.sizes, "float64", 0)
    x, y = (a[:8] for a in problem.data)
    rng = np.random.default_rng(0)
    estimates = [training.curvature(problem, params, x, y, rng) for _ in range(400)]
    # the second derivatives by the biases of the last layer, by themselves
    h = 1e-4
    for i in range(params[-1].size):
        losses = []
        for distance in (-h, 0, h):
            moved = [p.copy() for p in params]
            moved[-1][i] += distance
            losses.append(problem.gradients(moved, x, y)[0])
        exact = (losses[0] - 2 * losses[1] + losses[2]) / h**2
        found = np.array([e[-1][i] for e in estimates])
        assert found.mean() == pytest.approx(exact, abs=5 * found.std() / 20 + 1e-4)


def test_the_search_follows_the_better_rates():
    problem = replace(PROBLEMS["diabetes"](), steps=50)
    assert training.default_rate(fastopt.SGD) == 1e-3
    assert training.default_rate(fastopt.NAG) == 0.01
    assert training.tuned(problem, fastopt.SGD) == 0.1  # 1 diverges, 0.01 is slow
