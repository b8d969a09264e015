"""Trajectories on contours, with their courses over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastopt.study import methods, objectives, trace
from fastopt.study.figures import style
from fastopt.study.methods import Method

Methods = str | Sequence[Method]
Start = Sequence[float] | None


def traces(
    objective: Any, optimizers: Methods, start: Start, steps: int, lr: float | None
) -> tuple[Any, list[Method], list[Any]]:
    """The objective, the methods, and the trajectory of each."""
    surface = objectives.get(objective)
    chosen = methods.parse(optimizers, lr)
    found = [trace(m.optimizer, surface, start, steps, **m.hyperparameters) for m in chosen]
    return surface, chosen, found


def trajectory(
    objective: Any = "beale",
    optimizers: Methods = "Adam",
    start: Start = None,
    steps: int = 200,
    lr: float | None = 0.1,
) -> Figure:
    """Trajectories, errors over the steps, and all that the optimizers remember: slots and running numbers.

    Parameters
    ----------
    objective : str or Objective
        Where to descend: a name, an expression in x and y, or an objective.
    optimizers : str or sequence of Method
        See `fastopt.study.methods.parse`.
    start : sequence of 2 float, optional
        Where all start; the objective's own if left out.
    steps : int
        Of each.
    lr : float, optional
        Learning rate of those that are given none.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.trajectory("quadratic", "Adam", steps=20)
    >>> [axes.get_title() for axes in figure.axes]
    ['quadratic', 'error', 'Adam: exp_avg', 'Adam: exp_avg_sq']
    """
    surface, chosen, found = traces(objective, optimizers, start, steps, lr)
    remembered = [
        (method, name, np.reshape(numbers, (len(numbers), -1)))
        for method, one in zip(chosen, found, strict=True)
        for name, numbers in {**one.slots, **one.running}.items()
        if np.size(numbers)
    ]
    beside = min(len(remembered), 3)  # beside the contours; the others in two columns below
    top = 1 + beside
    rows = top + (len(remembered) - beside + 1) // 2
    figure = Figure(figsize=(9.5, max(5.0, 1.6 * rows)), layout="constrained")
    cells = figure.add_gridspec(rows, 2, width_ratios=(1.3, 1))
    ground, error = figure.add_subplot(cells[:top, 0]), figure.add_subplot(cells[0, 1])
    ground_panel(ground, surface, chosen, found)
    courses(error, surface, chosen, found)
    for place, (method, name, numbers) in enumerate(remembered):
        row, column = divmod(place - beside, 2) if place >= beside else (place - beside, 1)
        axes = figure.add_subplot(cells[top + row, column])
        _slot(axes, numbers, style.color(method.name))
        axes.set_xlim(error.get_xlim())
        style.course(
            axes, f"{method.label}: {name}", x="steps" if place == len(remembered) - 1 else ""
        )
    error.set_xlabel("" if remembered else "steps")
    return figure


def saddle(
    optimizers: Methods = methods.CLASSIC,
    start: Start = None,
    steps: int = 200,
    lr: float | None = 0.01,
) -> Figure:
    """All methods on the saddle: who leaves the ridge, and when.

    Parameters
    ----------
    optimizers : str or sequence of Method
        See `fastopt.study.methods.parse`.
    start : sequence of 2 float, optional
        Where all start; the objective's own, beside the ridge that leads to the saddle, if left out.
    steps : int
        Of each.
    lr : float, optional
        Learning rate of those that are given none.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.saddle("SGD,Adam", steps=50)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['SGD', 'Adam']
    """
    return _pair(*traces("saddle", optimizers, start, steps, lr))


def nesterov(
    objective: Any = "quadratic",
    momentum: float = 0.95,
    start: Start = None,
    steps: int = 150,
    lr: float = 0.005,
) -> Figure:
    """Momentum against Nesterov's, which takes the gradient where the momentum will lead.

    Parameters
    ----------
    objective : str or Objective
        Where to descend.
    momentum : float
        Of both.
    start : sequence of 2 float, optional
        Where both start.
    steps : int
        Of both.
    lr : float
        Learning rate of both.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.nesterov(steps=20)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['Momentum(momentum=0.95)', 'NAG(momentum=0.95)']
    """
    both = f"Momentum(momentum={momentum!r}),NAG(momentum={momentum!r})"
    return _pair(*traces(objective, both, start, steps, lr))


def fixed_distance(
    objective: Any = "beale", start: Start = None, steps: int = 150, lr: float = 0.1
) -> Figure:
    """Steps of a fixed distance zigzag across a valley where Adam's, as long at first, calm down.

    Parameters
    ----------
    objective : str or Objective
        Where to descend.
    start : sequence of 2 float, optional
        Where both start.
    steps : int
        Of both.
    lr : float
        The distance that `fastopt.NormalizedGD` moves each coordinate, and Adam's learning rate.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.fixed_distance(steps=20)
    >>> len(figure.axes)
    2
    """
    surface, chosen, found = traces(objective, "NormalizedGD,Adam", start, steps, lr)
    window = style.around(*(one.points for one in found), surface.minima[:1])
    return _pair(surface, chosen, found, window)


def learning_rates(
    objective: Any = "three_hump_camel",
    optimizers: Methods = methods.CLASSIC,
    rates: Sequence[float] = (0.001, 0.01, 0.1),
    start: Start = None,
    steps: int = 200,
) -> Figure:
    """Several learning rates for all methods: trajectories above, errors below.

    Parameters
    ----------
    objective : str or Objective
        Where to descend.
    optimizers : str or sequence of Method
        See `fastopt.study.methods.parse`.
    rates : sequence of float
        A column for each.
    start : sequence of 2 float, optional
        Where all start; the objective's own if left out.
    steps : int
        Of each.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.learning_rates(optimizers="SGD,Adam", rates=(0.01, 0.1), steps=20)
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['lr 0.01', 'lr 0.1']
    """
    rates = style.several("rates", rates)
    figure, panels = style.figure(2, len(rates), size=(3.7, 3.5), sharey="row")
    for column, lr in enumerate(rates):
        above, below = panels[column], panels[len(rates) + column]
        surface, chosen, found = traces(objective, optimizers, start, steps, lr)
        ground_panel(above, surface, chosen, found)
        courses(below, surface, chosen, found)
        above.set_title(f"lr {lr:g}", fontsize=11)
        legend = above.get_legend()
        if legend is not None and column < len(rates) - 1:
            legend.remove()
    return figure


def ground_panel(
    axes: Axes, surface: Any, chosen: list[Method], found: list[Any], window: Any = None
) -> None:
    """Contours, and a trajectory for each method."""
    start = found[0].points[0]
    style.contour(axes, surface, window or style.frame_of(surface, start))
    looks = style.lines([method.name for method in chosen])
    for method, one, look in zip(chosen, found, looks, strict=True):
        every = max(1, len(one.points) // 60)
        style.path(axes, one.points, label=method.label, every=every, **look)
    style.start(axes, start)
    axes.set_title(surface.name, fontsize=11)
    axes.legend(fontsize=8, framealpha=0.85)


def courses(axes: Axes, surface: Any, chosen: list[Method], found: list[Any]) -> None:
    """The height above the lowest minimum over the steps; without a known minimum, the value.

    What is higher than all that the contours show lies outside; without a known minimum, what is lower, too.
    """
    floor = surface.lowest
    _, _, points = style.grid(style.frame_of(surface, found[0].points[0]), 50)
    with np.errstate(all="ignore"):
        values = surface.value(points)
    seen = values[np.isfinite(values)]
    high = seen.max() if seen.size else np.inf
    low = seen.min() if seen.size and floor is None else -np.inf
    style.course(axes, "value" if floor is None else "error", log=floor is not None)
    looks = style.lines([method.name for method in chosen])
    for one, look in zip(found, looks, strict=True):
        course = one.values if floor is None else np.maximum(one.values - floor, 1e-16)
        (line,) = axes.plot(
            np.where((one.values <= high) & (one.values >= low), course, np.nan), **look
        )
        extent = axes.get_ylim()
        line.set_ydata(course)  # leaves the panel, which ends where the contours do
        axes.set_ylim(extent, auto=True)
    axes.set_xlim(*(f * (len(found[0].values) - 1) for f in (-0.05, 1.05)))


def _pair(surface: Any, chosen: list[Method], found: list[Any], window: Any = None) -> Figure:
    figure, (left, right) = style.figure(1, 2, size=(4.6, 4.1))
    ground_panel(left, surface, chosen, found, window)
    left.set_title(f"{surface.name}{style.rate(chosen)}", fontsize=11)
    courses(right, surface, chosen, found)
    return figure


def _slot(axes: Axes, numbers: np.ndarray, color: str) -> None:
    names = ("x", "y") if numbers.shape[1] == 2 else [str(i) for i in range(numbers.shape[1])]
    for column, name, dashes in zip(numbers.T, names, style.DASHES, strict=False):
        axes.plot(column, color=color, linestyle=dashes, label=name)
    if numbers.shape[1] > 1:
        axes.legend(fontsize=8, frameon=False, ncols=2)
