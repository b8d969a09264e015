"""Maps of the active run: where every start ends, and how fast every pair of two hyperparameters is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import fastopt
from fastopt import study
from fastopt.study.playground import controls, courses
from fastopt.study.playground.controls import Control
from fastopt.study.playground.setting import Run, Setting

#: Pixels along an edge: while a slider moves, and when it rests.
COARSE, FINE = 96, 320


def basins(setting: Setting, run: Run, edge: int) -> np.ndarray:
    """The number of the minimum that each start ends in, -1 for none; shape (edge, edge), the lowest y first."""
    found = study.basins(
        getattr(fastopt, run.optimizer),
        courses.objective(setting),
        resolution=(edge, edge),
        steps=setting.steps,
        **run.hyperparameters,
    )
    return np.asarray(found.which)


@dataclass(frozen=True)
class Axes:
    """The two hyperparameters that a map of rates is over."""

    x: Control
    y: Control

    def put(self, run: Run, x: float, y: float) -> Run:
        """The run with the values at a place of the map."""
        assert self.x.scale is not None
        assert self.y.scale is not None
        values = self.x.put(run.hyperparameters, self.x.scale.value(x))
        return Run.of(run.optimizer, **self.y.put(values, self.y.scale.value(y)))

    def places(self, run: Run) -> tuple[float, float]:
        """Where the run is on the map."""
        assert self.x.scale is not None
        assert self.y.scale is not None
        return (
            self.x.scale.place(self.x.of(run.hyperparameters)),
            self.y.scale.place(self.y.of(run.hyperparameters)),
        )


def axes(optimizer: str) -> Axes | None:
    """The learning rate and the first decay; other numbers where an optimizer lacks one; None if it has no two."""
    numbers = [c for c in controls.controls(optimizer) if c.scale is not None]
    rates = sorted(numbers, key=lambda c: c.name != "lr")
    if len(rates) < 2:
        return None
    x, *others = rates
    return Axes(x, min(others, key=lambda c: c.scale is None or c.scale.kind != "decay"))


def rates(setting: Setting, run: Run, over: Axes, edge: int) -> np.ndarray:
    """Steps until the values are low enough, NaN where they never are; shape (edge, edge)."""
    found = study.rate_map(
        getattr(fastopt, run.optimizer),
        courses.objective(setting),
        x=_axis(over.x, edge),
        y=_axis(over.y, edge),
        start=setting.start,
        steps=setting.steps,
        **run.hyperparameters,
    )
    steps = np.asarray(found.steps, float)
    return np.where(steps <= setting.steps, steps, np.nan)


def _axis(control: Control, edge: int) -> tuple[Any, np.ndarray]:
    """What `study.rate_map` takes: a name, or name and index, and the values of all pixels."""
    name = control.name if control.index is None else (control.name, control.index)
    return name, values(control, edge)


def values(control: Control, edge: int) -> np.ndarray:
    """The values at the middles of the pixels along an axis."""
    scale = control.scale
    assert scale is not None
    middles = scale.start + (np.arange(edge) + 0.5) * (scale.end - scale.start) / edge
    if scale.kind == "log":
        return np.asarray(10.0**middles)
    if scale.kind == "decay":
        return np.asarray(1 - 10.0**-middles)
    return np.asarray(middles)
