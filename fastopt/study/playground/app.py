"""The application behind one browser tab: it keeps the setting, and what is drawn follows."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bokeh.core.properties import Bool, Dict, Int, String
from bokeh.document import Document
from bokeh.events import DocumentReady, Tap
from bokeh.model import DataModel

from fastopt.hyperparameters import Value
from fastopt.study.playground import export, link
from fastopt.study.playground.controls import Control
from fastopt.study.playground.drawing import Drawing
from fastopt.study.playground.setting import (
    FARTHEST,
    MOST_RUNS,
    THEMES,
    VIEWS,
    Run,
    first,
    number,
    objective_of,
    start_of,
)
from fastopt.study.playground.sidebar import Sidebar

#: What says that a user's wish cannot be met.
REFUSALS = (ValueError, TypeError, ArithmeticError)
#: How long nothing must move before maps are drawn finely, in milliseconds.
REST = 250
#: How long before work that may need a compiler, in milliseconds.
NOTICE = 50


class Page(DataModel):  # type: ignore[misc]
    """What the server and ``page.js`` tell each other beside the numbers that are drawn."""

    answer = Int(default=0, help="Counts what the server has drawn.")
    received = Int(default=0, help="The last answer that the browser has put on the screen.")
    request = Dict(String, String, default={}, help="What a button of the page asks for.")
    file = Dict(String, String, default={}, help="What the browser is to save.")
    message = String(default="", help="What is wrong, for the user.")
    query = String(default="", help="Of the link that carries the setting.")
    code = String(default="", help="The Python program of the setting.")
    formula = String(default="", help="Of the objective.")
    view = String(default="surface")
    theme = String(default="auto")
    busy = Bool(default=False, help="Whether the server is at something long.")
    steps = Int(default=1)
    active = Int(default=0)
    chosen = String(default="", help="The label of the active run, and whether it has no slots.")


class Playground:
    """One tab's application.

    Parameters
    ----------
    arguments : mapping of str to sequence of bytes
        Of the link that was opened.
    """

    def __init__(self, document: Document, arguments: Any) -> None:
        self.document = document
        self.setting, messages = link.read(arguments)
        self.page = Page(name="page", message="\n".join(messages))
        self.drawing = Drawing()
        self.sidebar = Sidebar(self.setting, self)
        self._files = 0
        self._planned = False
        self._refinement: Any = None
        document.on_event(DocumentReady, lambda event: self._plan())  # not before there is a page
        self.page.on_change("received", lambda attr, old, new: self._plan())
        self.page.on_change("request", lambda attr, old, new: self._answer(new))
        self.drawing.plots.surface.on_event(Tap, self._tapped)
        self.drawing.plots.rate_map.on_event(Tap, self._tapped_map)

    # ---- what a user does -----------------------------------------------------------------------------

    def change(self, **changes: Any) -> None:
        """Change the setting; what is drawn follows as soon as the browser is ready for it."""
        self.setting = replace(self.setting, **changes)
        self.page.message = ""
        self._plan()

    def refuse(self, error: Exception) -> None:
        """Tell the user what is wrong."""
        self.page.message = str(error)

    def choose_objective(self, text: str) -> None:
        """Take a name or an expression, and start from where it suggests."""
        self.change(objective=text, start=start_of(objective_of(text)))
        self.sidebar.follow(self.setting)

    def choose_start(self, x: Any, y: Any) -> None:
        """Start from there."""
        start = tuple(number(str(v), "start", -FARTHEST, FARTHEST) for v in (x, y))
        self.change(start=start)
        self.sidebar.follow(self.setting)

    def choose_run(self, active: int) -> None:
        """Make another run the one that the sliders belong to."""
        self.change(active=active)
        self.sidebar.rebuild(self.setting)

    def choose_optimizer(self, name: str) -> None:
        """Another optimizer in place of the active one."""
        self.change(runs=self.setting.with_run(Run.of(name)).runs)
        self.sidebar.rebuild(self.setting)

    def add(self, run: Run) -> None:
        """One more run."""
        if len(self.setting.runs) == MOST_RUNS:
            raise ValueError(f"there are {MOST_RUNS} optimizers; remove one before adding another")
        self.change(runs=(*self.setting.runs, run), active=len(self.setting.runs))
        self.sidebar.rebuild(self.setting)

    def remove(self) -> None:
        """The active run."""
        if len(self.setting.runs) == 1:
            raise ValueError("there is one optimizer; the last one cannot be removed")
        runs = list(self.setting.runs)
        del runs[self.setting.active]
        self.change(runs=tuple(runs), active=max(self.setting.active - 1, 0))
        self.sidebar.rebuild(self.setting)

    def move(self, control: Control, value: Value) -> None:
        """Set a hyperparameter of the active run."""
        run = self.setting.run
        try:
            new = Run.of(run.optimizer, **control.put(run.hyperparameters, value))
        except REFUSALS as error:
            self.refuse(error)
            raise
        self.change(runs=self.setting.with_run(new).runs)

    def _tapped(self, event: Tap) -> None:
        try:
            self.choose_start(float(f"{event.x:.6g}"), float(f"{event.y:.6g}"))
        except REFUSALS as error:
            self.refuse(error)

    def _tapped_map(self, event: Tap) -> None:
        over = self.drawing.axes
        if over is None or event.x is None or event.y is None:
            return
        try:
            run = over.put(self.setting.run, event.x, event.y)
        except REFUSALS as error:
            self.refuse(error)
            return
        self.change(runs=self.setting.with_run(run).runs)
        self.sidebar.rebuild(self.setting)

    # ---- what the page asks for -----------------------------------------------------------------------

    def _answer(self, request: dict[str, str]) -> None:
        answers: dict[str, Callable[[str], None]] = {
            "view": self._view,
            "theme": self._theme,
            "dark": lambda value: self.drawing.dress("dark" if value == "yes" else "light"),
            "code": lambda value: self._code(),
            "figure": self._figure,
            "run": self._choose,
        }
        asked = answers.get(request.get("kind", ""))
        if asked is None:
            return
        try:
            asked(request.get("value", ""))
        except REFUSALS as error:
            self.refuse(error)

    def _view(self, value: str) -> None:
        if value in VIEWS:
            self.change(view=value)

    def _theme(self, value: str) -> None:
        if value in THEMES:
            self.change(theme=value)

    def _choose(self, value: str) -> None:
        if value.isdecimal() and int(value) < len(self.setting.runs):
            self.choose_run(int(value))

    def _code(self) -> None:
        self.page.code = ""  # so that the same program is shown again
        self.page.code = export.code(self.setting)

    def _figure(self, kind: str) -> None:
        made = export.picture(self.setting, kind)
        self._files += 1
        self.page.file = {
            "name": f"fastopt-playground.{kind}",
            "type": export.TYPES[kind],
            "content": base64.b64encode(made).decode(),
            "number": str(self._files),
        }

    # ---- drawing ---------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Draw once all that has arrived is read; while the browser is busy, when it has finished."""
        behind = self.setting is not self.drawing.setting
        if self._planned or not behind or self.page.received != self.page.answer:
            return
        self._planned = True
        if self.drawing.knows(self.setting):
            self.document.add_next_tick_callback(self._update)
        else:  # after the browser has been told
            self.page.busy = True
            self.document.add_timeout_callback(self._update, NOTICE)

    def _update(self) -> None:
        self._planned = False
        self.page.busy = False
        try:
            self.drawing.draw(self.setting)
        except REFUSALS as error:
            self.refuse(error)
            self.setting = self.drawing.setting or first()
            self.sidebar.rebuild(self.setting)
            self._plan()
            return
        setting = self.setting
        self.page.update(
            query=link.query(setting), view=setting.view, theme=setting.theme, steps=setting.steps,
            formula=self.drawing.formula, active=setting.active, chosen=self._chosen(),
        )  # fmt: skip
        if self.drawing.problem:
            self.page.message = self.drawing.problem
        self.page.answer += 1
        if setting.view != "surface":
            self._refine_later()

    def _chosen(self) -> str:
        """The active run, and whether it keeps nothing that could be shown."""
        label = self.setting.labels()[self.setting.active]
        return label if self.drawing.plots.slot_legend.items else f"{label}: none"

    def _refine_later(self) -> None:
        if self._refinement is not None:
            self.document.remove_timeout_callback(self._refinement)
        self._refinement = self.document.add_timeout_callback(self._refine, REST)

    def _refine(self) -> None:
        self._refinement = None
        self.drawing.refine()
