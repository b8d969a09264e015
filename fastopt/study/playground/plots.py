"""The plots: the surface with the paths on it, the courses of errors, the slots, the map of rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    GlyphRenderer,
    Legend,
    LegendItem,
    LinearColorMapper,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from fastopt.study.playground.courses import MOST_SLOTS
from fastopt.study.playground.look import Look
from fastopt.study.playground.scales import COUNT, Scale
from fastopt.study.playground.setting import MOST_RUNS

TOOLS = "pan,wheel_zoom,box_zoom,reset"
NOTHING: list[float] = []
SHORT = """
const size = Math.abs(tick)
return size && (size >= 1e5 || size < 1e-3) ? tick.toExponential() : String(Number(tick.toPrecision(5)))
"""
#: Logarithms of the numbers of steps that a map of rates names.
COUNTS = [float(np.log10(k * 10**n)) for n in range(4) for k in (1, 2, 5)]


class Plots:
    """Figures, and the sources that they draw.

    Attributes
    ----------
    courses : ColumnDataSource
        All that the server knows: ``step``, for each run i ``run{i}`` with the columns x, y and error, and ``slots`` with
        as many as the run has: every array travels by itself, and costs the browser a millisecond.
    shown : list of ColumnDataSource
        As much of each run as the animation has reached: ``step``, ``x``, ``y``, ``e``; the browser cuts it off.
    kept : ColumnDataSource
        The same of the slots.
    heads : ColumnDataSource
        Where each run is.
    """

    def __init__(self) -> None:
        slots = [f"s{j}" for j in range(MOST_SLOTS)]
        runs = [f"run{i}" for i in range(MOST_RUNS)]
        self.courses = ColumnDataSource(
            dict.fromkeys(("step", *runs, "slots"), NOTHING), name="courses"
        )
        self.shown = [
            ColumnDataSource(dict.fromkeys(("step", "x", "y", "e"), NOTHING))
            for _ in range(MOST_RUNS)
        ]
        self.kept = ColumnDataSource({c: [0.0] for c in ("step", *slots)})
        self.heads = ColumnDataSource({"x": NOTHING, "y": NOTHING, "color": NOTHING}, name="heads")
        self.landscape = ColumnDataSource(dict.fromkeys(("image", "x", "y", "dw", "dh"), NOTHING))
        self.contours = ColumnDataSource({"xs": NOTHING, "ys": NOTHING})
        self.marks = ColumnDataSource({"x": NOTHING, "y": NOTHING})
        self.start = ColumnDataSource({"x": NOTHING, "y": NOTHING}, name="start")
        self.basins = ColumnDataSource(dict.fromkeys(("image", "x", "y", "dw", "dh"), NOTHING))
        self.rates = ColumnDataSource(dict.fromkeys(("image", "x", "y", "dw", "dh"), NOTHING))
        self.here = ColumnDataSource({"x": NOTHING, "y": NOTHING})
        self._surface()
        self._errors()
        self._slots()
        self._rates()

    # ---- figures ------------------------------------------------------------------------------------

    def _figure(self, name: str, tools: str = TOOLS, **options: Any) -> figure:
        made = figure(
            name=name, tools=tools, sizing_mode="stretch_both", min_border=4, min_border_top=10, min_border_right=14, toolbar_location="right", toolbar_inner=True,
            **options,
        )  # fmt: skip
        made.toolbar.logo = None
        made.toolbar.autohide = True
        return made

    def _surface(self) -> None:
        self.heights = LinearColorMapper(low=0, high=1)
        self.minima = LinearColorMapper(palette=["gray"], low=-1, high=0)
        f = self.surface = self._figure(
            "surface", x_range=Range1d(-1, 1), y_range=Range1d(-1, 1), active_scroll="wheel_zoom"
        )
        f.xaxis.axis_label, f.yaxis.axis_label = "x", "y"
        f.grid.visible = False
        self.ground = f.image(source=self.landscape, color_mapper=self.heights, level="image")
        self.basin = f.image(
            source=self.basins, color_mapper=self.minima, level="image", visible=False
        )
        self.contour = f.multi_line(
            "xs", "ys", source=self.contours, line_width=0.8, level="underlay"
        )
        self.mark = f.scatter("x", "y", source=self.marks, marker="star", size=15, level="glyph")
        self.paths = [
            f.line("x", "y", source=self.shown[i], line_width=2.2, name=f"path{i}")
            for i in range(MOST_RUNS)
        ]
        self.begin = f.scatter(
            "x", "y", source=self.start, marker="circle_cross", size=13, line_width=2
        )
        self.head = f.scatter(
            "x", "y", source=self.heads, color="color", size=9, line_width=1.5, name="heads"
        )
        self.legend = self._legend(f, "top_left")

    def _errors(self) -> None:
        f = self.errors = self._figure("errors", x_range=Range1d(0, 1), y_range=Range1d(0, 1))
        f.xaxis.axis_label = "step"
        self.courses_of_error = [
            f.line("step", "e", source=self.shown[i], line_width=1.8, name=f"error{i}")
            for i in range(MOST_RUNS)
        ]
        for path, course in zip(self.paths, self.courses_of_error, strict=True):
            path.js_link("visible", course, "visible")
            course.js_link("visible", path, "visible")

    def _slots(self) -> None:
        f = self.slots = self._figure("slots", x_range=self.errors.x_range)
        f.y_range.only_visible = True
        f.yaxis.formatter = CustomJSTickFormatter(code=SHORT)
        f.xaxis.axis_label = "step"
        self.slot_lines = [
            f.line("step", f"s{j}", source=self.kept, line_width=1.8, name=f"slot{j}")
            for j in range(MOST_SLOTS)
        ]
        self.slot_legend = self._legend(f, "top_right")

    def _rates(self) -> None:
        self.speeds = LinearColorMapper(low=0, high=1)
        f = self.rate_map = self._figure(
            "rates", x_range=Range1d(0, 1), y_range=Range1d(0, 1), visible=False
        )
        f.grid.visible = False
        f.image(source=self.rates, color_mapper=self.speeds)
        bar = self.bar = ColorBar(
            color_mapper=self.speeds, width=10, padding=6, formatter=CustomJSTickFormatter(code=COUNT),
            ticker=FixedTicker(ticks=COUNTS),
        )  # fmt: skip
        f.add_layout(bar, "right")
        self.now = f.scatter(
            "x", "y", source=self.here, marker="circle_cross", size=15, line_width=2
        )

    @staticmethod
    def _legend(f: figure, place: Any) -> Legend:
        legend = Legend(
            location=place, click_policy="hide", padding=6, spacing=1, label_standoff=6,
            glyph_height=14, glyph_width=18, margin=8, label_text_font_size="12px",
        )  # fmt: skip
        f.add_layout(legend)
        return legend

    # ---- what changes seldom --------------------------------------------------------------------------

    def name_runs(self, labels: list[str]) -> None:
        """Show as many runs, with these names."""
        for i, path in enumerate(self.paths):
            path.visible = i < len(labels)
        self.legend.items = _items(labels, self.paths)

    def name_slots(self, labels: list[str]) -> None:
        """Show as many slots, with these names."""
        for j, line in enumerate(self.slot_lines):
            line.visible = j < len(labels)
        self.slot_legend.items = _items(labels, self.slot_lines)

    def measure_rates(self, x: Scale, y: Scale, x_label: str, y_label: str) -> None:
        """Give the map of rates its two scales."""
        f = self.rate_map
        f.xaxis.axis_label, f.yaxis.axis_label = x_label, y_label
        for axis, scale, extent in ((f.xaxis, x, f.x_range), (f.yaxis, y, f.y_range)):
            axis.formatter = CustomJSTickFormatter(code=scale.ticks)
            extent.start, extent.end = scale.start, scale.end
            if scale.kind in ("log", "decay"):
                whole = range(int(np.ceil(scale.start)), int(np.floor(scale.end)) + 1)
                axis.ticker = FixedTicker(ticks=list(whole))

    def show(self, view: str) -> None:
        """Switch to the surface, the basins on it, or the map of rates."""
        self.surface.visible = view != "rates"
        self.rate_map.visible = view == "rates"
        self.basin.visible = view == "basins"
        self.ground.visible = view != "basins"

    def dress(self, look: Look) -> None:
        """Put on the colours of a theme."""
        for f in (self.surface, self.errors, self.slots, self.rate_map):
            f.background_fill_color = f.border_fill_color = look.paper
            f.outline_line_color = look.outline
            f.grid.grid_line_color = look.grid
            f.axis.axis_label_text_color = f.axis.major_label_text_color = look.muted
            f.axis.axis_line_color = f.axis.major_tick_line_color = look.outline
            f.axis.minor_tick_line_color = None
            f.axis.axis_label_text_font_style = "normal"
            f.axis.axis_label_text_font = f.axis.major_label_text_font = "system-ui"
            f.axis.axis_label_text_font_size = "12px"
        for legend in (self.legend, self.slot_legend):
            legend.background_fill_color, legend.background_fill_alpha = look.paper, 0.82
            legend.border_line_color = look.outline
            legend.label_text_color = look.text
            legend.label_text_font = "system-ui"
            legend.inactive_fill_color, legend.inactive_fill_alpha = look.paper, 0.75
        self.bar.update(
            background_fill_color=None, major_label_text_color=look.muted, major_label_text_font="system-ui",
        )  # fmt: skip
        for i, (path, course) in enumerate(zip(self.paths, self.courses_of_error, strict=True)):
            path.glyph.line_color = course.glyph.line_color = look.runs[i]
        for j, line in enumerate(self.slot_lines):
            line.glyph.line_color = look.slots[j]
        self.heights.update(palette=look.heights(), nan_color=look.nowhere)
        self.speeds.update(palette=Viridis256[::-1], nan_color=look.nowhere)
        self.contour.glyph.line_color = look.contour
        self.mark.glyph.fill_color, self.mark.glyph.line_color = look.text, look.paper
        for scatter in (self.begin, self.now):
            scatter.glyph.fill_color, scatter.glyph.line_color = look.paper, look.text
        self.head.glyph.line_color = look.paper


def _items(labels: list[str], renderers: list[GlyphRenderer]) -> list[LegendItem]:
    return [
        LegendItem(label=label, renderers=[r]) for label, r in zip(labels, renderers, strict=False)
    ]
