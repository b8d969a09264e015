"""Minima of objectives that bring none: found by values and gradients, whatever optimizer is watched."""

from __future__ import annotations

import numpy as np
import pytest

import fastopt
from fastopt.study import basins, minima, objectives, rate_map

pytest.importorskip("sympy", reason="SymPy is not installed (extra: study)")


def found(text):
    objective = objectives.get(text)
    return minima.find(objective, objective.bounds, minima.nearness(objective.bounds))


@pytest.mark.parametrize(
    "name", [n for n in objectives.names() if n not in ("rastrigin", "ackley")]
)
def test_known_minima_are_found_the_deepest_first(name):
    objective = objectives.get(name)
    own, known = found(name), objective.minima
    assert len(own) == len(known)
    assert (np.diff(objective.value(own)) >= -1e-9).all()
    for place in known:
        assert np.linalg.norm(own - place, axis=1).min() < 1e-6


@pytest.mark.parametrize(("text", "expected"), [
    ("(x**2 - 1)**2 + y**2", [(-1, 0), (1, 0)]),
    ("abs(x - 0.3) + 2*abs(y - 0.7)", [(0.3, 0.7)]),  # no slope there
    ("sqrt(x**2 + y**2)", [(0, 0)]),
    ("10000*(y - x**3)**2 + (x - 0.5)**2", [(0.5, 0.125)]),  # a narrow and bent valley
    ("x**3 - 3*x + y**2", [(1, 0)]),  # lower at the edge
    ("-exp(-100*((x - 1)**2 + y**2))", [(1, 0)]),  # flat elsewhere
    ("x", []), ("x**2 - y**2", []), ("0*x + 1", []), ("log(x)", []), ("1/x", []), ("tan(10*x)", []), ("sqrt(x - 10)", []),
])  # fmt: skip
def test_minima_of_expressions(text, expected):
    own = found(text)
    assert len(own) == len(expected)
    for place in expected:
        assert np.linalg.norm(own - place, axis=1).min() < 1e-6


def test_a_valley_of_minima_is_a_few():
    own = found("x**2")
    assert 5 < len(own) < 30
    assert (own[:, 0] == 0).all()


def test_noise_moves_no_minimum():
    objective = objectives.himmelblau
    area = objective.bounds
    assert (minima.find(objective.noisy(9.0), area, 0.1) == minima.find(objective, area, 0.1)).all()


def test_where_a_slow_optimizer_stops_is_no_minimum():
    slow = basins(fastopt.Adam, "saddle", resolution=(20, 20), steps=100, lr=0.001)
    assert not len(slow.minima)
    assert (slow.which == -1).all()
    waiting = basins(fastopt.SGD, "(x**2 - 1)**2 + y**2", resolution=(20, 20), steps=1, lr=1e-9)
    near = np.abs(waiting.last[..., None, :] - [(-1, 0), (1, 0)])
    assert ((waiting.which >= 0) == (np.hypot(*np.moveaxis(near, -1, 0)) <= 0.4).any(axis=-1)).all()


def test_rates_where_the_minimum_has_to_be_found():
    axes = {"x": ("lr", np.array([0.01, 0.1, 3.0])), "y": ("momentum", np.array([0.0, 0.5]))}
    known = rate_map(fastopt.Momentum, "quadratic", start=[-3, 2], steps=200, **axes)
    own = rate_map(fastopt.Momentum, "3*x**2 + 10*y**2", start=[-3, 2], steps=200, **axes)
    assert (own.steps == known.steps).all()
    with pytest.raises(ValueError, match=r"rate_map: saddle has no minimum for x in \[-2, 2\]"):
        rate_map(fastopt.Momentum, "saddle", **axes)


def test_to_fall_past_a_minimum_is_not_to_converge():
    text, rates = "x**3 - 3*x + y**2", np.array([0.01, 0.6])
    axes = {"x": ("lr", rates), "y": ("momentum", np.array([0.0]))}
    own = rate_map(fastopt.Momentum, text, start=[2.0, 0.5], steps=300, **axes)
    assert np.isfinite(own.steps).tolist() == [[True, False]]
