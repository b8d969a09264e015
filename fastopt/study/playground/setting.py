"""The whole setting of a playground: what is shown follows from it, and a link carries it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastopt.hyperparameters import Value
from fastopt.study import Objective, objectives
from fastopt.study.playground import controls

VIEWS = ("surface", "basins", "rates")
THEMES = ("auto", "light", "dark")
MOST_RUNS = 8
MOST_STEPS = 5000
LONGEST = 200  # characters of an expression
FARTHEST = 1e6  # coordinates of a start


@dataclass(frozen=True)
class Run:
    """An optimizer by name, with all its hyperparameters."""

    optimizer: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, optimizer: str, **values: Any) -> Run:
        """An optimizer with these hyperparameters and the others at their defaults, checked."""
        if optimizer not in controls.names():
            raise ValueError(f"there is no optimizer {optimizer!r} for a vector of two numbers")
        return cls(optimizer, controls.check(optimizer, values))

    @property
    def changed(self) -> dict[str, Value]:
        """The hyperparameters that are not at their defaults."""
        known = controls.defaults(self.optimizer)
        return {k: v for k, v in self.hyperparameters.items() if v != known[k]}


@dataclass(frozen=True)
class Setting:
    """Everything that a user chooses.

    Attributes
    ----------
    objective : str
        A name out of `objectives.names()`, or an expression in x and y.
    start : tuple of two floats
    steps, seed : int
    noise : float
        Scale of the noise of gradients, 0 for none.
    runs : tuple of Run
        One at least.
    active : int
        Which run the sliders, slots and maps belong to.
    view : {"surface", "basins", "rates"}
    theme : {"auto", "light", "dark"}
    """

    objective: str
    start: tuple[float, float]
    steps: int
    noise: float
    seed: int
    runs: tuple[Run, ...]
    active: int = 0
    view: str = "surface"
    theme: str = "auto"

    @property
    def run(self) -> Run:
        """The active one."""
        return self.runs[self.active]

    def with_run(self, run: Run) -> Setting:
        """The setting with another run in place of the active one."""
        runs = list(self.runs)
        runs[self.active] = run
        return replace(self, runs=tuple(runs))

    def labels(self) -> list[str]:
        """A name for each run, numbered where an optimizer is there more than once."""
        names = [run.optimizer for run in self.runs]
        return [
            f"{name} {names[:i].count(name) + 1}" if names.count(name) > 1 else name
            for i, name in enumerate(names)
        ]


def first() -> Setting:
    """What a playground starts with.

    Examples
    --------
    >>> from fastopt.study.playground.setting import first
    >>> first().objective, first().labels()
    ('beale', ['Momentum', 'RMSprop', 'Adam'])
    """
    runs = (
        Run.of("Momentum", lr=0.001),
        Run.of("RMSprop", lr=0.03),
        Run.of("Adam", lr=0.1),
    )
    return Setting("beale", (1.0, 1.5), 300, 0.0, 0, runs, active=2)


@functools.lru_cache(maxsize=32)
def objective_of(text: str) -> Objective:
    """The objective of a name or an expression; ValueError that says what is wrong with it."""
    if len(text) > LONGEST:
        raise ValueError(f"the expression has {len(text)} characters; expected {LONGEST} at most")
    return objectives.get(text)


def start_of(objective: Objective) -> tuple[float, float]:
    """The start that an objective suggests."""
    return float(objective.start[0]), float(objective.start[1])


def number(text: str, what: str, low: float, high: float) -> float:
    """A finite number in an interval, or ValueError that names it."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"{what} is {text[:40]!r}; expected a number in [{low:g}, {high:g}]")
    return value
