"""The functions that a rule may call on its numbers.

A rule (`Optimizer.update`, `Optimizer.coefficients`, ...) is written with these and with ``+ - * /``
and comparisons, never with `math` or `numpy`: each target (CPU, GPU) brings its own implementation of
every name here. Called from Python they work on NumPy scalars and whole arrays alike, so a
rule can be tried in the interpreter:

>>> import numpy as np
>>> from fastopt.scalar import clamp, maximum, sign
>>> sign(np.float32(-3)), maximum(np.float32(1), np.float32("nan"))
(np.float32(-1.0), np.float32(nan))
>>> clamp(np.array([-2.0, 0.5, 7.0]), -1.0, 1.0)
array([-1. ,  0.5,  1. ])
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["abs", "cbrt", "clamp", "maximum", "minimum", "power", "sign", "sqrt", "where"]


def sqrt(x: Any) -> Any:
    """Square root, rounded correctly; NaN for negative x."""
    return np.sqrt(x)


def cbrt(x: Any) -> Any:
    """Real cube root, negative for negative x, within 1 unit in the last place."""
    return np.cbrt(x)


def abs(x: Any) -> Any:
    """Absolute value."""
    return np.abs(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1; 0 at 0, NaN at NaN."""
    return np.sign(x)


def maximum(x: Any, y: Any) -> Any:
    """The larger of two numbers; NaN if either is NaN."""
    return np.maximum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two numbers; NaN if either is NaN."""
    return np.minimum(x, y)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; both are computed, neither is a branch."""
    return np.where(condition, x, y)[()]


def clamp(x: Any, low: Any, high: Any) -> Any:
    """x limited to [low, high]; NaN stays NaN."""
    return minimum(maximum(x, low), high)


def power(x: Any, n: Any) -> Any:
    """x to a whole power n >= 0 by repeated squaring: the same bits on every target; x >= 0 to a real power n.

    Real powers are within 1.5 (1 + abs(n)) units in the last place; NaN for x < 0.
    """
    if isinstance(n, float | np.floating):
        return np.power(x, n)
    result = np.ones_like(x)[()]
    while n > 0:
        if n & 1:
            result = result * x
        n >>= 1
        if n:
            x = x * x
    return result
