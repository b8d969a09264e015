"""Two updates as vectors: what an optimizer does first, and what it does then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastopt
from fastopt.study import methods, objectives, trace
from fastopt.study.figures import style
from fastopt.study.methods import Method


def two_updates(method: Method, objective: Any, start: Any) -> np.ndarray:
    """Where a method is before, after one and after two steps; shape (3, 2)."""
    found = trace(method.optimizer, objective, start, 2, **method.hyperparameters)
    return np.asarray(found.points)


def gradient_step(objective: Any, point: np.ndarray, lr: float) -> np.ndarray:
    """Where one step of gradient descent leads from a point; shape (2,)."""
    return np.asarray(trace(fastopt.SGD, objective, point, 1, lr=lr).points[1])


def momentum_updates(
    objective: Any = "quadratic",
    start: Sequence[float] = (-15.0, 20.0),
    lr: float = 0.04,
    momentum: float = 0.9,
) -> Figure:
    """Two updates of gradient descent and of momentum from the same point, as vectors.

    The second update of momentum is shown as the sum of what is left of the first (dotted) and of a step of
    gradient descent (dashed).

    Parameters
    ----------
    objective : str or Objective
        Where to descend.
    start : sequence of 2 float
        The point that both start at.
    lr, momentum : float
        Of `fastopt.Momentum`; gradient descent has the same `lr`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.momentum_updates(lr=0.01)
    >>> [axes.get_title() for axes in figure.axes]
    ['gradient descent', 'momentum 0.9']
    """
    surface = objectives.get(objective)
    descent = two_updates(methods.method(fastopt.SGD, {"lr": lr}), surface, start)
    heavy = methods.method(fastopt.Momentum, {"lr": lr, "momentum": momentum})
    rolling = two_updates(heavy, surface, start)
    corner = gradient_step(surface, rolling[1], lr)
    window = style.around(descent, rolling, surface.minima)
    figure, panels = style.figure(1, 2, sharey=True)
    for axes, points, name, title in zip(
        panels, (descent, rolling), ("SGD", "Momentum"), ("gradient descent", f"momentum {momentum:g}"),
        strict=True,
    ):  # fmt: skip
        _vectors(axes, surface, window, points, style.color(name))
        axes.set_title(title, fontsize=11)
    _part(panels[1], rolling[1], corner, "--", "step of gradient descent", style.color("SGD"))
    _part(panels[1], corner, rolling[2], ":", "what is left of step 1", style.color("Momentum"))
    panels[1].legend(fontsize=9, framealpha=0.85)
    return figure


def adaptive_updates(
    objective: Any = "quadratic",
    start: Sequence[float] = (-15.0, 20.0),
    optimizers: str | Sequence[Method] = "Adagrad(lr=5),RMSprop(lr=0.5),Adam(lr=5)",
    lr: float = 0.04,
) -> Figure:
    """Two updates of adaptive methods as vectors, against those of gradient descent (grey).

    Parameters
    ----------
    objective : str or Objective
        Where to descend.
    start : sequence of 2 float
        The point that all start at.
    optimizers : str or sequence of Method
        A panel for each; see `fastopt.study.methods.parse`.
    lr : float
        The learning rate of gradient descent, and of what is given none.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.adaptive_updates(optimizers="Adam(lr=5)")
    >>> [axes.get_title() for axes in figure.axes]
    ['Adam(lr=5)']
    """
    surface = objectives.get(objective)
    chosen = methods.parse(optimizers, lr)
    descent = two_updates(methods.method(fastopt.SGD, {"lr": lr}), surface, start)
    found = [two_updates(method, surface, start) for method in chosen]
    window = style.around(descent, *found, surface.minima)
    figure, panels = style.figure(1, len(chosen), size=(3.6, 4.1), sharey=True)
    for axes, method, points in zip(panels, chosen, found, strict=True):
        _vectors(axes, surface, window, descent, "#8A8A8A")
        _vectors(axes, None, window, points, style.color(method.name))
        axes.set_title(method.label, fontsize=11)
    return figure


def _vectors(axes: Axes, surface: Any, window: Any, points: np.ndarray, color: str) -> None:
    if surface is not None:
        style.contour(axes, surface, window)
        axes.set_aspect("equal")
    style.start(axes, points[0])
    for number, (tail, head) in enumerate(zip(points, points[1:], strict=False), 1):
        style.arrow(axes, tail, head, color=color)
        text = axes.annotate(
            str(number), (tail + head) / 2, xytext=(7, 5), textcoords="offset points", color=color,
            fontsize=11, fontweight="bold", zorder=6,
        )  # fmt: skip
        text.set_path_effects(style.halo(3))


def _part(
    axes: Axes, tail: np.ndarray, head: np.ndarray, linestyle: str, label: str, color: str
) -> None:
    style.arrow(axes, tail, head, color=color, linestyle=linestyle, linewidth=1.4)
    axes.plot([], [], color=color, linestyle=linestyle, linewidth=1.4, label=label)
