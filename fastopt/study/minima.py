"""Local minima of an objective that brings none."""

from __future__ import annotations

import numpy as np

from fastopt.study.objective import Bounds, Objective

#: Points along an edge of the grid that is looked through, and the most minima that are kept.
_GRID, _MOST = 257, 64
#: Rounds of coming nearer, and how near, as a part of the wider side.
_ROUNDS, _NEAR = 200, 1e-7
#: A place to the left of which, and to the right, the values differ by more than this part of all is no minimum but a pole.
_JUMP = 1e-3

_AROUND = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j], np.float64)


def nearness(area: Bounds) -> float:
    """How near to a minimum counts as there: a twentieth of the wider side."""
    return 0.05 * max(high - low for low, high in area)


def find(objective: Objective, area: Bounds, apart: float) -> np.ndarray:
    """The local minima (k, 2) inside a part of the plane, the deepest first; by values and gradients alone.

    Parameters
    ----------
    objective : Objective
    area : ((float, float), (float, float))
    apart : float
        Those that are nearer to a deeper one are left out, so that a valley of minima becomes a few.

    Examples
    --------
    >>> from fastopt.study import minima, objectives
    >>> minima.find(objectives.himmelblau, ((-6, 6), (-6, 6)), 0.1).shape
    (4, 2)
    >>> minima.find(objectives.saddle, ((-2, 2), (-2, 2)), 0.1).shape
    (0, 2)
    """
    calm = objective.noisy(0.0)
    wide = max(high - low for low, high in area)
    points, spread = _candidates(calm, area)
    places, sharp = _descended(calm, points, wide / _GRID, _NEAR * wide)
    values = _values(calm, places)
    around = _values(calm, places[:, None] + _NEAR * wide * _AROUND)
    with np.errstate(invalid="ignore"):
        smooth = np.abs(around - values[:, None]).max(axis=1, initial=0) <= _JUMP * spread
    (x0, x1), (y0, y1) = area
    inside = (places > (x0, y0)).all(axis=1) & (places < (x1, y1)).all(axis=1)
    found: list[np.ndarray] = []
    chosen = places[sharp & smooth & inside]
    for place in chosen[np.argsort(values[sharp & smooth & inside], kind="stable")]:
        if len(found) < _MOST and all(np.hypot(*(place - other)) > apart for other in found):
            found.append(place)
    return np.reshape(found, (-1, 2))


def _candidates(objective: Objective, area: Bounds) -> tuple[np.ndarray, float]:
    """The points of a grid that none of their neighbours is lower than, and how much all values differ."""
    x, y = (np.linspace(low, high, _GRID) for low, high in area)
    points = np.stack(np.meshgrid(x, y), axis=-1)
    values = _values(objective, points)
    middle = values[1:-1, 1:-1]
    neighbours = np.stack([
        values[1 + i : _GRID - 1 + i, 1 + j : _GRID - 1 + j]
        for i, j in _AROUND.astype(int)
    ])  # fmt: skip
    low = (middle <= neighbours).all(axis=0) & (middle < neighbours).any(axis=0)
    finite = values[np.isfinite(values)]
    return points[1:-1, 1:-1][low], float(np.ptp(finite)) if finite.size else 0.0


def _descended(
    objective: Objective, points: np.ndarray, reach: float, near: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where points come to by going to the lowest of their neighbourhood, and whether they have come to rest.

    Neighbours are those in eight directions, and where Newton's method leads, which alone follows a narrow valley. Where
    none is lower, they are looked for nearer.
    """
    places, lengths = points.copy(), np.full(len(points), reach)
    values = _values(objective, places)
    every = np.arange(len(points))
    for _ in range(_ROUNDS):
        steps = np.concatenate(
            [lengths[:, None, None] * _AROUND, _newton(objective, places, lengths)], 1
        )
        there = places[:, None] + steps
        heights = _values(objective, there)
        best = heights.argmin(axis=1)
        lower = heights[every, best] < values
        places[lower], values[lower] = there[every, best][lower], heights[every, best][lower]
        lengths = np.where(lower, lengths, lengths / 2)
        if (lengths <= near).all():
            break
    return places, lengths <= near


def _newton(objective: Objective, places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Steps (n, 1, 2) to where the slope vanishes, downhill in any case, at most eight times as long as `lengths`."""
    h = 1e-3 * lengths[:, None]
    with np.errstate(all="ignore"):
        slope = objective.gradient(places)
        bend = np.stack(
            [
                (objective.gradient(places + h * e) - objective.gradient(places - h * e)) / (2 * h)
                for e in np.eye(2)
            ],
            axis=1,
        )
    slope, bend = (np.where(np.abs(v) < 1e150, v, 0.0) for v in (slope, bend))
    curves, axes = np.linalg.eigh((bend + bend.swapaxes(1, 2)) / 2)
    along = np.einsum("nij,ni->nj", axes, slope) / np.maximum(np.abs(curves), 1e-12)
    steps: np.ndarray = -np.einsum("nij,nj->ni", axes, along)
    size = np.hypot(*steps.T)[:, None]
    steps *= np.minimum(1, 8 * lengths[:, None] / np.maximum(size, 1e-300))
    return steps[:, None]


def _values(objective: Objective, points: np.ndarray) -> np.ndarray:
    """Values; infinite where there are none."""
    with np.errstate(all="ignore"):
        values = np.asarray(objective.value(points))
    return np.where(np.isnan(values), np.inf, values)
