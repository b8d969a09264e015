"""Optimizers side by side, step by step: on contours or on the surface (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fastopt.study import methods, movies
from fastopt.study.figures import style
from fastopt.study.figures.trajectories import Methods, Start, traces

FRAMES = 120  # at most: a picture each step, or every so many steps


class Animation:
    """What `compare` makes: a figure whose trajectories grow.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        As the last frame shows it.
    trajectories : list of Trajectory
        One for each method.
    """

    def __init__(
        self, surface: Any, chosen: list[methods.Method], trajectories: list[Any], view: str
    ) -> None:
        self.surface, self.chosen, self.trajectories, self.view = (
            surface,
            chosen,
            trajectories,
            view,
        )
        steps = len(trajectories[0].points) - 1
        count = min(steps + 1, FRAMES)
        self.steps_shown = np.unique(np.linspace(0, steps, count).round().astype(int))
        draw = _on_surface if view == "surface" else _on_contours
        self.figure, self._lines, self._heads, self._series = draw(surface, chosen, trajectories)
        self._counter = self.figure.text(0.01, 0.995, f"step {steps}", va="top", fontsize=11)

    def __len__(self) -> int:
        return len(self.steps_shown)

    def frames(self, dpi: int = 100) -> Iterator[np.ndarray]:
        """The pictures: uint8 arrays (height, width, 3). What does not move is drawn once."""
        self.figure.set_dpi(dpi)
        canvas: Any = FigureCanvasAgg(self.figure)  # its methods are untyped
        moving = [*self._lines, *self._heads, self._counter]
        for artist in moving:
            artist.set_animated(True)
        try:
            canvas.draw()
            ground = canvas.copy_from_bbox(self.figure.bbox)
            for step in self.steps_shown:
                canvas.restore_region(ground)
                self._show(int(step))
                for artist in moving:
                    (artist.axes or self.figure).draw_artist(artist)
                yield np.asarray(canvas.buffer_rgba())[..., :3].copy()
        finally:
            for artist in moving:
                artist.set_animated(False)

    def _show(self, step: int) -> None:
        for line, head, points in zip(self._lines, self._heads, self._series, strict=True):
            for artist, part in ((line, points[: step + 1]), (head, points[step : step + 1])):
                artist.set_data(*part.T[:2])
                if part.shape[1] == 3:
                    artist.set_3d_properties(part.T[2])
        self._counter.set_text(f"step {step}")

    def save(
        self,
        out: str | Path,
        *,
        fps: int = 20,
        dpi: int = 100,
        progress: Callable[[Iterator[np.ndarray], int], Any] | None = None,
    ) -> None:
        """Write a .gif, .mp4 (by ffmpeg), .html (a page with a player) or .png (the last picture).

        Parameters
        ----------
        out : str or Path
            Where to; its suffix chooses the format.
        fps : int
            Pictures a second.
        dpi : int
            Pixels an inch; the figure is 8 x 6 inches.
        progress : callable, optional
            Is given the pictures and their number, and gives them back while it shows how far it is.

        Raises
        ------
        ValueError
            For another suffix.
        RuntimeError
            For a video without ffmpeg, or if ffmpeg fails.
        """
        target = Path(out)
        write = movies.writer(target)
        pictures = self.frames(dpi)
        title = f"{self.surface.name}: {', '.join(method.label for method in self.chosen)}"
        write(progress(pictures, len(self)) if progress else pictures, target, fps, title)


def compare(
    objective: Any = "saddle",
    optimizers: Methods = methods.CLASSIC,
    *,
    lr: float | None = 0.01,
    steps: int = 200,
    start: Start = None,
    view: Literal["contour", "surface"] = "contour",
) -> Animation:
    """An animation of several optimizers that start at the same point.

    Parameters
    ----------
    objective : str or Objective
        Where to descend: a name, an expression in x and y, or an objective.
    optimizers : str or sequence of Method
        See `fastopt.study.methods.parse`.
    lr : float, optional
        Learning rate of those that are given none.
    steps : int
        Of each.
    start : sequence of 2 float, optional
        Where all start; the objective's own if left out.
    view : {"contour", "surface"}
        Seen from above, or in three dimensions.

    Returns
    -------
    Animation

    Raises
    ------
    ValueError
        For an unknown view, objective or optimizer, or fewer than 1 step.

    Examples
    --------
    >>> from fastopt.study import animation
    >>> made = animation.compare("quadratic", "SGD,Adam", steps=10)
    >>> len(made), next(made.frames(dpi=50)).shape
    (11, (300, 400, 3))
    """
    if view not in ("contour", "surface"):
        raise ValueError(f"view is {view!r}; expected 'contour' or 'surface'")
    if steps < 1:
        raise ValueError(f"steps is {steps!r}; expected 1 or more")
    return Animation(*traces(objective, optimizers, start, steps, lr), view)


def _on_contours(surface: Any, chosen: Sequence[methods.Method], trajectories: list[Any]) -> Any:
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    start = trajectories[0].points[0]
    style.contour(axes, surface, style.frame_of(surface, start))
    style.start(axes, start)
    series = [_finite(one.points) for one in trajectories]
    return figure, *_artists(axes, surface, chosen, series), series


def _on_surface(surface: Any, chosen: Sequence[methods.Method], trajectories: list[Any]) -> Any:
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    window = style.frame_of(surface, trajectories[0].points[0])
    _, _, points = style.grid(window, 120)
    with np.errstate(all="ignore"):
        values = np.ma.masked_invalid(surface.value(points))
    height, name = _height(surface, values.compressed())
    axes.plot_surface(
        points[..., 0], points[..., 1], height(values), cmap="Greys", alpha=0.75, rcount=120, ccount=120,
        linewidth=0, zorder=1,
    )  # fmt: skip
    series = []
    for one in trajectories:
        there = np.column_stack([one.points, height(one.values)])
        series.append(np.where(style.inside(one.points, window)[:, None], there, np.nan))
    axes.set(xlabel="x", ylabel="y", zlabel=name, xlim=window[0], ylim=window[1])
    axes.view_init(elev=35, azim=-60)
    if len(surface.minima):
        there = np.column_stack([surface.minima, height(surface.value(surface.minima))])
        axes.plot(*there.T, "*", color=style.MINIMUM, markersize=11, zorder=2)
    return figure, *_artists(axes, surface, chosen, series), series


def _artists(
    axes: Axes, surface: Any, chosen: Sequence[methods.Method], series: list[np.ndarray]
) -> tuple[list[Any], list[Any]]:
    looks = style.lines([method.name for method in chosen])
    lines, heads = [], []
    options: dict[str, Any] = {"path_effects": style.halo(), "zorder": 5}
    for method, points, look in zip(chosen, series, looks, strict=True):
        lines += axes.plot(*points.T, label=method.label, **look, **options)
        heads += axes.plot(*points[-1:].T, "o", color=look["color"], markersize=8, **options)
    axes.set_title(surface.name, fontsize=11)
    if points.shape[1] == 2:
        axes.legend(fontsize=9, framealpha=0.85, loc="upper right")
    else:  # in the corner that a surface leaves free
        axes.figure.legend(fontsize=9, framealpha=0.85, loc="lower left")
    return lines, heads


def _height(surface: Any, values: np.ndarray) -> tuple[Callable[[Any], Any], str]:
    """How to show heights: those above a known minimum by their logarithm, as contours do."""
    floor = surface.lowest
    if floor is None or not values.size:
        return lambda z: z, "value"
    shift = float(np.quantile(values - floor, 0.1))
    return lambda z: np.log10(z - floor + shift), f"log10(value - minimum + {shift:.2g})"


def _finite(points: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(points), points, np.nan)
