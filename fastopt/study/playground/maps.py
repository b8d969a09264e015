"""Maps of the active run: where every start ends, and how fast every pair of two hyperparameters is."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

import fastopt
from fastopt import study
from fastopt.study import minima
from fastopt.study.playground import controls
from fastopt.study.playground.controls import Control
from fastopt.study.playground.setting import Run, Setting, objective_of

#: Pixels along an edge: while a slider moves, and when it rests.
COARSE, FINE = 96, 320


@functools.lru_cache(maxsize=32)
def _with_minima(text: str) -> study.Objective:
    """The objective with the minima that it brings, else with those that are found, once for all places of a slider."""
    of = objective_of(text)
    if len(of.minima):
        return of
    return replace(of, minima=minima.find(of, of.bounds, minima.nearness(of.bounds)))


def objective(setting: Setting) -> study.Objective:
    """The objective with minima, as far as it has any, and the noise of the setting."""
    return _with_minima(setting.objective).noisy(setting.noise, setting.seed)


def basins(setting: Setting, run: Run, edge: int) -> study.Basins:
    """Which minimum each start ends at."""
    return study.basins(
        getattr(fastopt, run.optimizer), objective(setting), resolution=(edge, edge), steps=setting.steps,
        **run.hyperparameters,
    )  # fmt: skip


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


def axes_of(run: Run) -> Axes:
    """The learning rate and the first decay; other numbers where an optimizer lacks one.

    Raises
    ------
    ValueError
        If it has no two numbers.
    """
    numbers = [c for c in controls.controls(run.optimizer) if c.scale is not None]
    if len(numbers) < 2:
        raise ValueError(f"{run.optimizer} has no two numbers to make a map of")
    x, *others = sorted(numbers, key=lambda c: c.name != "lr")
    return Axes(x, min(others, key=lambda c: c.scale is None or c.scale.kind != "decay"))


def rates(setting: Setting, run: Run, over: Axes, edge: int) -> study.RateMap:
    """How many steps each pair of values takes."""
    return study.rate_map(
        getattr(fastopt, run.optimizer), objective(setting),
        x=(axis_name(over.x), values(over.x, edge)), y=(axis_name(over.y), values(over.y, edge)),
        start=setting.start, steps=setting.steps, **run.hyperparameters,
    )  # fmt: skip


def axis_name(control: Control) -> str | tuple[str, int]:
    """What `study.rate_map` calls it."""
    return control.name if control.index is None else (control.name, control.index)


def values(control: Control, edge: int) -> np.ndarray:
    """The values at the middles of the pixels along an axis."""
    scale = control.scale
    assert scale is not None
    half = (scale.end - scale.start) / (2 * edge)
    middles = np.linspace(scale.start + half, scale.end - half, edge)
    if scale.kind == "log":
        return np.asarray(10.0**middles)
    if scale.kind == "decay":
        return np.asarray(1 - 10.0**-middles)
    return np.asarray(middles)
