"""What can be set for an optimizer, read from its class: one control for each number, switch and name."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastopt
from fastopt.declarations import Declarations, declare
from fastopt.hyperparameters import Interval, Value
from fastopt.study import methods
from fastopt.study.playground.scales import Scale, scale_of

#: What a number without a default starts from.
REQUIRED = 0.01


@dataclass(frozen=True)
class Control:
    """One control: a slider with a scale, a switch, or a choice of names.

    Attributes
    ----------
    name : str
        The hyperparameter.
    index : int or None
        Which of its numbers, where it is a tuple.
    default : Value
        What it is at first.
    scale : Scale or None
        Of a number.
    choices : tuple
        The names, and None where that is the default; of a choice.
    """

    name: str
    index: int | None
    default: Value
    scale: Scale | None = None
    choices: tuple[str | None, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the index as in Python."""
        return self.name if self.index is None else f"{self.name}[{self.index}]"

    def of(self, values: Mapping[str, Value]) -> Value:
        """The value of this control out of all hyperparameters."""
        value = values[self.name]
        return value if self.index is None else value[self.index]

    def put(self, values: Mapping[str, Value], value: Value) -> dict[str, Value]:
        """All hyperparameters with this control's value replaced."""
        if self.index is not None:
            numbers = list(values[self.name])
            numbers[self.index] = value
            value = tuple(numbers)
        return {**values, self.name: value}


def names() -> list[str]:
    """The optimizers that update a vector of two numbers, in the order of the alphabet."""
    every = {name: getattr(fastopt, name) for name in fastopt.optimizers.__all__}
    return sorted((n for n, c in every.items() if c.dimensions in (None, 1)), key=str.lower)


@functools.cache
def declarations(name: str) -> Declarations:
    """What the class declares about hyperparameters."""
    cls = getattr(fastopt, name)
    return declare(cls, defaults(name))


def defaults(name: str) -> dict[str, Value]:
    """Every hyperparameter of an optimizer at its default.

    Examples
    --------
    >>> from fastopt.study.playground.controls import defaults
    >>> defaults("Lion")
    {'lr': 0.001, 'betas': (0.9, 0.99), 'weight_decay': 0.001, 'maximize': False}
    """
    known = methods.parameters(getattr(fastopt, name))
    return {n: REQUIRED if p.default is p.empty else p.default for n, p in known.items()}


def check(name: str, values: Mapping[str, Any]) -> dict[str, Value]:
    """All hyperparameters with these, in plain types; ValueError or TypeError that says what is wrong."""
    known = defaults(name)
    for key in values:
        if key not in known:
            raise ValueError(f"{name}: no hyperparameter {key!r}; there are {', '.join(known)}")
    made = getattr(fastopt, name)(np.zeros(2), **{**known, **values}).param_groups[0]
    return {key: made[key] for key in known}


@functools.cache
def controls(name: str) -> tuple[Control, ...]:
    """The controls of an optimizer, in the order of its signature."""
    declared = declarations(name)
    made: list[Control] = []
    for key, default in defaults(name).items():
        if isinstance(default, bool):
            made.append(Control(key, None, default))
        elif choices := declared.choices(key):
            made.append(Control(key, None, default, None, (None,) * (default is None) + choices))
        elif isinstance(default, tuple):
            made += [
                _number(key, i, value, declared.interval(key, i)) for i, value in enumerate(default)
            ]
        else:
            made.append(_number(key, None, default, declared.interval(key, 0)))
    return tuple(made)


def _number(name: str, index: int | None, default: Value, interval: Interval) -> Control:
    return Control(name, index, default, scale_of(name, default, interval))
