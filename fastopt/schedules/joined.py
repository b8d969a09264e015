"""Schedules one after another."""

from __future__ import annotations

from collections.abc import Iterable

from fastopt.schedules.arguments import whole
from fastopt.schedules.plateau import ReduceLROnPlateau
from fastopt.schedules.schedule import Row, Schedule, arrange, recorded
from fastopt.segments import BEGIN


@recorded
def join_schedules(schedules: Iterable[Schedule], boundaries: Iterable[int]) -> Schedule:
    """One schedule after another, each counting from where it takes over.

    Parameters
    ----------
    schedules : iterable of Schedule
        At least one.
    boundaries : iterable of int
        One less: the counts from which on the second, third, ... schedule holds, not decreasing.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If what is joined are not schedules by count, or the boundaries do not fit.

    Notes
    -----
    As optax.join_schedules: the schedule after boundary b is evaluated at ``count - b``; of two schedules with the
    same boundary the later one holds. optax takes boundaries that decrease and drops a schedule.

    Examples
    --------
    >>> from fastopt.schedules import constant_schedule, join_schedules, linear_schedule
    >>> join_schedules([linear_schedule(0.0, 1.0, 2), constant_schedule(0.5)], [3])(np.arange(5))
    array([0. , 0.5, 1. , 0.5, 0.5])
    """
    parts, starts = list(schedules), list(boundaries)
    for part in parts:
        if not isinstance(part, Schedule) or isinstance(part, ReduceLROnPlateau):
            raise TypeError(
                f"join_schedules: schedules has {part!r}; expected schedules that depend on the count"
            )
    if len(parts) != len(starts) + 1:
        raise ValueError(
            f"join_schedules: {len(parts)} schedules and {len(starts)} boundaries; "
            "expected one boundary less than schedules"
        )
    starts = [whole("join_schedules", "a boundary", start, 0) for start in starts]
    if starts != sorted(starts):
        raise ValueError(
            f"join_schedules: boundaries is {starts!r}; expected counts that do not decrease"
        )
    return concatenate(parts, starts)


def concatenate(schedules: Iterable[Schedule], boundaries: Iterable[int]) -> Schedule:
    """`join_schedules` of what is checked already."""
    rows: list[Row] = []
    for schedule, start in zip(schedules, [0, *boundaries], strict=True):
        shifted = schedule.segments.copy()
        shifted[:, BEGIN] += start
        rows.extend(map(tuple, shifted.tolist()))
    return Schedule(arrange(rows))
