"""Warm-ups, and what follows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from fastopt.schedules.arguments import name_of, number, whole
from fastopt.schedules.joined import concatenate
from fastopt.schedules.schedule import Schedule, arrange, constant, recorded
from fastopt.schedules.transitions import exponential_decay, linear_schedule
from fastopt.segments import COSINE, MIRRORED, POLYNOMIAL

_DECAYS: dict[str, tuple[int, float]] = {
    "linear": (POLYNOMIAL, 1.0),
    "cosine": (COSINE, 1.0),
    "sqrt": (MIRRORED, 0.5),
}


@recorded
def warmup_constant_schedule(init_value: float, peak_value: float, warmup_steps: int) -> Schedule:
    """Up on a straight line, then the same for ever.

    Parameters
    ----------
    init_value, peak_value : float
        Where it starts, and where it stays.
    warmup_steps : int
        How long the way up is, at least 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, or a number of steps negative or not whole.

    Notes
    -----
    As optax.warmup_constant_schedule, also in what is no warm-up: without steps the value stays at `init_value`.

    Examples
    --------
    >>> fastopt.schedules.warmup_constant_schedule(0.0, 1.0, 4)(np.arange(6))
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    warmup = whole("warmup_constant_schedule", "warmup_steps", warmup_steps, 0)
    return linear_schedule(init_value, _peak("warmup_constant_schedule", peak_value), warmup)


@recorded
def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """Up on a straight line, then down along half a cosine wave.

    Parameters
    ----------
    init_value, peak_value, end_value : float
        Where it starts, turns and ends. After a peak of 0 it stays at 0.
    warmup_steps : int
        How long the way up is, at least 0.
    decay_steps : int
        Length of the whole, with the way up; above `warmup_steps`.
    exponent : float
        Power of the wave, at least 0; see `cosine_decay_schedule`.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a number of steps not whole, or no step is left for the way down.

    Notes
    -----
    As optax.warmup_cosine_decay_schedule.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5; warm-up: Goyal
    et al. 2017, "Accurate, large minibatch SGD", section 2.2.

    Examples
    --------
    >>> fastopt.schedules.warmup_cosine_decay_schedule(0.0, 1.0, 2, 6)(np.arange(8)).round(4)
    array([0.    , 0.5   , 1.    , 0.8536, 0.5   , 0.1464, 0.    , 0.    ])
    """
    owner = "warmup_cosine_decay_schedule"
    peak = _peak(owner, peak_value)
    end = number(owner, "end_value", end_value)
    warmup = whole(owner, "warmup_steps", warmup_steps, 0)
    steps = whole(owner, "decay_steps", decay_steps, warmup + 1) - warmup
    exponent = number(owner, "exponent", exponent, 0)
    decay = Schedule([(0, COSINE, peak, end if peak else 0.0, steps, exponent)])
    return concatenate([linear_schedule(init_value, peak, warmup), decay], [warmup])


@recorded
def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """Up on a straight line, then multiplied by the same factor every so many steps.

    Parameters
    ----------
    init_value, peak_value : float
        Where it starts and turns.
    warmup_steps : int
        How long the way up is, at least 0.
    transition_steps, decay_rate, transition_begin, staircase, end_value
        Those of `exponential_decay`, counted from the peak.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a number of steps not whole, or the rate negative.

    Notes
    -----
    As optax.warmup_exponential_decay_schedule.

    Examples
    --------
    >>> from fastopt.schedules import warmup_exponential_decay_schedule
    >>> warmup_exponential_decay_schedule(0.0, 1.0, 2, 1, 0.5, end_value=0.2)(np.arange(7))
    array([0.  , 0.5 , 1.  , 0.5 , 0.25, 0.2 , 0.2 ])
    """
    owner = "warmup_exponential_decay_schedule"
    peak = _peak(owner, peak_value)
    warmup = whole(owner, "warmup_steps", warmup_steps, 0)
    decay = exponential_decay(
        peak, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return concatenate([linear_schedule(init_value, peak, warmup), decay], [warmup])


@recorded
def warmup_stable_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    stable_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    decay: str = "linear",
) -> Schedule:
    r"""Up on a straight line, the same for most of the time, then down (WSD, trapezoidal).

    With x the part of the way down that is done, the value on it is :math:`E + (P - E) f(x)`, where f is
    :math:`1 - x`, :math:`\tfrac12 (1 + \cos \pi x)` or :math:`1 - \sqrt x`.

    Parameters
    ----------
    init_value, peak_value, end_value : float
        Where it starts, stays (:math:`P`) and ends (:math:`E`).
    warmup_steps, stable_steps : int
        How long it goes up and how long it stays, at least 0. Without warm-up it starts at the peak.
    decay_steps : int
        How long it goes down, above 0.
    decay : {"linear", "cosine", "sqrt"}
        The form of the way down; "sqrt" is known as 1-sqrt.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a number of steps not in its range, or the form unknown.

    References
    ----------
    Haegele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations", section 3, whose
    best form is "sqrt"; the name: Hu et al. 2024, "MiniCPM", section 4.

    Examples
    --------
    >>> fastopt.schedules.warmup_stable_decay_schedule(0.0, 1.0, 2, 2, 4, decay="sqrt")(np.arange(9)).round(4)
    array([0.    , 0.5   , 1.    , 1.    , 1.    , 0.5   , 0.2929, 0.134 , 0.    ])
    """
    owner = "warmup_stable_decay_schedule"
    peak = _peak(owner, peak_value)
    end = number(owner, "end_value", end_value)
    warmup = whole(owner, "warmup_steps", warmup_steps, 0)
    stable = whole(owner, "stable_steps", stable_steps, 0)
    steps = whole(owner, "decay_steps", decay_steps, 1)
    kind, shape = _DECAYS[name_of(owner, "decay", decay, _DECAYS)]
    down = Schedule(arrange([constant(0, peak), (stable, kind, peak, end, steps, shape)]))
    return concatenate([linear_schedule(init_value, peak, warmup), down], [warmup])


@recorded
def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """Warm restarts: one warm-up and cosine decay after another.

    Parameters
    ----------
    cosine_kwargs : iterable of mappings
        The arguments of `warmup_cosine_decay_schedule` for each cycle; its `decay_steps` is how long it takes.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If there is no cycle, or one has wrong arguments.

    Notes
    -----
    As optax.sgdr_schedule.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".

    Examples
    --------
    >>> cycle = {"init_value": 1.0, "peak_value": 1.0, "warmup_steps": 0, "decay_steps": 2}
    >>> fastopt.schedules.sgdr_schedule([cycle, {**cycle, "decay_steps": 4}])(np.arange(7)).round(4)
    array([1.    , 0.5   , 1.    , 0.8536, 0.5   , 0.1464, 0.    ])
    """
    cycles = list(cosine_kwargs)
    if not cycles:
        raise ValueError("sgdr_schedule: cosine_kwargs is empty; expected at least one cycle")
    for cycle in cycles:
        if not isinstance(cycle, Mapping):
            raise TypeError(f"sgdr_schedule: cosine_kwargs has {cycle!r}; expected mappings")
    parts = [warmup_cosine_decay_schedule(**cycle) for cycle in cycles]
    return concatenate(parts, accumulate(int(cycle["decay_steps"]) for cycle in cycles[:-1]))


def _peak(owner: str, value: float) -> float:
    return number(owner, "peak_value", value)
