"""What a setting looks like: only what has changed since the last one is computed and sent."""

from __future__ import annotations

from typing import Any

import contourpy
import numpy as np

from fastopt.study.playground import courses, maps
from fastopt.study.playground.look import LIGHT, LOOKS, mixed
from fastopt.study.playground.plots import Plots
from fastopt.study.playground.setting import Run, Setting, objective_of

#: Points along an edge of the surface, and how many contours it has.
GRID, CONTOURS = 180, 16

_compiled: set[Any] = set()


def _needs(setting: Setting) -> set[Any]:
    """What has code of its own: every variant of an optimizer on every objective, and every map."""
    view = (setting.view, setting.run.optimizer)
    return {setting.objective, view} | {(setting.objective, _variant(run)) for run in setting.runs}


def _variant(run: Run) -> Any:
    """Switches, names, and which numbers are 0: all that can change which slots there are."""
    values = run.hyperparameters.values()
    return (run.optimizer, *(v if isinstance(v, bool | str) else v == 0 for v in values))


class Drawing:
    """The plots, and the setting that they show.

    Attributes
    ----------
    plots : Plots
    setting : Setting or None
        What is drawn.
    axes : maps.Axes or None
        Of the map of rates.
    problem : str
        Why there is no map, if there is none.
    """

    def __init__(self) -> None:
        self.plots = Plots()
        self.setting: Setting | None = None
        self.axes: maps.Axes | None = None
        self.problem = ""
        self._territories = 0
        self.look = LIGHT
        self.plots.dress(self.look)
        self._sent: list[Any] = []  # the trajectories that are drawn
        self._slots: Any = None
        self._worth = (0.0, 1.0)  # the errors that are worth a place on the axis

    @property
    def formula(self) -> str:
        """Of the objective."""
        assert self.setting is not None
        return objective_of(self.setting.objective).formula

    def dress(self, theme: str) -> None:
        """Put on the colours of a theme."""
        self.look = LOOKS[theme]
        self.plots.dress(self.look)
        self._colour_basins()

    def knows(self, setting: Setting) -> bool:
        """Whether all that a setting needs has been compiled in this process before."""
        return _needs(setting) <= _compiled

    def draw(self, setting: Setting) -> None:
        """Show a setting; if it cannot be computed, raise and show what was there."""
        old = self.setting
        traced = [courses.trajectory(setting, run) for run in setting.runs]
        self._map(setting, maps.COARSE)
        if old is None or old.objective != setting.objective:
            self._landscape(setting)
        if old is None or old.labels() != setting.labels():
            self.plots.name_runs(setting.labels())
        if old is None or old.view != setting.view:
            self.plots.show(setting.view)
        self.plots.start.data = {"x": [setting.start[0]], "y": [setting.start[1]]}
        self._courses(setting, traced)
        self.setting = setting
        _compiled.update(_needs(setting))

    def refine(self) -> None:
        """Draw the map finely."""
        if self.setting is not None and self.setting.view != "surface":
            self._map(self.setting, maps.FINE)

    # ---- courses ----------------------------------------------------------------------------------------

    def _courses(self, setting: Setting, traced: list[Any]) -> None:
        steps = courses.drawn_steps(setting.steps)
        old = self.setting
        whole = (
            old is None
            or (old.steps, len(old.runs)) != (setting.steps, len(setting.runs))
            or old.objective != setting.objective
        )
        new: dict[str, np.ndarray] = {}
        for i, run in enumerate(setting.runs):
            if whole or traced[i] is not self._sent[i]:
                new[f"run{i}"] = courses.drawn(setting, run)
        self._sent = traced
        if whole or traced[setting.active] is not self._slots:
            new["slots"] = self._slots_of(setting, len(steps))
            self._slots = traced[setting.active]
        if not new:
            return
        data = self.plots.courses.data
        if whole:
            nothing = dict.fromkeys(data, _nothing(len(steps)))
            self.plots.courses.data = {**nothing, "step": steps.astype(float), **new}
            self.plots.errors.x_range.update(start=0, end=setting.steps)
        else:
            data.update(new)
        self._fit_errors(setting)

    def _slots_of(self, setting: Setting, count: int) -> np.ndarray:
        columns = courses.slots(setting, setting.run)
        if list(columns) != [item.label.value for item in self.plots.slot_legend.items]:
            self.plots.name_slots(list(columns))
        return np.stack(list(columns.values()), axis=1) if columns else _nothing(count)

    def _fit_errors(self, setting: Setting) -> None:
        data = self.plots.courses.data
        columns = [np.asarray(data[f"run{i}"])[:, 2] for i in range(len(setting.runs))]
        low, high = courses.extent([np.clip(c, *self._worth) for c in columns])
        self.plots.errors.y_range.update(start=low, end=high)

    # ---- the surface ------------------------------------------------------------------------------------

    def _landscape(self, setting: Setting) -> None:
        of = objective_of(setting.objective)
        (left, right), (bottom, top) = of.bounds
        x, y = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
        points = np.stack(np.broadcast_arrays(x, y[:, None]), axis=-1)
        values = np.asarray(of.value(points), float)
        least = of.lowest
        heights = levelled(values, least)
        plots = self.plots
        self._worth = courses.worth(values, least)
        plots.errors.yaxis.axis_label = "f" if least is None else "log₁₀ (f - min f)"
        plots.surface.x_range.update(start=left, end=right, reset_start=left, reset_end=right)
        plots.surface.y_range.update(start=bottom, end=top, reset_start=bottom, reset_end=top)
        plots.landscape.data = placed(heights, of.bounds)
        made = contourpy.contour_generator(x, y, np.ma.masked_invalid(heights))
        lines: list[Any] = [
            line for level in np.linspace(0, 1, CONTOURS + 2)[1:-1] for line in made.lines(level)
        ]
        plots.contours.data = {"xs": [li[:, 0] for li in lines], "ys": [li[:, 1] for li in lines]}

    # ---- maps -------------------------------------------------------------------------------------------

    def _map(self, setting: Setting, edge: int) -> None:
        """Draw the map of the view; where there is none, an empty one, and `problem` says why."""
        self.problem = ""
        of = (
            maps.objective(setting) if setting.view == "basins" else objective_of(setting.objective)
        )
        self._mark(of.minima)
        try:
            if setting.view == "basins":
                self._basins(setting, edge)
            elif setting.view == "rates":
                self._rates(setting, edge)
        except (ValueError, TypeError) as error:
            self.problem, self.axes = str(error), None
            nothing: dict[str, list[Any]] = {name: [] for name in self.plots.basins.data}
            self.plots.basins.data, self.plots.rates.data = nothing, dict(nothing)

    def _basins(self, setting: Setting, edge: int) -> None:
        found = maps.basins(setting, setting.run, edge)
        self._territories = len(found.minima)
        self._colour_basins()
        self.plots.basins.data = placed(found.which, found.bounds)

    def _mark(self, minima: np.ndarray) -> None:
        x, y = (np.array(column) for column in minima.T)
        if not all(map(np.array_equal, self.plots.marks.data.values(), (x, y))):
            self.plots.marks.data = {"x": x, "y": y}

    def _colour_basins(self) -> None:
        look, count = self.look, self._territories
        several = [mixed(look.slots[j % len(look.slots)], look.paper, 0.55) for j in range(count)]
        self.plots.minima.update(low=-1.5, high=count - 0.5, palette=[look.nowhere, *several])

    def _rates(self, setting: Setting, edge: int) -> None:
        over = maps.axes_of(setting.run)
        x, y = over.x.scale, over.y.scale
        assert x is not None
        assert y is not None
        if self.axes != over:
            self.plots.measure_rates(x, y, over.x.label, over.y.label)
            self.axes = over
        steps = maps.rates(setting, setting.run, over, edge).steps
        image = np.where(steps <= setting.steps, np.log10(np.maximum(steps, 1)), np.nan)
        low, high = courses.extent([image])
        self.plots.speeds.update(low=low, high=high)
        self.plots.rates.data = placed(image, ((x.start, x.end), (y.start, y.end)))
        place = over.places(setting.run)
        self.plots.here.data = {"x": [place[0]], "y": [place[1]]}


def _nothing(count: int) -> np.ndarray:
    """What stands for a run, or for slots, that there are not."""
    return np.full((count, 3), np.nan)


def placed(image: np.ndarray, bounds: Any) -> dict[str, list[Any]]:
    """The columns of a source for an image that fills these bounds."""
    (left, right), (bottom, top) = bounds
    return {
        "image": [image.astype(np.float32)],
        "x": [left], "y": [bottom], "dw": [right - left], "dh": [top - bottom],
    }  # fmt: skip


def levelled(values: np.ndarray, least: float | None) -> np.ndarray:
    """Heights from 0 to 1 that show small differences near the least value; NaN where values are not finite.

    By logarithm where the least value is known, else by rank.
    """
    finite = np.isfinite(values)
    heights = np.full(values.shape, np.nan)
    if not finite.any():
        return heights
    found = values[finite]
    if least is None:
        order = np.sort(found)
        heights[finite] = np.searchsorted(order, found) / max(len(order) - 1, 1)
        return heights
    above = np.maximum(found - least, 0)
    scale = np.median(above) / 30 or 1.0
    logarithms = np.log1p(above / scale)
    heights[finite] = logarithms / (logarithms.max() or 1.0)
    return heights
