"""Optimizers on their way over an objective."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.study import batch, columns, objectives, stepped
from fastopt.study.objective import Objective
from fastopt.wrappers.wrapper import Wrapper


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """One optimizer's way over an objective; see `trace`.

    Attributes
    ----------
    points : array (steps + 1, 2)
        The parameters: the start, and after each step.
    values : array (steps + 1,)
        The objective there.
    gradients : array (steps, 2)
        The gradient that each step was given; of rules that look ahead, the one at the look-ahead point.
    slots : dict of str to array (steps + 1, 2)
        Each slot at the start and after each step.
    running : dict of str to array (steps + 1,)
        Each number that the rule renews once per step, such as the distance that `fastopt.Prodigy` estimates.
    optimizer : type
    objective : Objective
    hyperparameters : dict
        As they were given.
    """

    points: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    slots: Mapping[str, np.ndarray]
    running: Mapping[str, np.ndarray]
    optimizer: type[Optimizer]
    objective: Objective
    hyperparameters: Mapping[str, Any]

    def __repr__(self) -> str:
        given = "".join(f", {n}={v!r}" for n, v in self.hyperparameters.items())
        x, y = self.points[-1]
        return (
            f"<{self.optimizer.__name__} on {self.objective.name}{given}: {len(self.points) - 1} steps "
            f"to ({x:.6g}, {y:.6g}), value {self.values[-1]:.6g}>"
        )


def trace(
    cls: type[Optimizer],
    objective: str | Objective,
    start: Any = None,
    steps: int = 200,
    *,
    dtype: Any = "float64",
    seed: float | None = None,
    **hyperparameters: Any,
) -> Trajectory:
    """Follow an optimizer over an objective, bit for bit as its `step` goes.

    Parameters
    ----------
    cls : type
        An optimizer of fastopt's or of your own, that updates a vector of two numbers.
    objective : Objective or str
        One of `fastopt.study.objectives`, its name, or an expression in x and y.
    start : array (2,), optional
        The objective's own if left out.
    steps : int
    dtype : float64 or float32
        What is computed in.
    seed : float, optional
        Of a class that draws, such as `fastopt.NoisySGD`, its own; else that of the objective's noise.
    **hyperparameters
        For `cls`; an lr that it needs and that is left out is the objective's.

    Returns
    -------
    Trajectory

    Raises
    ------
    TypeError
        If `cls` is no optimizer class, or takes no vector of two numbers.
    ValueError
        If another argument is out of range, or text is no expression.

    Notes
    -----
    Optimizers with `inputs` get the objective's value. Those that take curvatures, as `fastopt.Sophia`, get the second
    derivatives by x and by y before every tenth step from the first on. Those that look ahead, as `fastopt.NAG`, get the gradient
    at the look-ahead point.

    Examples
    --------
    >>> t = fastopt.study.trace(fastopt.Adam, "quadratic", [1.0, 1.0], steps=100, lr=0.1)
    >>> t.points.shape, t.gradients[0], bool(t.values[-1] < 0.01)
    ((101, 2), array([ 6., 20.]), True)
    >>> sorted(t.slots)
    ['exp_avg', 'exp_avg_sq']
    """
    chosen = objectives.get(objective)
    check_class(cls)
    if seed is not None:
        if "seed" in inspect.signature(cls).parameters:
            hyperparameters = {**hyperparameters, "seed": seed}
        else:
            chosen = chosen.noisy(chosen.noise, seed)
    kind = check_dtype(dtype)
    begin = check_start(start, chosen, kind)
    count = check_steps(steps)
    columns.check_single(hyperparameters)
    given = with_rate(cls, chosen, hyperparameters)
    made = batch.batches(cls, begin[None], given)
    if made is None:
        points, gradients, slots, running = stepped.follow(cls, chosen, begin, count, given)
    else:
        points, gradients, slots, running = _follow_one(made[0], chosen, count)
    return Trajectory(
        points, chosen.value(points), gradients, slots, running, cls, chosen, hyperparameters
    )


def _follow_one(own: batch.Batch, objective: Objective, steps: int) -> stepped.Way:
    kind, rule = own.points.dtype, own.variant.rule
    kept = batch.Kept(
        np.empty((1, 1, steps + 1, 2), kind),
        np.empty((1, 1, steps, 2), kind),
        np.empty((len(own.slots), 1, steps + 1, 2), kind),
        np.empty((len(rule.running), 1, steps + 1)),
        np.zeros(0, np.int64),
    )
    own.follow(objective, steps, kept)
    slots = dict(zip(own.slot_names, kept.slots[:, 0], strict=True))
    running = dict(zip(rule.running, kept.running[:, 0], strict=True))
    shown = {name: slot for name, slot in slots.items() if name not in rule.filled}
    return kept.points[0, 0], kept.gradients[0, 0], shown, running


# ---- arguments ------------------------------------------------------------------------------------


def check_class(cls: Any) -> None:
    """Raise TypeError for what is no optimizer of vectors."""
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)) or cls is Optimizer:
        raise TypeError(f"cls is {cls!r}; expected an optimizer class, such as fastopt.Adam")
    if issubclass(cls, Wrapper):
        raise TypeError(
            f"cls is {cls.__name__}, which goes around another optimizer; expected one that stands alone"
        )
    if cls.dimensions not in (None, 1):
        raise TypeError(
            f"{cls.__name__} takes matrices only; expected an optimizer that updates a vector of two numbers"
        )
    if set(cls.inputs) - {"value"}:
        raise TypeError(
            f"{cls.__name__} needs {', '.join(cls.inputs)}; an objective gives its value only"
        )


def with_rate(
    cls: type[Optimizer], objective: Objective, hyperparameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The hyperparameters, and the objective's lr where the class needs one and none is given."""
    lr = inspect.signature(cls).parameters.get("lr")
    given = {} if lr is None or lr.default is not lr.empty else {"lr": objective.lr}
    return {**given, **hyperparameters}


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float64'")
    return kind


def check_steps(steps: Any) -> int:
    """A whole number of steps."""
    if not isinstance(steps, numbers.Integral) or isinstance(steps, bool):
        raise TypeError(f"steps is {steps!r}; expected a whole number >= 0")
    if steps < 0:
        raise ValueError(f"steps is {steps!r}; expected a whole number >= 0")
    return int(steps)


def check_starts(name: str, starts: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """A copy of finite points (..., 2)."""
    try:
        points = np.array(starts, dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {starts!r}; expected numbers of shape (..., 2)") from None
    if points.ndim == 0 or points.shape[-1] != 2:
        raise ValueError(f"{name} has shape {points.shape}; expected (..., 2): x and y last")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has numbers that are not finite; expected points of the plane")
    return points


def check_start(start: Any, objective: Objective, dtype: np.dtype[Any]) -> np.ndarray:
    """A copy of one finite point (2,), the objective's own where none is given."""
    point = check_starts("start", objective.start if start is None else start, dtype)
    if point.shape != (2,):
        raise ValueError(f"start has shape {point.shape}; expected (2,): one point")
    return point
