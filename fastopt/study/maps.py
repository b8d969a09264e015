"""Basins of attraction: which minimum each start leads to."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.study import columns, objectives
from fastopt.study.many import trace_many
from fastopt.study.minima import find, nearness
from fastopt.study.objective import Bounds, Objective
from fastopt.study.trajectories import check_dtype


@dataclass(frozen=True, eq=False, repr=False)
class Basins:
    """Where the starts of a part of the plane lead; see `basins`.

    Attributes
    ----------
    last : array (h, w, 2)
        Where the trajectory ends that starts at each place; the first row is the lowest y.
    which : int64 (h, w)
        The number of the minimum that it ends at, in `minima`; -1 where it ends at none.
    minima : array (k, 2)
        Those of the objective, or those found.
    bounds : ((float, float), (float, float))
        The part of the plane: the outer starts are on its edge.
    """

    last: np.ndarray
    which: np.ndarray
    minima: np.ndarray
    bounds: Bounds
    steps: int
    optimizer: type[Optimizer]
    objective: Objective
    hyperparameters: Mapping[str, Any]

    def __repr__(self) -> str:
        h, w = self.which.shape
        return f"<basins of {self.optimizer.__name__} on {self.objective.name}, {h} x {w} starts, {self.steps} steps>"


def basins(
    cls: type[Optimizer],
    objective: str | Objective,
    *,
    resolution: tuple[int, int] = (512, 512),
    bounds: Bounds | None = None,
    steps: int = 200,
    within: float | None = None,
    dtype: Any = "float64",
    **hyperparameters: Any,
) -> Basins:
    """Start an optimizer at every place of a grid, and tell which minimum it ends at.

    Parameters
    ----------
    cls, objective, steps, dtype
        As for `trace_many`.
    resolution : (int, int)
        Rows and columns of starts.
    bounds : ((float, float), (float, float)), optional
        Lowest and highest x, lowest and highest y; the objective's own if left out.
    within : float, optional
        How near to a minimum an end must be to count as its own; a twentieth of the wider side if left out.
    **hyperparameters
        For `cls`: single values, the same for all.

    Returns
    -------
    Basins

    Notes
    -----
    Where the objective brings no minima, those inside `bounds` are looked for, whatever the optimizer; of some that are
    nearer to each other than `within`, the deepest is taken.

    Examples
    --------
    >>> b = fastopt.study.basins(fastopt.Adam, "himmelblau", resolution=(32, 48), lr=0.2)
    >>> b.which.shape, sorted(set(b.which.ravel().tolist()))
    ((32, 48), [0, 1, 2, 3])
    """
    chosen = objectives.get(objective)
    kind = check_dtype(dtype)
    area = _check_bounds(chosen.bounds if bounds is None else bounds)
    height, width = _check_resolution(resolution)
    columns.check_single(hyperparameters)
    near = nearness(area) if within is None else within
    if not 0 <= near < np.inf:
        raise ValueError(f"within is {within!r}; expected a finite number >= 0")
    (x0, x1), (y0, y1) = area
    x, y = np.meshgrid(np.linspace(x0, x1, width), np.linspace(y0, y1, height))
    starts = np.stack([x, y], axis=-1).reshape(-1, 2)
    found = trace_many(cls, chosen, starts, steps, keep="last", dtype=kind, **hyperparameters)
    minima = chosen.minima if len(chosen.minima) else find(chosen, area, near)
    which = _nearest(found.last, minima, near)
    return Basins(
        found.last.reshape(height, width, 2), which.reshape(height, width), minima, area, steps, cls, chosen,
        found.hyperparameters,
    )  # fmt: skip


def _nearest(ends: np.ndarray, minima: np.ndarray, near: float) -> np.ndarray:
    which, best = np.full(len(ends), -1), np.full(len(ends), near * near)
    across, along = np.ascontiguousarray(ends.T)
    with np.errstate(over="ignore", invalid="ignore"):
        for k, (x, y) in enumerate(minima):
            distance = (across - x) ** 2 + (along - y) ** 2
            closer = distance <= best
            which[closer], best[closer] = k, distance[closer]
    return which


def _check_bounds(bounds: Any) -> Bounds:
    try:
        (x0, x1), (y0, y1) = ((float(a), float(b)) for a, b in bounds)
    except (TypeError, ValueError):
        raise ValueError(f"bounds is {bounds!r}; expected ((x, x), (y, y))") from None
    if not (x0 < x1 and y0 < y1 and np.isfinite([x0, x1, y0, y1]).all()):
        raise ValueError(f"bounds is {bounds!r}; expected finite numbers, the lower first")
    return (x0, x1), (y0, y1)


def _check_resolution(resolution: Any) -> tuple[int, int]:
    try:
        height, width = resolution
    except (TypeError, ValueError):
        height = width = None
    for number in (height, width):
        if not isinstance(number, numbers.Integral) or isinstance(number, bool) or number < 1:
            raise ValueError(
                f"resolution is {resolution!r}; expected two whole numbers >= 1: rows and columns"
            )
    return int(height), int(width)
