"""What the figures share: colours, panels, contours, and lines of trajectories."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke

import fastopt
from fastopt.study import methods

#: Okabe and Ito's colours, which the colour-blind can tell apart, less yellow, too pale for lines.
PALETTE = ("#000000", "#E69F00", "#D55E00", "#009E73", "#56B4E9", "#CC79A7", "#0072B2")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)))
#: The methods of the classic texts come first, so each of them has a colour of its own.
CLASSIC = tuple(methods.CLASSIC.split(","))
START, MINIMUM = "#444444", "#B00020"

Window = tuple[tuple[float, float], tuple[float, float]]


def color(name: str) -> str:
    """The colour of an optimizer, the same in every figure."""
    return PALETTE[_place(name) % len(PALETTE)]


def lines(names: Sequence[str]) -> list[dict[str, Any]]:
    """How to draw these optimizers: a colour for each class, dashes where a colour returns."""
    made: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        before = sum(style["color"] == color(name) for style in made)
        dashes = DASHES[before % len(DASHES)]
        width = 1.8 + 0.2 * min(
            len(names) - 1 - place, 8
        )  # so that the first are seen below the last
        made.append({"color": color(name), "linestyle": dashes, "linewidth": width})
    return made


def _place(name: str) -> int:
    others = [n for n in fastopt.optimizers.__all__ if n not in CLASSIC]
    order = [*CLASSIC, *others]
    return order.index(name) if name in order else len(order)


def shades(count: int) -> list[str]:
    """Colours of a series of settings of one optimizer, from light to dark."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in colormaps["viridis_r"](np.linspace(0.15, 1.0, count))]


def rate(chosen: Sequence[methods.Method]) -> str:
    """What a title adds of the learning rate that all of them have; empty if there is no such."""
    rates = [method.hyperparameters.get("lr") for method in chosen]
    common = rates[0] if all(own == rates[0] for own in rates) else None
    return f", lr {common:g}" if isinstance(common, numbers.Real) else ""


def figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (4.2, 4.0), **options: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many panels of this size, in inches, and the panels."""
    made = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return made, list(made.subplots(rows, columns, squeeze=False, **options).flat)


def several(name: str, values: Any) -> list[float]:
    """The values of a parameter that takes one or more numbers."""
    if isinstance(values, str) or not np.iterable(values):
        raise TypeError(f"{name} is {values!r}; expected a sequence of numbers")
    if not len(found := list(values)):
        raise ValueError(f"{name} is {values!r}; expected one number or more")
    for value in found:
        if not isinstance(value, numbers.Real):
            raise TypeError(f"{name} has {value!r}; expected numbers")
    return found


def label(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Titles, and what makes all panels look alike."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


def course(
    axes: Axes, title: str = "", y: str = "", *, x: str = "steps", log: bool = False
) -> None:
    """The frame of a number's course over the steps."""
    label(axes, title, x, y)
    axes.grid(alpha=0.3)
    if log:
        axes.set_yscale("log")


def halo(width: float = 4.5) -> list[AbstractPathEffect]:
    """A white rim, so that a line is seen on any ground."""
    return [withStroke(linewidth=width, foreground="white")]


def grid(window: Window, resolution: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a window: x (resolution,), y (resolution,), and all of them (resolution, resolution, 2)."""
    x, y = (np.linspace(low, high, resolution) for low, high in window)
    return x, y, np.stack(np.meshgrid(x, y), axis=-1)


def frame_of(surface: Any, start: np.ndarray) -> Window:
    """The objective's bounds, wider if the start lies outside."""
    (left, right), (below, above) = surface.bounds
    x, y = (float(c) for c in start)
    wide, high = 0.05 * (right - left), 0.05 * (above - below)
    return (
        (min(left, x - wide), max(right, x + wide)),
        (min(below, y - high), max(above, y + high)),
    )


def levels(objective: Any, values: np.ndarray, count: int = 14) -> np.ndarray:
    """Heights of contours: on a logarithmic scale above a known minimum, else evenly spaced."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(0)
    floor, top = objective.lowest, float(finite.max())
    if floor is None or not top > floor:
        return np.unique(np.linspace(finite.min(), top, count))
    above = finite - floor
    first = max(float(np.quantile(above, 0.004)), 1e-4 * float(above.max()))
    return np.asarray(floor + np.geomspace(first, above.max(), count))


def contour(axes: Axes, objective: Any, window: Window | None = None) -> None:
    """The objective as contours, and its minima as stars."""
    window = window or objective.bounds
    x, y, points = grid(window)
    with np.errstate(all="ignore"):
        values = np.ma.masked_invalid(objective.value(points))
    heights = levels(objective, values.compressed())
    if len(heights) > 1:  # not if constant
        shades = np.linspace(0, 1, len(heights))
        ground = np.ma.array(np.interp(values.filled(0), heights, shades), mask=values.mask)
        axes.contourf(x, y, ground, shades, cmap="Greys", vmin=0, vmax=3, zorder=0)
        axes.contour(x, y, values, heights, colors="#888888", linewidths=0.6, zorder=1)
    axes.plot(*objective.minima.T, "*", color=MINIMUM, markersize=11, linestyle="", zorder=6)
    axes.set(xlim=window[0], ylim=window[1])
    label(axes, x="x", y="y")


def path(axes: Axes, points: np.ndarray, *, label: str, every: int = 1, **look: Any) -> Line2D:
    """A trajectory (n, 2) with dots every so many steps, as far as it stays near the axes' window, and how it leaves it."""
    window = (axes.get_xlim(), axes.get_ylim())
    near = inside(points, window, margin=1.0)
    shown = np.where(near[:, None], points, np.nan)
    last = np.flatnonzero(near[:-1] & ~near[1:])
    with np.errstate(all="ignore"):
        steps = points[last + 1] - points[last]
        length = np.hypot(*steps.T)[:, None]
        # no farther than is seen: a canvas does not draw all numbers
        shown[last + 1] = points[last] + steps / length * np.minimum(length, 3 * np.ptp(window))
    (line,) = axes.plot(*shown.T, label=label, zorder=4, path_effects=halo(), **look)
    axes.plot(*shown[::every].T, "o", color=look["color"], markersize=3.5, zorder=4)
    return line


def inside(points: np.ndarray, window: Window, margin: float = 0.0) -> np.ndarray:
    """Which of the points (n, 2) are in a window that is wider by `margin` times its size on each side; bool (n,)."""
    low, high = np.array(window).T
    wide = margin * (high - low)
    return np.asarray(((points >= low - wide) & (points <= high + wide)).all(axis=1))


def start(axes: Axes, point: np.ndarray) -> None:
    """The mark of where the trajectories start."""
    axes.plot(*point, "o", markersize=9, color="white", markeredgecolor=START, mew=2, zorder=5)


def arrow(axes: Axes, tail: np.ndarray, head: np.ndarray, **style: Any) -> None:
    """A vector from one point to another."""
    options = {"arrowstyle": "-|>", "linewidth": 2, "shrinkA": 0, "shrinkB": 0} | style
    axes.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=options, zorder=5)


def around(*points: np.ndarray, margin: float = 0.12) -> Window:
    """A square window around all of these points."""
    every = np.concatenate([np.reshape(p, (-1, 2)) for p in points])
    low, high = every.min(axis=0), every.max(axis=0)
    half = float((high - low).max()) * (0.5 + margin) or 1.0
    (x, y) = (low + high) / 2
    return (float(x - half), float(x + half)), (float(y - half), float(y + half))
