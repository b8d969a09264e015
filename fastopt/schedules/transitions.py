"""Schedules that go from one value to another."""

from __future__ import annotations

import math

from fastopt.schedules.arguments import number, whole
from fastopt.schedules.schedule import Schedule, arrange, constant, recorded
from fastopt.segments import COSINE, EXPONENTIAL, POLYNOMIAL, STAIRCASE


@recorded
def constant_schedule(value: float) -> Schedule:
    """The same value for ever.

    Parameters
    ----------
    value : float

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If the value is not a finite number.

    Notes
    -----
    As optax.constant_schedule.

    Examples
    --------
    >>> fastopt.schedules.constant_schedule(0.5)(1000)
    0.5
    """
    return Schedule([constant(0, number("constant_schedule", "value", value))])


@recorded
def linear_schedule(
    init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    r"""On a straight line from one value to another.

    .. math:: I + (E - I) \min(1, \max(0, (t - B) / T))

    Parameters
    ----------
    init_value, end_value : float
        :math:`I, E`.
    transition_steps : int
        :math:`T`, in steps; not above 0, the value stays at `init_value`.
    transition_begin : int
        :math:`B`, the count until which the value stays at `init_value`; negative counts as 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, or a number of steps not whole.

    Notes
    -----
    As optax.linear_schedule, without its rounding where the transition starts.

    Examples
    --------
    >>> fastopt.schedules.linear_schedule(0.0, 1.0, 4, transition_begin=2)(np.arange(8))
    array([0.  , 0.  , 0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    return _polynomial(
        "linear_schedule", init_value, end_value, 1.0, transition_steps, transition_begin
    )


@recorded
def polynomial_schedule(
    init_value: float,
    end_value: float,
    power: float,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    r"""From one value to another as a power of what is left of the way.

    .. math:: E + (I - E) \left(1 - \min(1, \max(0, (t - B) / T))\right)^P

    Parameters
    ----------
    init_value, end_value : float
        :math:`I, E`.
    power : float
        :math:`P`, at least 0.
    transition_steps : int
        :math:`T`, in steps; not above 0, the value stays at `init_value`.
    transition_begin : int
        :math:`B`, the count until which the value stays at `init_value`; negative counts as 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a number of steps not whole, or the power negative.

    Notes
    -----
    As optax.polynomial_schedule, which with a negative power ends at infinity.

    Examples
    --------
    >>> fastopt.schedules.polynomial_schedule(1.0, 0.0, 2, 4)(np.arange(5))
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """
    return _polynomial(
        "polynomial_schedule", init_value, end_value, power, transition_steps, transition_begin
    )


def _polynomial(
    owner: str, init_value: float, end_value: float, power: float, steps: int, begin: int
) -> Schedule:
    init = number(owner, "init_value", init_value)
    end = number(owner, "end_value", end_value)
    power = number(owner, "power", power, 0)
    steps = whole(owner, "transition_steps", steps)
    begin = max(whole(owner, "transition_begin", begin), 0)
    rows = [constant(0, init)]
    if steps > 0:
        rows.append((begin, POLYNOMIAL, init, end, steps, power))
    return Schedule(arrange(rows))


@recorded
def cosine_decay_schedule(
    init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    r"""Along half a cosine wave down to a fraction of the initial value.

    .. math:: I \left(\alpha + (1 - \alpha) \left[\tfrac12 (1 + \cos(\pi \min(1, t / T)))\right]^p\right)

    Parameters
    ----------
    init_value : float
        :math:`I`.
    decay_steps : int
        :math:`T`, above 0.
    alpha : float
        The fraction at which it ends.
    exponent : float
        :math:`p`, at least 0.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, `decay_steps` not a whole number above 0, or the exponent negative.

    Notes
    -----
    As optax.cosine_decay_schedule. The sum of 1 and the cosine is computed as a squared sine, which keeps its
    digits towards the end.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.

    Examples
    --------
    >>> fastopt.schedules.cosine_decay_schedule(1.0, 4, alpha=0.1)(np.arange(6)).round(4)
    array([1.    , 0.8682, 0.55  , 0.2318, 0.1   , 0.1   ])
    """
    owner = "cosine_decay_schedule"
    init = number(owner, "init_value", init_value)
    steps = whole(owner, "decay_steps", decay_steps, 1)
    end = number(owner, "alpha", alpha) * init
    exponent = number(owner, "exponent", exponent, 0)
    return Schedule([(0, COSINE, init, end, steps, exponent)])


@recorded
def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    r"""Multiplied by the same factor every so many steps.

    .. math:: I \, r^{\max(0, t - B) / T}

    Parameters
    ----------
    init_value : float
        :math:`I`.
    transition_steps : int
        :math:`T`, in steps; not above 0, the value stays at `init_value`.
    decay_rate : float
        :math:`r`, at least 0; at 0, the value stays at `init_value`.
    transition_begin : int
        :math:`B`, the count until which the value stays at `init_value`; negative counts as 0.
    staircase : bool
        Round the exponent down.
    end_value : float, optional
        A lower bound if the rate is below 1, else an upper bound.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, a number of steps not whole, or the rate negative.

    Notes
    -----
    As optax.exponential_decay, which with a negative rate gives NaN. A growth without `end_value` ends at infinity,
    which no hyperparameter may reach.

    Examples
    --------
    >>> from fastopt.schedules import exponential_decay
    >>> exponential_decay(1.0, 2, 0.25, end_value=0.1)(np.arange(6))
    array([1.   , 0.5  , 0.25 , 0.125, 0.1  , 0.1  ])
    >>> exponential_decay(1.0, 2, 0.25, staircase=True)(np.arange(6))
    array([1.    , 1.    , 0.25  , 0.25  , 0.0625, 0.0625])
    """
    owner = "exponential_decay"
    init = number(owner, "init_value", init_value)
    steps = whole(owner, "transition_steps", transition_steps)
    rate = number(owner, "decay_rate", decay_rate, 0)
    begin = max(whole(owner, "transition_begin", transition_begin), 0)
    if not isinstance(staircase, bool):
        raise TypeError(f"{owner}: staircase is {staircase!r}; expected True or False")
    if end_value is not None:
        bound = number(owner, "end_value", end_value)
    else:
        bound = -math.inf if rate < 1 else math.inf
    if steps <= 0 or rate == 0:
        return Schedule([constant(0, init)])
    held = max(init, bound) if rate < 1 else min(init, bound)
    kind = STAIRCASE if staircase else EXPONENTIAL
    return Schedule(arrange([constant(0, held), (begin, kind, init, bound, steps, rate)]))
