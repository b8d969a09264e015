"""Maps of whole families of trajectories: where starts lead, and how fast hyperparameters are."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.study import columns, objectives
from fastopt.study.many import follow, trace_many
from fastopt.study.objective import Bounds, Objective
from fastopt.study.trajectories import (
    check_class,
    check_dtype,
    check_start,
    check_steps,
    with_rate,
)

#: The most minima that are looked for where an objective brings none.
_MOST_MINIMA = 64


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
    Where the objective brings no minima, ends are taken for minima, the lowest first, as long as some thousandth of all
    trajectories is not near any.

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
    near = 0.05 * max(a[1] - a[0] for a in area) if within is None else within
    if not 0 <= near < np.inf:
        raise ValueError(f"within is {within!r}; expected a finite number >= 0")
    (x0, x1), (y0, y1) = area
    x, y = np.meshgrid(np.linspace(x0, x1, width), np.linspace(y0, y1, height))
    starts = np.stack([x, y], axis=-1).reshape(-1, 2)
    found = trace_many(cls, chosen, starts, steps, keep="last", dtype=kind, **hyperparameters)
    minima = chosen.minima
    if not len(minima):
        minima = _minima(found.last, found.values, area, near)
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


def _minima(ends: np.ndarray, values: np.ndarray, area: Bounds, near: float) -> np.ndarray:
    (x0, x1), (y0, y1) = area
    x, y = ends.T
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & np.isfinite(values)
    left, depth = ends[inside], values[inside]
    found: list[np.ndarray] = []
    while len(left) > len(ends) / 1000 and len(found) < _MOST_MINIMA:
        lowest = left[depth.argmin()]
        found.append(lowest)
        others = ((left - lowest) ** 2).sum(axis=1) > near * near
        left, depth = left[others], depth[others]
    return np.array(found, np.float64).reshape(-1, 2)


@dataclass(frozen=True, eq=False, repr=False)
class RateMap:
    """How many steps an optimizer takes by two of its hyperparameters; see `rate_map`.

    Attributes
    ----------
    steps : array (len(y), len(x))
        After how many steps the value stays within the tolerance of the lowest one; inf where it never does.
    last : array (len(y), len(x), 2)
        Where each trajectory ends.
    x, y : array
        The values along the axes.
    names : (str, str)
        What they are, such as ``"lr"`` and ``"betas[0]"``.
    tolerance, most : float, int
        What counted as converged, and how many steps each took.
    """

    steps: np.ndarray
    last: np.ndarray
    x: np.ndarray
    y: np.ndarray
    names: tuple[str, str]
    tolerance: float
    most: int
    optimizer: type[Optimizer]
    objective: Objective
    hyperparameters: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<steps of {self.optimizer.__name__} on {self.objective.name} by {' and '.join(self.names)}>"


Axis = tuple[str | tuple[str, int], Any]


def rate_map(
    cls: type[Optimizer],
    objective: str | Objective,
    *,
    x: Axis,
    y: Axis,
    start: Any = None,
    steps: int = 1000,
    tolerance: float | None = None,
    dtype: Any = "float64",
    **hyperparameters: Any,
) -> RateMap:
    """Count the steps to convergence for every pair of two hyperparameters' values.

    Parameters
    ----------
    cls, objective, dtype
        As for `trace_many`.
    x, y : (name, values)
        A hyperparameter and its values, such as ``("lr", np.geomspace(1e-3, 1, 64))``; of a tuple the name and place, as in
        ``(("betas", 0), np.linspace(0, 0.99, 64))``.
    start : array (2,), optional
        The objective's own if left out.
    steps : int
        How many to take at most.
    tolerance : float, optional
        How far above its lowest minimum the value may stay; a thousandth of the height of the start if left out.
    **hyperparameters
        For `cls`: the others. Of those that the axes vary, the numbers of a tuple that stay count.

    Returns
    -------
    RateMap

    Examples
    --------
    >>> rates, momenta = np.array([0.01, 0.03, 0.2]), np.array([0.0, 0.5, 0.9])
    >>> m = fastopt.study.rate_map(
    ...     fastopt.Momentum, "quadratic", x=("lr", rates), y=("momentum", momenta), steps=300
    ... )
    >>> m.steps
    array([[48., 15., inf],
           [21.,  9., inf],
           [63., 66., inf]])
    """
    chosen = objectives.get(objective)
    check_class(cls)
    kind, most = check_dtype(dtype), check_steps(steps)
    begin = check_start(start, chosen, kind)
    given = with_rate(cls, chosen, hyperparameters)
    across, along = _check_axis("x", x), _check_axis("y", y)
    if across[0] == along[0] and (across[1] == along[1] or None in (across[1], along[1])):
        raise ValueError(f"rate_map: both axes are {across[0]!r}; expected two hyperparameters")
    grid = np.meshgrid(across[2], along[2])
    for (name, place, _), values in zip((across, along), grid, strict=True):
        if place is None:
            given[name] = values.ravel()
        else:
            own = _tuple_of(cls, begin, given, name, place)
            given[name] = (*own[:place], values.ravel(), *own[place + 1 :])
    n = columns.count(begin, given)
    starts = np.broadcast_to(begin, (n, 2)).copy()
    height = float(chosen.value(begin))
    lowest = chosen.lowest
    if lowest is None:
        raise ValueError(
            f"rate_map: no minimum of {chosen.name} is known; expected an objective with minima, such as "
            "dataclasses.replace(objective, minima=...)"
        )
    allowed = 1e-3 * (height - lowest) if tolerance is None else float(tolerance)
    if not (np.isfinite(allowed) and allowed >= 0):
        raise ValueError(f"rate_map: tolerance is {allowed!r}; expected a finite number >= 0")
    last, _, reached = follow(cls, chosen, starts, most, given, "last", lowest + allowed)
    shape = len(along[2]), len(across[2])
    names = tuple(n if place is None else f"{n}[{place}]" for n, place, _ in (across, along))
    return RateMap(
        np.where(reached < 0, np.inf, reached).reshape(shape), last.reshape(*shape, 2), across[2], along[2],
        (names[0], names[1]), allowed, most, cls, chosen, hyperparameters,
    )  # fmt: skip


def _check_axis(which: str, axis: Any) -> tuple[str, int | None, np.ndarray]:
    expected = (
        'a pair of a hyperparameter and its values, such as ("lr", array) or (("betas", 0), array)'
    )
    try:
        name, values = axis
        place = None
        if not isinstance(name, str):
            name, place = name
        values = np.asarray(values)
    except (TypeError, ValueError):
        raise ValueError(f"rate_map: {which} is {axis!r}; expected {expected}") from None
    whole = place is None or (isinstance(place, int) and place >= 0)
    if not isinstance(name, str) or not whole or values.ndim != 1 or not values.size:
        raise ValueError(f"rate_map: {which} is {axis!r}; expected {expected}")
    return name, place, values


def _tuple_of(
    cls: type[Optimizer], start: np.ndarray, given: Mapping[str, Any], name: str, place: int
) -> tuple[Any, ...]:
    """The tuple that a hyperparameter is, as given or by default."""
    own = given.get(name)
    if own is None:
        own = cls(start.copy(), **columns.at(given, 0)).param_groups[0].get(name)
    if not isinstance(own, tuple | list) or place >= len(own):
        raise ValueError(
            f"rate_map: {name}[{place}] of {cls.__name__}, where {name} is {own!r}; expected a place in a tuple"
        )
    return tuple(own)


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
