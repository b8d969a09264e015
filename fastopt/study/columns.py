"""Hyperparameters that differ between trajectories: arrays, one value for each, where an optimizer takes a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from fastopt.declarations import Declarations
from fastopt.formula import Formula
from fastopt.hyperparameters import as_numbers, check


def count(starts: np.ndarray, hyperparameters: Mapping[str, Any]) -> int:
    """How many trajectories there are.

    Raises
    ------
    ValueError
        If starts and arrays among the hyperparameters are not of one length.
    TypeError
        For arrays of other objects.
    """
    lengths = {"starts": 1 if starts.ndim == 1 else len(starts)}
    for name, value in hyperparameters.items():
        for column in _columns(value):
            if isinstance(column, np.ndarray) and column.ndim:
                if column.dtype.kind not in "biufU":
                    raise TypeError(
                        f"{name} is an array of {column.dtype}; expected numbers, switches or names"
                    )
                lengths[name] = len(column)
    n = max((own for own in lengths.values() if own != 1), default=1)
    for name, own in lengths.items():
        if own not in (1, n) or own == 0 != n:
            first = next(other for other, length in lengths.items() if length == n)
            raise ValueError(
                f"{name} has length {own} and {first} has {n}; expected arrays of one length"
            )
    return 0 if 0 in lengths.values() else n


def check_single(hyperparameters: Mapping[str, Any]) -> None:
    """Raise ValueError for arrays, which have a value for each of many trajectories."""
    for name, value in hyperparameters.items():
        if varies(value):
            raise ValueError(f"{name} is an array; expected one value")


def at(hyperparameters: Mapping[str, Any], k: int) -> dict[str, Any]:
    """The hyperparameters of trajectory k."""
    return {name: _at(value, k) for name, value in hyperparameters.items()}


def _at(value: Any, k: int) -> Any:
    if not varies(value):
        return value
    own = [
        c[k if len(c) > 1 else 0].item() if isinstance(c, np.ndarray) and c.ndim else c
        for c in _columns(value)
    ]
    single = isinstance(value, np.ndarray) and value.ndim == 1
    return own[0] if single else tuple(own)


def _columns(value: Any) -> list[Any]:
    """The numbers of a hyperparameter, each one for all trajectories or an array."""
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return list(value.T)
    if isinstance(value, tuple | list):
        return list(value)
    return [value]


def varies(value: Any) -> bool:
    """Whether a hyperparameter has a value of its own for each trajectory."""
    return any(isinstance(c, np.ndarray) and c.ndim > 0 for c in _columns(value))


class Column:
    """A hyperparameter that differs between trajectories, checked: each value once."""

    def __init__(self, declared: Declarations, name: str, value: Any, n: int) -> None:
        columns = [np.broadcast_to(np.asarray(c), n) for c in _columns(value)]
        places, self.which = _different(columns, n)
        kind, choices = declared.kinds[name], declared.choices(name)
        self.values = []
        for k in places:
            row = tuple(column[k].item() for column in columns)
            own = row if isinstance(kind, tuple) else row[0]
            owner, domain = declared.optimizer.__name__, declared.domain(name)
            self.values.append(check(owner, name, own, kind, domain, choices))
        self.numbers = np.array([as_numbers(v, choices) for v in self.values])

    def __getitem__(self, k: int) -> Any:
        return self.values[self.which[k]]


def groups(
    declared: Declarations, base: Mapping[str, Any], columns: Mapping[str, Column], n: int
) -> list[np.ndarray]:
    """Trajectories by the slots that they have; checks that the hyperparameters of each go together."""
    checks = _overrides(declared.optimizer) or "bounds" in columns
    depends = any(slot.when is not None for slot in declared.slots.values())
    if not columns or not (checks or depends):
        return [np.arange(n)]
    asked = {"bounds"}
    while True:  # until it is known which hyperparameters count: only these are gone through
        counted = columns.keys() & asked
        places, combination = _different([columns[name].which for name in counted], n)
        kept = []
        for k in places:
            values = {**base, **{name: column[k] for name, column in columns.items()}}
            if checks:
                declared.optimizer.validate(_Asked(declared.validate(values, 0), asked))
            kept.append(sorted(declared.present(_Asked(values, asked))))
        if columns.keys() & asked == counted:
            break
    number = np.array([kept.index(slots) for slots in kept])[combination]
    groups = (np.flatnonzero(number == k) for k in np.unique(number))
    return sorted(groups, key=lambda members: int(members[0]))


def _different(columns: Iterable[np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Of n rows with these columns, where those stand that differ, and which of these each row is."""
    which = np.zeros(n, np.int64)
    for column in columns:
        _, own = np.unique(column, return_inverse=True)
        _, which = np.unique(which * n + own, return_inverse=True)
    _, places = np.unique(which, return_index=True)
    return places, which


class _Asked(Mapping[str, Any]):
    """Hyperparameters that note which of them are asked for."""

    def __init__(self, values: Mapping[str, Any], asked: set[str]) -> None:
        self._values, self._asked = values, asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _overrides(cls: type[Formula]) -> bool:
    owner = next(base for base in cls.__mro__ if "validate" in vars(base))
    return owner is not Formula
