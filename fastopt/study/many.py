"""Many trajectories at once: over starts, hyperparameters, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.study import batch, columns, objectives, stepped
from fastopt.study.objective import Objective
from fastopt.study.trajectories import (
    check_class,
    check_dtype,
    check_starts,
    check_steps,
    with_rate,
)

KEEP = ("points", "last")


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories:
    """Many ways over an objective; see `trace_many`.

    Attributes
    ----------
    last : array (n, 2)
        Where they end.
    values : array (n,)
        The objective there.
    points : array (n, steps + 1, 2) or None
        All their points; None with ``keep="last"``.
    starts : array (n, 2)
    steps : int
    optimizer : type
    objective : Objective
    hyperparameters : dict
        As they were given, and an lr that the objective gave.
    """

    last: np.ndarray
    values: np.ndarray
    points: np.ndarray | None
    starts: np.ndarray
    steps: int
    optimizer: type[Optimizer]
    objective: Objective
    hyperparameters: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.last)

    def __repr__(self) -> str:
        return (
            f"<{len(self)} trajectories of {self.optimizer.__name__} on {self.objective.name}, "
            f"{self.steps} steps>"
        )

    def steps_to(self, tolerance: float, lowest: float | None = None) -> np.ndarray:
        """After how many steps the value stays within a tolerance of the lowest one; they are followed once more.

        Parameters
        ----------
        tolerance : float
        lowest : float, optional
            The value to reach. If left out that of the objective's lowest minimum, or, where none is known, the lowest at
            which any of these ends.

        Returns
        -------
        array (n,)
            Whole numbers, inf where the value is not that low in the end.

        Examples
        --------
        >>> rates = np.array([0.01, 0.1, 0.2])
        >>> t = fastopt.study.trace_many(fastopt.SGD, "quadratic", [1.0, 1.0], 100, lr=rates)
        >>> t.steps_to(1e-3)
        array([65., inf, inf])
        """
        if lowest is None:
            lowest = self.objective.lowest
        if lowest is None:
            lowest = float(np.min(self.values, where=np.isfinite(self.values), initial=np.inf))
        goal = float(lowest) + float(tolerance)
        if not np.isfinite(goal) or tolerance < 0:
            raise ValueError(
                f"steps_to: tolerance is {tolerance!r} and the lowest value {lowest!r}; expected a number >= 0 and a finite one"
            )
        _, _, reached = follow(
            self.optimizer, self.objective, self.starts, self.steps, self.hyperparameters, "last", goal
        )  # fmt: skip
        return np.where(reached < 0, np.inf, reached)


def trace_many(
    cls: type[Optimizer],
    objective: str | Objective,
    starts: Any = None,
    steps: int = 200,
    *,
    keep: str = "points",
    dtype: Any = "float64",
    **hyperparameters: Any,
) -> Trajectories:
    """Follow many optimizers over an objective, each bit for bit as `trace` does, in compiled code by all threads.

    Parameters
    ----------
    cls : type
        An optimizer of fastopt's or of your own, that updates a vector of two numbers.
    objective : Objective or str
        One of `fastopt.study.objectives`, its name, or an expression in x and y.
    starts : array (n, 2) or (2,), optional
        A start for each, or one for all; the objective's own if left out.
    steps : int
    keep : {"points", "last"}
        All points, which take 16 bytes each in float64, or where each trajectory ends.
    dtype : float64 or float32
    **hyperparameters
        For `cls`. Any may be an array (n,), one value for each trajectory; in a tuple, such as betas, any of its
        numbers.

    Returns
    -------
    Trajectories

    Raises
    ------
    TypeError, ValueError
        As for `trace`, and for starts and arrays that are not of one length.

    Notes
    -----
    The noise of an objective is that of one mini-batch per step, the same for all. What the driver cannot do (a class that
    overrides `step`, keeps slots in a storage of its own, calls Python between stages or follows a Python callable as
    its schedule) is followed one step after the other, which is slow, and the same.

    Examples
    --------
    >>> starts = np.random.default_rng(0).uniform(-4, 4, (1000, 2))
    >>> t = fastopt.study.trace_many(fastopt.Adam, "himmelblau", starts, 300, lr=0.1, keep="last")
    >>> t.last.shape, bool((t.values < 1e-3).all())
    ((1000, 2), True)
    >>> rates = np.geomspace(1e-3, 1, 7)
    >>> t = fastopt.study.trace_many(fastopt.Adam, "booth", betas=(np.linspace(0.5, 0.9, 7), 0.99), lr=rates)
    >>> t.points.shape
    (7, 201, 2)
    """
    chosen = objectives.get(objective)
    check_class(cls)
    kind = check_dtype(dtype)
    begin = check_starts("starts", chosen.start if starts is None else starts, kind)
    if begin.ndim > 2:
        raise ValueError(f"starts has shape {begin.shape}; expected (n, 2) or (2,)")
    if keep not in KEEP:
        raise ValueError(f"keep is {keep!r}; expected one of {', '.join(map(repr, KEEP))}")
    taken = check_steps(steps)
    given = with_rate(cls, chosen, hyperparameters)
    n = columns.count(begin, given)
    every = np.broadcast_to(begin, (n, 2)).copy()
    last, points, _ = follow(cls, chosen, every, taken, given, keep, None)
    return Trajectories(last, chosen.value(last), points, every, taken, cls, chosen, given)


def follow(
    cls: type[Optimizer], objective: Objective, starts: np.ndarray, steps: int, given: Mapping[str, Any], keep: str,
    goal: float | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:  # fmt: skip
    """The last points (n, 2), all points or None, and the steps (n,) to the goal, -1 where it is not reached."""
    n, kind = len(starts), starts.dtype
    last, reached = starts.copy(), np.full(n, -1)
    points = np.empty((n, steps + 1, 2), kind) if keep == "points" else None
    if n == 0:
        return last, points, reached
    made = batch.batches(cls, starts, given)
    if made is None:
        for k in range(n):
            own, *_ = stepped.follow(cls, objective, starts[k], steps, columns.at(given, k))
            last[k] = own[-1]
            if points is not None:
                points[k] = own
            if goal is not None:
                values = np.asarray(objective.value(own), np.float64)  # as the driver compares
                above = np.flatnonzero(~(values <= goal))
                reached[k] = 0 if not len(above) else -1 if above[-1] == steps else above[-1] + 1
        return last, points, reached
    for part in made:
        kept = batch.nothing(kind)
        alone = len(part.members) == n
        if points is not None:
            kept.points = (
                points[None] if alone else np.empty((1, len(part.members), steps + 1, 2), kind)
            )
        if goal is not None:
            kept.reached, kept.target = np.full(len(part.members), -1), goal
        part.follow(objective, steps, kept)
        if alone:
            last[:] = part.points[0].T
        else:
            last[part.members] = part.points[0].T
        if points is not None and not alone:
            points[part.members] = kept.points[0]
        if goal is not None:
            reached[part.members] = kept.reached
    return last, points, reached
