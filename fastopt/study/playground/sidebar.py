"""The widgets beside the plots: the objective, the run, the optimizers and their hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.models import (
    Button,
    Checkbox,
    Column,
    CustomJSTickFormatter,
    InlineStyleSheet,
    RadioButtonGroup,
    Row,
    Select,
    Slider,
    Spinner,
    TextInput,
    UIElement,
)

from fastopt.study import objectives
from fastopt.study.playground import controls, link, widgets
from fastopt.study.playground.scales import COUNT, Scale
from fastopt.study.playground.setting import MOST_RUNS, MOST_STEPS, Run, Setting

if TYPE_CHECKING:
    from fastopt.study.playground.app import Playground

OWN = "(expression)"
NARROW: dict[str, Any] = {"sizing_mode": "stretch_width", "min_width": 60, "margin": 4}
#: The buttons of runs: several rows, and each with the colour of its lines.
CHIPS = ".bk-btn-group { flex-wrap: wrap; gap: 4px }" + "".join(
    f".bk-btn:nth-child({i + 1}) {{ flex: 0 1 auto; border-radius: 6px !important; border-bottom: 3px solid var(--run-{i}) }}"
    for i in range(MOST_RUNS)
)
NOISE = Scale("log", -3, 2, 0.01)
STEPS = Scale("log", 0, math.log10(MOST_STEPS), 0.01)
#: Added in this order, as far as they are not there.
OFFERED = (
    "SGD",
    "NAG",
    "Adagrad",
    "RMSprop",
    "Adadelta",
    "Adam",
    "Momentum",
    "Lion",
    "AdamW",
    "RAdam",
)


class Sidebar:
    """The widgets, and what they do to the playground."""

    def __init__(self, setting: Setting, playground: Playground) -> None:
        self._playground = playground
        self._following = False
        self.sheet = InlineStyleSheet(css=(Path(__file__).parent / "widgets.css").read_text())
        self.objective = Select(
            title="Objective", options=[*objectives.names(), OWN], name="objective", sizing_mode="stretch_width",
        )  # fmt: skip
        self.expression = TextInput(
            title="or an expression in x and y", name="expression", sizing_mode="stretch_width",
            placeholder="(x**2 + y - 11)**2 + sin(x)",
        )  # fmt: skip
        self.x = TextInput(title="Start x", name="start x", **NARROW)
        self.y = TextInput(title="Start y", name="start y", **NARROW)
        self.steps = Slider(
            title="Steps", name="steps", start=STEPS.start, end=STEPS.end, step=STEPS.step, value=0, show_value=False,
            format=CustomJSTickFormatter(code=COUNT),
            sizing_mode="stretch_width", margin=(0, 6, 0, 4),
        )  # fmt: skip
        self.step_count = TextInput(name="step count", width=84, margin=(8, 4, 0, 4))
        self.noisy = Checkbox(label="Noise", name="noisy", margin=(6, 4, 0, 4))
        self.noise = Slider(
            title="Scale", name="noise", start=NOISE.start, end=NOISE.end, step=NOISE.step, value=0,
            format=CustomJSTickFormatter(code=NOISE.words),
            sizing_mode="stretch_width", margin=(0, 6, 0, 4),
        )  # fmt: skip
        self.seed = Spinner(title="Seed", name="seed", low=0, high=link.MOST_SEED, step=1, **NARROW)
        self.runs = RadioButtonGroup(
            name="runs", sizing_mode="stretch_width", stylesheets=[InlineStyleSheet(css=CHIPS)]
        )
        self.optimizer = Select(
            title="Optimizer",
            name="optimizer",
            options=controls.names(),
            sizing_mode="stretch_width",
        )
        self.add = Button(label="Add", name="add", sizing_mode="stretch_width")
        self.duplicate = Button(label="Duplicate", name="duplicate", sizing_mode="stretch_width")
        self.remove = Button(label="Remove", name="remove", sizing_mode="stretch_width")
        self.panel = Column(name="hyperparameters", sizing_mode="stretch_width", margin=0)
        self.rebuild(setting)
        self._connect()

    def roots(self) -> list[Column]:
        """What the page has places for."""
        wide = {"sizing_mode": "stretch_width", "margin": 0}
        problem = Column(
            self.objective,
            self.expression,
            Row(self.x, self.y, self.seed, **wide),
            Row(self.steps, self.step_count, **wide),
            Row(self.noisy, self.noise, **wide),
            name="problem", **wide,
        )  # fmt: skip
        optimizers = Column(
            self.runs,
            Row(self.add, self.duplicate, self.remove, **wide),
            self.optimizer,
            self.panel,
            name="optimizers", **wide,
        )  # fmt: skip
        return [problem, optimizers]

    # ---- from the setting to the widgets ----------------------------------------------------------------

    def follow(self, setting: Setting) -> None:
        """Show the setting, but for the hyperparameters."""
        self._following = True  # widgets tell of what they are set to as of what users do
        try:
            known = setting.objective in objectives.names()
            self.objective.value = setting.objective if known else OWN
            self.expression.value = "" if known else setting.objective
            self.x.value, self.y.value = (widgets.text(v) for v in setting.start)
            self.steps.value = STEPS.place(setting.steps)
            self.step_count.value = str(setting.steps)
            self.noisy.active = setting.noise > 0
            self.noise.disabled = setting.noise == 0
            if setting.noise:
                self.noise.value = NOISE.place(setting.noise)
            self.seed.value = setting.seed
            self.runs.labels = setting.labels()
            self.runs.active = setting.active
            self.optimizer.value = setting.run.optimizer
        finally:
            self._following = False

    def rebuild(self, setting: Setting) -> None:
        """Show the setting, with the hyperparameters of the active run."""
        self.follow(setting)
        children = widgets.panel(setting.run, self._playground.move)
        for child in children:
            for model in child.select({"type": UIElement}):
                model.stylesheets = [self.sheet, *model.stylesheets]
        self.panel.children = children

    # ---- from the widgets to the setting ----------------------------------------------------------------

    def _connect(self) -> None:
        p = self._playground
        self._on(self.objective, "value", lambda v: p.choose_objective(v) if v != OWN else None)
        self._on(self.expression, "value", self._expression)
        for field in (self.x, self.y):
            self._on(field, "value", lambda v: p.choose_start(self.x.value, self.y.value))
        self._on(self.steps, "value", lambda v: self._steps(round(10**v)))
        self._on(
            self.step_count, "value", lambda v: self._steps(link.whole(v, "steps", 1, MOST_STEPS))
        )
        self._on(self.noisy, "active", lambda v: self._noise())
        self._on(self.noise, "value", lambda v: self._noise())
        self._on(self.seed, "value", lambda v: p.change(seed=int(v or 0)))
        self._on(self.runs, "active", lambda v: p.choose_run(v) if v is not None else None)
        self._on(self.optimizer, "value", p.choose_optimizer)
        self._press(self.add, lambda: p.add(Run.of(self._offer())))
        self._press(self.duplicate, lambda: p.add(p.setting.run))
        self._press(self.remove, p.remove)

    def _expression(self, text: str) -> None:
        """Take what was typed; where it is no expression, leave it there to be mended."""
        try:
            if text.strip():
                self._playground.choose_objective(text.strip())
        except (ValueError, TypeError) as error:
            self._playground.refuse(error)

    def _steps(self, steps: int) -> None:
        self._playground.change(steps=steps)
        self._following = True
        try:
            self.step_count.value = str(steps)
            self.steps.value = STEPS.place(steps)
        finally:
            self._following = False

    def _noise(self) -> None:
        self.noise.disabled = not self.noisy.active
        self._playground.change(noise=NOISE.value(self.noise.value) if self.noisy.active else 0.0)

    def _offer(self) -> str:
        there = {run.optimizer for run in self._playground.setting.runs}
        return next((name for name in OFFERED if name not in there), OFFERED[0])

    def _on(self, widget: Any, name: str, act: Callable[[Any], None]) -> None:
        def changed(attr: str, old: Any, new: Any) -> None:
            if not self._following:
                self._try(lambda: act(new))

        widget.on_change(name, changed)

    def _press(self, button: Button, act: Callable[[], None]) -> None:
        button.on_click(lambda: self._try(act))

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (ValueError, TypeError) as error:
            self.follow(self._playground.setting)
            self._playground.refuse(error)
