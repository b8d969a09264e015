"""Exponentially weighted averages of series."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from fastopt.drivers.smoothing import average


def ema(
    y: Any,
    beta: float,
    init: Literal["first", "zero"] = "first",
    bias_correction: bool = False,
) -> np.ndarray:
    """Exponentially weighted average of a series: ``s[t] = beta s[t-1] + (1 - beta) y[t]``.

    Parameters
    ----------
    y : array_like, shape (n, ...)
        The series, along the first axis. float32 stays float32, all else becomes float64.
    beta : float
        Weight of the past, in [0, 1): the average is over about 1 / (1 - beta) values.
    init : {"first", "zero"}
        Whether the average starts at the first value (``s[0] = y[0]``) or at zero (``s[-1] = 0``).
    bias_correction : bool
        Divide s[t] by ``1 - beta**(t + 1)``, which makes a start at zero unbiased; only with ``init="zero"``.

    Returns
    -------
    array, shape (n, ...)

    Raises
    ------
    TypeError
        If the series is not of real numbers.
    ValueError
        For a beta outside [0, 1), an unknown init, or a correction of what needs none.

    Notes
    -----
    The first and second moments of Adam are such averages with ``init="zero"`` and the correction
    (Kingma and Ba 2015, section 3).

    Examples
    --------
    >>> from fastopt.smoothing import ema
    >>> ema([1.0, 2.0, 3.0], beta=0.5)
    array([1.  , 1.5 , 2.25])
    >>> ema([4.0, 4.0], beta=0.9, init="zero", bias_correction=True)
    array([4., 4.])
    """
    if not (isinstance(beta, int | float | np.floating) and 0 <= beta < 1):
        raise ValueError(f"ema: beta is {beta!r}; expected a number in [0, 1)")
    if init not in ("first", "zero"):
        raise ValueError(f"ema: init is {init!r}; expected 'first' or 'zero'")
    if bias_correction and init == "first":
        raise ValueError(
            'ema: bias_correction=True with init="first"; a start at the first value has no bias'
        )
    series = np.asarray(y)
    if series.dtype.kind not in "biuf":
        raise TypeError(f"ema: y has dtype {series.dtype}; expected real numbers")
    if series.ndim == 0:
        raise ValueError(
            f"ema: y is the single number {y!r}; expected a series of one or more axes"
        )
    if series.dtype != np.float32:
        series = series.astype(np.float64)
    rows = np.ascontiguousarray(series).reshape(len(series), math.prod(series.shape[1:]))
    result = np.empty_like(rows)
    average(rows, float(beta), init == "first", bool(bias_correction), result)
    return result.reshape(series.shape)
