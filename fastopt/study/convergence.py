"""How fast pairs of hyperparameters are: the steps that each takes to converge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.study import columns, objectives
from fastopt.study.many import follow
from fastopt.study.minima import find
from fastopt.study.objective import Objective
from fastopt.study.trajectories import (
    check_class,
    check_dtype,
    check_start,
    check_steps,
    with_rate,
)


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


def _lowest(objective: Objective) -> float:
    """The value at the deepest minimum, be it known or found."""
    if objective.lowest is not None:
        return objective.lowest
    minima = find(objective, objective.bounds, 0.0)
    if not len(minima):
        (x0, x1), (y0, y1) = objective.bounds
        raise ValueError(
            f"rate_map: {objective.name} has no minimum for x in [{x0:g}, {x1:g}] and y in [{y0:g}, {y1:g}]; expected one"
        )
    return float(objective.value(minima[0]))


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

    Where the objective brings no minima, the deepest inside its bounds counts.

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

    Raises
    ------
    ValueError
        If there is no minimum, and for what is no axis.

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
    height, lowest = float(chosen.value(begin)), _lowest(chosen)
    allowed = 1e-3 * (height - lowest) if tolerance is None else float(tolerance)
    if not (np.isfinite(allowed) and allowed >= 0):
        raise ValueError(f"rate_map: tolerance is {allowed!r}; expected a finite number >= 0")
    last, _, reached = follow(cls, chosen, starts, most, given, "last", lowest + allowed)
    with np.errstate(all="ignore"):
        fell = (
            chosen.value(last) < lowest - allowed
        )  # past the minimum, out of what there is to look at
    reached = np.where(fell, -1, reached)
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
