"""Widgets for the controls of an optimizer: a slider and a field for a number, a switch, a list of names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from bokeh.models import Checkbox, CustomJSTickFormatter, Row, Select, Slider, TextInput, UIElement

from fastopt.hyperparameters import Value
from fastopt.study.playground.controls import Control, controls
from fastopt.study.playground.setting import Run

Moved = Callable[[Control, Value], None]
DEFAULT = "None"


def panel(run: Run, moved: Moved) -> list[UIElement]:
    """Widgets for every hyperparameter of a run; `moved` is told what a user sets.

    Parameters
    ----------
    run : Run
    moved : callable
        Given the control and its new value; may raise ValueError or TypeError, after which the widgets show the
        old value again.
    """
    return [_widget(c, c.of(run.hyperparameters), moved) for c in controls(run.optimizer)]


def _widget(control: Control, value: Value, moved: Moved) -> UIElement:
    if isinstance(control.default, bool):
        box = Checkbox(label=control.label, active=value, name=control.label, margin=(2, 4, 2, 4))
        box.on_change("active", lambda attr, old, new: moved(control, new))
        return box
    if control.choices:
        options = [DEFAULT if c is None else c for c in control.choices]
        shown = DEFAULT if value is None else value
        select = Select(
            title=control.label, options=options, value=shown, name=control.label,
            sizing_mode="stretch_width", margin=(2, 4, 4, 4),
        )  # fmt: skip
        select.on_change(
            "value", lambda attr, old, new: moved(control, None if new == DEFAULT else new)
        )
        return select
    return _Number(control, value, moved).row


class _Number:
    """A slider and a field that say the same."""

    def __init__(self, control: Control, value: Value, moved: Moved) -> None:
        assert control.scale is not None
        self.control, self.scale, self.moved, self.value = control, control.scale, moved, value
        self.setting = False
        s = self.scale
        self.slider = Slider(
            title=control.label, start=s.start, end=s.end, step=s.step, value=s.place(value),
            show_value=False, format=CustomJSTickFormatter(code=s.words), name=control.label, sizing_mode="stretch_width", margin=(0, 6, 0, 4),
        )  # fmt: skip
        self.field = TextInput(
            value=text(value), name=f"{control.label} value", width=84, margin=(8, 4, 0, 4),
            stylesheets=[":host input { text-align: right; font-variant-numeric: tabular-nums }"],
        )  # fmt: skip
        self.slider.on_change("value", self._slid)
        self.field.on_change("value", self._typed)
        self.row = Row(self.slider, self.field, sizing_mode="stretch_width", margin=0)

    def _slid(self, attr: str, old: float, new: float) -> None:
        if not self.setting:
            self._set(self.scale.value(new), moves_slider=False)

    def _typed(self, attr: str, old: str, new: str) -> None:
        if self.setting:
            return
        given: Any = new.strip()
        if not given:  # emptied on the way to another value
            return
        if given == DEFAULT:
            given = None
        else:
            with contextlib.suppress(ValueError):  # `moved` says what is wrong with a text
                given = float(given)
        self._set(given, moves_slider=True)

    def _set(self, value: Value, moves_slider: bool) -> None:
        try:
            self.moved(self.control, value)
        except (ValueError, TypeError):
            moves_slider = True
        else:
            self.value = value
        self.setting = True  # the widgets tell of what they are set to as of what users do
        try:
            self.field.value = text(self.value)
            if moves_slider:
                self.slider.value = self.scale.place(self.value)
        finally:
            self.setting = False


def text(value: Value) -> str:
    """A number as it is shown in a field.

    Examples
    --------
    >>> from fastopt.study.playground.widgets import text
    >>> text(1e-08), text(0.25), text(None)
    ('1e-08', '0.25', 'None')
    """
    return DEFAULT if value is None else repr(value).removesuffix(".0")
