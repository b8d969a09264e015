"""Rolling over a hole, or staying in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastopt
from fastopt.study import objectives, trace
from fastopt.study.figures import style


def rolled(
    objective: Any, beta: float, start: Any = None, steps: int = 300, lr: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """A path by the corrected average of gradients, and that average.

    Returns
    -------
    points : array (steps + 1, 2)
    moment : array (steps, 2)
        The corrected first moment of each step: what the step is lr times.
    """
    rule: dict[str, Any] = {"momentum": beta, "form": "ema", "bias_correction": True}
    points = np.asarray(trace(fastopt.Momentum, objective, start, steps, lr=lr, **rule).points)
    return points, -np.diff(points, axis=0) / lr


def hole(
    objective: Any = "hill",
    betas: Sequence[float] = (0.0, 0.95),
    start: Sequence[float] | None = (-3.0, 0.0),
    steps: int = 300,
    lr: float = 0.05,
) -> Figure:
    """The corrected first moment rolls over a small hole in which gradient descent stays.

    Parameters
    ----------
    objective : str or Objective
        Shown along x, at the y of the start.
    betas : sequence of float
        Of the average (``fastopt.Momentum(form="ema", bias_correction=True)``); 0 is gradient descent.
    start : sequence of 2 float, optional
        Where all start; the objective's own if left out.
    steps : int
        Of each.
    lr : float
        Learning rate of all.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.hole()
    >>> [axes.get_title() for axes in figure.axes]
    ['beta 0: ends at x = 0.08', 'beta 0.95: ends at x = 3.01', 'corrected first moment']
    """
    surface, betas = objectives.get(objective), style.several("betas", betas)
    figure = Figure(figsize=(9, 2.4 * max(len(betas), 2)), layout="constrained")
    cells = figure.add_gridspec(len(betas), 2, width_ratios=(1, 1))
    left = [figure.add_subplot(cells[row, 0]) for row in range(len(betas))]
    right = figure.add_subplot(cells[:, 1])
    colors = [style.color("SGD" if beta == 0 else "Momentum") for beta in betas]
    if len(set(colors)) < len(colors):
        colors = style.shades(len(betas))
    for axes, beta, color in zip(left, betas, colors, strict=True):
        points, moment = rolled(surface, beta, start, steps, lr)
        title = f"beta {beta:g}: ends at x = {points[-1, 0]:.2f}"
        _profile(axes, surface, points, color, title)
        right.plot(np.arange(1, steps + 1), moment[:, 0], color=color, lw=2, label=f"beta {beta:g}")
    right.axhline(0, color="#666666", linewidth=0.8)
    style.course(right, "corrected first moment", "$m_1(t)$, x")
    right.legend(frameon=False)
    return figure


def _profile(axes: Axes, surface: Any, points: np.ndarray, color: str, title: str) -> None:
    left, right = surface.bounds[0]
    x = np.linspace(left, right, 400)
    axes.plot(
        x, surface.value(np.column_stack([x, np.full_like(x, points[0, 1])])), color="#999999"
    )
    heights = surface.value(points)
    axes.plot(points[:, 0], heights, "o", color=color, markersize=4, alpha=0.5)
    axes.plot(points[0, 0], heights[0], "o", color="white", markeredgecolor=style.START, mew=2)
    axes.plot(points[-1, 0], heights[-1], "*", color=style.MINIMUM, markersize=12)
    axes.set_xlim(left, right)
    style.label(axes, title, "x", "value")
