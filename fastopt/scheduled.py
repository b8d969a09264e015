"""The hyperparameters of an optimizer that follow schedules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastopt.declarations import Declarations
from fastopt.hyperparameters import Group, Interval, field_names, number_at
from fastopt.schedules import Schedule


class Scheduled:
    """Where the values of schedules go in the header rows.

    Attributes
    ----------
    plan : int64 (schedules, columns)
        For compiled code: which rows, which word of them, where the schedule's segments lie.
    tables : list of arrays
        The segments that the plan has the addresses of.
    names : list of str
        Names of the hyperparameters that are Python callables.
    """

    def __init__(
        self,
        declared: Declarations,
        groups: Sequence[Group],
        members: Sequence[range],
        words: np.ndarray,
    ) -> None:
        self._words = words
        self._declared = declared
        self.tables: list[np.ndarray] = []
        self._callables: list[tuple[str, Interval, range, int, Any]] = []
        rows = []
        for group, own in zip(groups, members, strict=True):
            for name, i, word, value in self._values(group):
                if isinstance(value, Schedule):
                    table = value.segments
                    self.tables.append(table)
                    rows.append((own.start, own.stop, word, table.ctypes.data, len(table)))
                elif callable(value):
                    self._callables.append((name, declared.interval(name, i), own, word, value))
        self.plan = np.array(rows, np.int64).reshape(-1, 5)
        self.names = [name for name, *_ in self._callables]

    def _values(self, group: Group) -> Iterator[tuple[str, int, int, Any]]:
        """Name and index, place in the header row and value of each number of a group."""
        header = self._declared.rule.header
        for name, value in group.hyperparameters().items():
            values = value if isinstance(value, tuple) else (value,)
            for i, field in enumerate(field_names(header, name, values)):
                yield name, i, header.fields[field][1] // 8, values[i]  # type: ignore[index]

    def call(self, count: int) -> None:
        """Put what the Python callables give into the header rows, all or none."""
        owner = self._declared.optimizer.__name__
        numbers = [
            number_at(owner, name, value, count, interval)
            for name, interval, _, _, value in self._callables
        ]
        for (_, _, own, word, _), number in zip(self._callables, numbers, strict=True):
            self._words[own.start : own.stop, word] = number
