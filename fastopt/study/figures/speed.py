"""How much faster momentum is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastopt
from fastopt.study import objectives, trace
from fastopt.study.figures import style
from fastopt.study.figures.second_steps import responses


def errors(
    objective: Any, momentum: float, start: Any = None, steps: int = 700, lr: float = 1e-4
) -> np.ndarray:
    """The height above the lowest minimum at each step of momentum (heavy ball); shape (steps + 1,)."""
    rule = fastopt.Momentum if momentum else fastopt.SGD
    more = {"momentum": momentum} if momentum else {}
    found = trace(rule, objective, start, steps, lr=lr, **more)
    return np.asarray(found.values - found.objective.lowest)


def speed_up(error: np.ndarray, reference: np.ndarray) -> float:
    """How many times fewer steps the first course takes until it stays below the other's end; NaN if it doesn't."""
    below = error <= reference[-1]
    above = np.flatnonzero(~below)
    first = int(above[-1]) + 1 if above.size else 0
    return (len(reference) - 1) / first if below[-1] and first else np.nan


def growth(momentum: float, steps: int) -> np.ndarray:
    """The length of each step under a constant gradient, that of gradient descent being 1; shape (steps,)."""
    moved = responses(fastopt.Momentum, np.ones((steps, 1)), lr=1.0, momentum=momentum)
    return np.array([-step[0] for step, _ in moved])


def error_courses(
    objective: Any = "quadratic",
    momenta: Sequence[float] = (0.0, 0.6, 0.9),
    start: Sequence[float] | None = (-15.0, 20.0),
    steps: int = 700,
    lr: float = 1e-4,
) -> Figure:
    """The error over the steps for several momenta, and how far the promised speed-up 1 / (1 - momentum) holds.

    Parameters
    ----------
    objective : str or Objective
        One with known minima.
    momenta : sequence of float
        The first is what the others are compared with.
    start : sequence of 2 float, optional
        The point that all start at.
    steps : int
        Of each course.
    lr : float
        Learning rate of all.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no minimum of the objective is known.

    Notes
    -----
    Under a constant gradient g the steps of momentum grow to ``lr g / (1 - momentum)`` (right). On a curved
    surface (left) the speed-up is measured: how many times fewer steps it takes to stay below the error at which
    the first course ends.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.error_courses(momenta=(0.0, 0.9), steps=200)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['error', 'step / step of gradient descent']
    """
    surface, momenta = objectives.get(objective), style.several("momenta", momenta)
    if surface.lowest is None:
        raise ValueError(f"objective {surface.name}: no minimum is known; expected one that has")
    figure, (left, right) = style.figure(1, 2, size=(4.7, 3.9))
    found = [errors(surface, momentum, start, steps, lr) for momentum in momenta]
    for momentum, error, shade in zip(momenta, found, style.shades(len(momenta)), strict=True):
        text = f"momentum {momentum:g}"
        if error is not found[0]:
            times = speed_up(error, found[0])
            text += ": ends above" if np.isnan(times) else f": {times:.1f} times as fast"
        left.plot(error, color=shade, linewidth=2, label=text)
        _growth(right, momentum, shade)
    left.axhline(found[0][-1], color="#666666", linewidth=1, linestyle=":")
    style.course(left, f"{surface.name}, lr {lr:g}", "error", log=True)
    style.course(right, "under a constant gradient", "step / step of gradient descent")
    left.legend(frameon=False)
    return figure


def _growth(axes: Axes, momentum: float, shade: str, steps: int = 60) -> None:
    axes.plot(np.arange(1, steps + 1), growth(momentum, steps), color=shade, linewidth=2)
    limit = 1 / (1 - momentum)
    axes.axhline(limit, color=shade, linestyle="--", linewidth=1)
    axes.annotate(
        f"1 / (1 - {momentum:g}) = {limit:g}", (steps, limit), (0, 4), textcoords="offset points",
        ha="right", fontsize=9,
    )  # fmt: skip
