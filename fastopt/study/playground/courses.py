"""The numbers that are drawn: points, errors and slots of every run, thinned to what a screen shows."""

from __future__ import annotations

import functools

import numpy as np

import fastopt
from fastopt import study
from fastopt.hyperparameters import Value
from fastopt.study.playground.setting import Run, Setting, objective_of

#: More points than this a line is not drawn with.
MOST_POINTS = 1000
#: Lines of slots that there are.
MOST_SLOTS = 12
#: Points farther away than so many times the extent of the surface are not drawn; nor does a canvas draw them.
FAR = 1e4
#: The smallest error that is drawn, as its logarithm.
LEAST = -17.0


def objective(setting: Setting) -> study.Objective:
    """The objective, with the noise of the setting."""
    return objective_of(setting.objective).noisy(setting.noise, setting.seed)


def trajectory(setting: Setting, run: Run) -> study.Trajectory:
    """The run's trajectory, traced again only if something that it depends on has changed."""
    values = tuple(run.hyperparameters.items())
    seed = setting.seed if setting.noise else 0
    return _traced(
        setting.objective, setting.noise, seed, setting.start, setting.steps, run.optimizer, values
    )


@functools.lru_cache(maxsize=64)
def _traced(
    text: str,
    noise: float,
    seed: int,
    start: tuple[float, float],
    steps: int,
    optimizer: str,
    values: tuple[tuple[str, Value], ...],
) -> study.Trajectory:
    of = objective_of(text).noisy(noise, seed)
    return study.trace(getattr(fastopt, optimizer), of, start, steps, **dict(values))


def drawn_steps(steps: int) -> np.ndarray:
    """The step numbers that are drawn, the first and the last among them."""
    return np.unique(np.linspace(0, steps, min(steps, MOST_POINTS - 1) + 1).round()).astype(int)


def drawn(setting: Setting, run: Run) -> np.ndarray:
    """What is drawn of a run: the columns x, y and error."""
    return np.column_stack([points(setting, run), errors(setting, run)])


def points(setting: Setting, run: Run) -> np.ndarray:
    """Where a run is, NaN where that is too far away to be drawn."""
    at = drawn_steps(setting.steps)
    found = np.asarray(trajectory(setting, run).points, float)[at]
    bounds = np.asarray(objective_of(setting.objective).bounds, float)
    far = FAR * (bounds[:, 1] - bounds[:, 0])
    return np.where(np.abs(found) <= far, found, np.nan)


def errors(setting: Setting, run: Run) -> np.ndarray:
    """How far the values are above the least, as a logarithm; the values themselves where none is known."""
    values = np.asarray(trajectory(setting, run).values, float)[drawn_steps(setting.steps)]
    return above(values, objective_of(setting.objective).lowest)


def above(values: np.ndarray, low: float | None) -> np.ndarray:
    """Values as `errors` gives them, NaN where they are not finite."""
    with np.errstate(all="ignore"):
        shown = values if low is None else np.log10(np.maximum(values - low, 10**LEAST))
    return np.where(np.isfinite(shown), shown, np.nan)


def worth(values: np.ndarray, low: float | None) -> tuple[float, float]:
    """The errors that an axis should reach at most: those on the surface, and all below them where they end."""
    shown = above(values, low)
    if not np.isfinite(shown).any():
        return -1.0, 1.0
    bottom, top = float(np.nanmin(shown)), float(np.nanmax(shown))
    return (bottom - (top - bottom) if low is None else LEAST), top


def slots(setting: Setting, run: Run) -> dict[str, np.ndarray]:
    """Every number in the slots of a run, by a name such as ``exp_avg [x]``."""
    at = drawn_steps(setting.steps)
    columns: dict[str, np.ndarray] = {}
    for name, values in trajectory(setting, run).slots.items():
        table = np.asarray(values, float).reshape(len(values), -1)[at]
        ends = ["[x]", "[y]"] if table.shape[1] == 2 else [f"[{i}]" for i in range(table.shape[1])]
        for i, end in enumerate(ends):
            column = table[:, i]
            label = name if table.shape[1] == 1 else f"{name} {end}"
            columns[label] = np.where(np.abs(column) < 1e30, column, np.nan)
    return dict(list(columns.items())[:MOST_SLOTS])


def extent(columns: list[np.ndarray], least_span: float = 1e-9) -> tuple[float, float]:
    """A range that holds all finite numbers, with a margin."""
    finite = [c[np.isfinite(c)] for c in columns]
    every = np.concatenate([c for c in finite if c.size]) if any(c.size for c in finite) else None
    if every is None:
        return -1.0, 1.0
    low, high = float(every.min()), float(every.max())
    margin = max(0.05 * (high - low), least_span, 1e-9 * abs(high))
    return low - margin, high + margin
