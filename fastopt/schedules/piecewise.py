"""Schedules in pieces: steps, ramps between given points, and one cycle up and down."""

from __future__ import annotations

from collections.abc import Mapping

from fastopt.schedules.arguments import name_of, number, scales, whole
from fastopt.schedules.schedule import Row, Schedule, arrange, constant, recorded
from fastopt.segments import COSINE, POLYNOMIAL

_SHAPES = {"linear": POLYNOMIAL, "cosine": COSINE}


@recorded
def piecewise_constant_schedule(
    init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """In steps: multiplied by a factor at each boundary.

    Parameters
    ----------
    init_value : float
        The value before the first boundary.
    boundaries_and_scales : mapping of int to float, optional
        Count from which on a factor holds, to the factor, at least 0; in any order.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a boundary not a whole number from 0 on, or a factor negative.

    Notes
    -----
    As optax.piecewise_constant_schedule. torch's MultiStepLR with gamma is ``{m: gamma for m in milestones}``.

    Examples
    --------
    >>> fastopt.schedules.piecewise_constant_schedule(1.0, {2: 0.5, 4: 0.5})(np.arange(6))
    array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """
    owner = "piecewise_constant_schedule"
    value = number(owner, "init_value", init_value)
    rows = [constant(0, value)]
    for boundary, scale in scales(owner, boundaries_and_scales):
        value *= scale
        rows.append(constant(boundary, value))
    return Schedule(arrange(rows))


@recorded
def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: float,
    boundaries_and_scales: Mapping[int, float] | None = None,
) -> Schedule:
    """From point to point on straight lines or half cosine waves.

    Parameters
    ----------
    interpolate_type : {"linear", "cosine"}
        How values between boundaries are found.
    init_value : float
        The value at count 0.
    boundaries_and_scales : mapping of int to float, optional
        Count to factor, at least 0, in any order: at this count the value is the product of `init_value` and
        the factors so far. After the last it stays.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If the type is unknown, a value not finite, a boundary not a whole number from 0 on, or a factor negative.

    Notes
    -----
    As optax.piecewise_interpolate_schedule.

    Examples
    --------
    >>> from fastopt.schedules import piecewise_interpolate_schedule
    >>> piecewise_interpolate_schedule("linear", 1.0, {2: 2.0, 6: 0.5})(np.arange(8))
    array([1.  , 1.5 , 2.  , 1.75, 1.5 , 1.25, 1.  , 1.  ])
    """
    return _interpolate(
        "piecewise_interpolate_schedule", interpolate_type, init_value, boundaries_and_scales
    )


def _interpolate(
    owner: str, interpolate_type: str, init_value: float, points: Mapping[int, float] | None
) -> Schedule:
    kind = _SHAPES[name_of(owner, "interpolate_type", interpolate_type, _SHAPES)]
    begin, value = 0, number(owner, "init_value", init_value)
    rows: list[Row] = []
    for boundary, scale in scales(owner, points):
        if boundary > begin:
            rows.append((begin, kind, value, value * scale, boundary - begin, 1))
        begin, value = boundary, value * scale
    return Schedule(arrange([*rows, constant(begin, value)]))


@recorded
def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up on a straight line, down again, and farther down to the end.

    Parameters
    ----------
    transition_steps : int
        Length of the cycle, above 0.
    peak_value : float
        The value at its top.
    pct_start : float
        The fraction of the cycle, in [0, 1], at which the top is reached.
    pct_final : float
        The fraction, in [`pct_start`, 1], at which the value is where it started.
    div_factor : float
        Peak over initial value, above 0.
    final_div_factor : float
        Initial over final value, above 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If an argument is not in its range.

    Notes
    -----
    As optax.linear_onecycle_schedule. Boundaries are rounded down to whole counts; where two of them fall
    together, the later one's factor holds, so that cycles of very few steps may have no top.

    References
    ----------
    Smith and Topin 2017, "Super-convergence: very fast training of neural networks using large learning rates".

    Examples
    --------
    >>> from fastopt.schedules import linear_onecycle_schedule
    >>> linear_onecycle_schedule(8, 1.0, 0.25, 0.75, div_factor=2.0, final_div_factor=2.0)(np.arange(9))
    array([0.5  , 0.75 , 1.   , 0.875, 0.75 , 0.625, 0.5  , 0.375, 0.25 ])
    """
    owner = "linear_onecycle_schedule"
    steps, start, initial, up, down = _cycle(
        owner, transition_steps, peak_value, pct_start, div_factor, final_div_factor
    )
    final = int(number(owner, "pct_final", pct_final, pct_start, 1) * steps)
    return _interpolate(owner, "linear", initial, {start: up, final: 1.0 / up, steps: 1.0 / down})


@recorded
def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up along half a cosine wave and down along another.

    Parameters
    ----------
    transition_steps : int
        Length of the cycle, above 0.
    peak_value : float
        The value at its top.
    pct_start : float
        The fraction of the cycle, in [0, 1], at which the top is reached.
    div_factor : float
        Peak over initial value, above 0.
    final_div_factor : float
        Initial over final value, above 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If an argument is not in its range.

    Notes
    -----
    As optax.cosine_onecycle_schedule. The top is at ``int(pct_start * transition_steps)``; torch's OneCycleLR, with
    the same defaults, has it at ``pct_start * total_steps - 1`` and its end at ``total_steps - 1``.

    References
    ----------
    Smith and Topin 2017, "Super-convergence: very fast training of neural networks using large learning rates".

    Examples
    --------
    >>> from fastopt.schedules import cosine_onecycle_schedule
    >>> lr = cosine_onecycle_schedule(8, 1.0, 0.5, div_factor=2.0, final_div_factor=2.0)
    >>> lr(np.arange(9)).round(3)
    array([0.5  , 0.573, 0.75 , 0.927, 1.   , 0.89 , 0.625, 0.36 , 0.25 ])
    """
    owner = "cosine_onecycle_schedule"
    steps, start, initial, up, down = _cycle(
        owner, transition_steps, peak_value, pct_start, div_factor, final_div_factor
    )
    return _interpolate(owner, "cosine", initial, {start: up, steps: 1.0 / (up * down)})


def _cycle(
    owner: str, transition_steps: int, peak: float, pct_start: float, div: float, final_div: float
) -> tuple[int, int, float, float, float]:
    """Steps, the count of the top, the initial value, and the factors up from it and down to the end."""
    steps = whole(owner, "transition_steps", transition_steps, 1)
    start = int(number(owner, "pct_start", pct_start, 0, 1) * steps)
    up, down = _positive(owner, "div_factor", div), _positive(owner, "final_div_factor", final_div)
    return steps, start, number(owner, "peak_value", peak) / up, up, down


def _positive(owner: str, name: str, value: float) -> float:
    result = number(owner, name, value, 0)
    if result == 0:
        raise ValueError(f"{owner}: {name} is {value!r}; expected a finite number > 0")
    return result
