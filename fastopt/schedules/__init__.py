"""Numbers that change from step to step, evaluated in compiled code.

Functions with the names, arguments and values of optax's return a `Schedule`; `ReduceLROnPlateau` is torch's. Each
is a table of segments, so that no schedule makes a kernel compile anew.

>>> from fastopt import schedules
>>> lr = schedules.warmup_cosine_decay_schedule(0.0, 1e-3, warmup_steps=100, decay_steps=1000)
>>> lr(100), lr(1000)
(0.001, 0.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.drivers.schedule import evaluate
from fastopt.schedules.arguments import entries, name_of
from fastopt.schedules.joined import join_schedules
from fastopt.schedules.piecewise import (
    cosine_onecycle_schedule,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
)
from fastopt.schedules.plateau import ReduceLROnPlateau
from fastopt.schedules.schedule import Schedule
from fastopt.schedules.transitions import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    linear_schedule,
    polynomial_schedule,
)
from fastopt.schedules.warmup import (
    sgdr_schedule,
    warmup_constant_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
    warmup_stable_decay_schedule,
)

__all__ = [
    "ReduceLROnPlateau",
    "Schedule",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "evaluate",
    "exponential_decay",
    "from_state_dict",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
    "warmup_stable_decay_schedule",
]


def from_state_dict(d: Mapping[str, Any]) -> Schedule:
    """The schedule whose `state_dict` this is.

    Parameters
    ----------
    d : mapping

    Returns
    -------
    Schedule
        Equal to the one that was saved.

    Raises
    ------
    TypeError, ValueError
        If it is no state of a schedule.

    Examples
    --------
    >>> from fastopt import schedules
    >>> schedules.from_state_dict(schedules.constant_schedule(0.5).state_dict())
    constant_schedule(value=0.5)
    """
    kinds: dict[str, type[Schedule]] = {c.__name__: c for c in (Schedule, ReduceLROnPlateau)}
    kind = name_of(
        "from_state_dict", "type", entries("from_state_dict", d, ["type"])["type"], kinds
    )
    return kinds[kind]._restore(d)
