"""What a schedule is: a table of segments that compiled code evaluates."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np

from fastopt.drivers.schedule import sample
from fastopt.schedules.arguments import entries
from fastopt.segments import (
    BEGIN,
    COLUMNS,
    END,
    EXPONENTIAL,
    INIT,
    KIND,
    KINDS,
    POLYNOMIAL,
    SHAPE,
    STEPS,
)

P = ParamSpec("P")

_LAST = 2**63 - 1  # the largest count that compiled code can hold


class Schedule:
    """A number that depends on how many steps were taken: what the functions of `fastopt.schedules` return.

    Parameters
    ----------
    segments : array_like, float64, shape (n, 6)
        A row per segment, with the columns and kinds of ``fastopt/segments.py``, in the order of their begins.
    call : str, optional
        What `repr` says; the table itself if left out.

    Raises
    ------
    ValueError
        If the table is not one of segments.

    Notes
    -----
    Immutable. Two schedules are equal if their segments are. In ``@njit`` code,
    ``fastopt.schedules.evaluate(segments, count)`` is the value; hand `segments` to your function as an
    argument.

    Examples
    --------
    >>> from fastopt import schedules
    >>> lr = schedules.linear_schedule(1.0, 0.0, transition_steps=4)
    >>> lr
    linear_schedule(init_value=1.0, end_value=0.0, transition_steps=4)
    >>> lr(1), lr(np.arange(6))
    (0.75, array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ]))
    """

    def __init__(self, segments: Any, call: str | None = None) -> None:
        try:
            table = np.array(segments, np.float64, order="C")
        except (TypeError, ValueError):
            raise ValueError(f"segments is {segments!r}; expected an array of numbers") from None
        _check(table)
        table.flags.writeable = False
        self._segments = table
        self._call = f"Schedule({table.tolist()})" if call is None else call

    @property
    def segments(self) -> np.ndarray:
        """The table, float64 (n, 6), read-only; its memory stays where it is."""
        return self._segments

    def __call__(self, count: Any) -> Any:
        """The value at a number of steps taken so far.

        Parameters
        ----------
        count : int or array_like of int
            0 is the first step's.

        Returns
        -------
        float, or float64 array shaped like `count`

        Raises
        ------
        TypeError, ValueError
            If a count is not an integer, or negative.
        """
        counts = np.asarray(count)
        if counts.dtype.kind not in "iu" and counts.size:
            raise TypeError(f"count is {count!r}; expected an integer, or an array of integers")
        if counts.size and (counts.min() < 0 or counts.max() > _LAST):
            raise ValueError(f"count is {count!r}; expected integers >= 0 of at most 63 bits")
        values = np.empty(counts.size)
        sample(self.segments, counts.astype(np.int64).ravel(), values)
        return values.reshape(counts.shape) if counts.ndim else float(values[0])

    @property
    def low(self) -> float:
        """The smallest value that it ever takes, over all counts from 0 on."""
        return float(self._turns().min())

    @property
    def high(self) -> float:
        """The largest value that it ever takes; infinite for a growth without end."""
        return float(self._turns().max())

    def _turns(self) -> np.ndarray:
        """The values where segments begin and end: between them it goes one way."""
        begins = self.segments[:, BEGIN].astype(np.int64)
        return self(np.concatenate([begins, begins[1:] - 1, [_LAST]]))  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Any]:
        """It as plain data, for `fastopt.schedules.from_state_dict`.

        Returns
        -------
        dict
            ``{"type": "Schedule", "call": str, "segments": array}``
        """
        return {"type": "Schedule", "call": self._call, "segments": self._segments.copy()}

    @classmethod
    def _restore(cls, d: Mapping[str, Any]) -> Schedule:
        state = entries("Schedule", d, ("segments", "call"))
        return cls(state["segments"], str(state["call"]))

    def __repr__(self) -> str:
        return self._call

    def __eq__(self, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return np.array_equal(self._segments, other._segments)

    def __hash__(self) -> int:
        return hash(self._segments.tobytes())

    def __reduce__(self) -> Any:
        return self._restore, (self.state_dict(),)


def _check(table: np.ndarray) -> None:
    if table.ndim != 2 or table.shape[1] != COLUMNS or not len(table):
        raise ValueError(f"segments has shape {table.shape}; expected (n, {COLUMNS}), n >= 1")
    begins = table[:, BEGIN]
    growing = table[:, KIND] >= EXPONENTIAL
    conditions = {
        "begins that start at 0 and increase": begins[0] == 0 and (np.diff(begins) > 0).all(),
        "whole begins below 2**63": (begins == np.floor(begins)).all() and begins[-1] <= 2**62,
        f"kinds from 0 to {KINDS - 1}": np.isin(table[:, KIND], range(KINDS)).all(),
        "finite values": np.isfinite(table[:, INIT]).all()
        and (np.isfinite(table[:, END]) | growing & ~np.isnan(table[:, END])).all(),
        "finite steps > 0": (np.isfinite(table[:, STEPS]) & (table[:, STEPS] > 0)).all(),
        "finite shapes >= 0": (np.isfinite(table[:, SHAPE]) & (table[:, SHAPE] >= 0)).all(),
    }
    for expected, holds in conditions.items():
        if not holds:
            raise ValueError(f"segments is {table.tolist()}; expected {expected}")


# ---- how the functions make them ------------------------------------------------------------------

Row = tuple[float, float, float, float, float, float]


def constant(begin: int, value: float) -> Row:
    """The segment that holds a value: INIT at any count, since its weight is 1 everywhere."""
    return begin, POLYNOMIAL, value, value, 1, 0


def arrange(rows: Sequence[Row]) -> np.ndarray:
    """The table in which every row replaces, from its begin on, what the rows before it say."""
    kept: list[Row] = []
    for row in reversed(rows):
        if not kept or row[BEGIN] < kept[-1][BEGIN]:
            kept.append(row)
    return np.array(kept[::-1], np.float64)


def recorded(function: Callable[P, Schedule]) -> Callable[P, Schedule]:
    """Let the schedules that a function makes say by which call of it they came about."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def record(*args: P.args, **kwargs: P.kwargs) -> Schedule:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{function.__name__}: {error}") from None
        given = bound.arguments
        for name, value in given.items():
            if isinstance(value, Iterator):
                given[name] = list(value)
            elif isinstance(value, np.generic):
                given[name] = value.item()
        call = ", ".join(f"{name}={value!r}" for name, value in given.items())
        made = function(*bound.args, **bound.kwargs)
        return Schedule(made.segments, f"{function.__name__}({call})")

    return record
