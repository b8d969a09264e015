"""The functions of `fastopt.scalar` as plain arithmetic, written once for all compiled targets.

A target brings what Numba has no common word for, its `Primitives`; the functions here are closures over
them, which each target compiles in its own way (drivers/scalars.py, drivers/cuda/functions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np


class Primitives(NamedTuple):
    """What a target brings.

    Attributes
    ----------
    select : callable
        ``select(condition, x, y)``, never a jump.
    reinterpret : callable
        ``reinterpret(x, like)``: the bits of x as a number of the type of `like`.
    root, size : callable
        Square root and absolute value of a number.
    part : callable
        Compiles a function that others call, such that it becomes part of their loops.
    """

    select: Callable[..., Any]
    reinterpret: Callable[..., Any]
    root: Callable[..., Any]
    size: Callable[..., Any]
    part: Callable[[Callable[..., Any]], Any]


@cache
def functions(element: Any, target: Primitives) -> dict[str, Callable[..., Any]]:
    """By name, for numbers of a type: np.float32 or np.float64. ``power`` is that to whole numbers."""
    select, zero, one = target.select, element(0), element(1)
    root, size = target.root, target.size

    def sqrt(x):  # type: ignore[no-untyped-def]
        return root(x)

    def abs(x):  # type: ignore[no-untyped-def]
        return size(x)

    def sign(x):  # type: ignore[no-untyped-def]
        # x itself at 0 and NaN
        return select(x > zero, one, select(x < zero, -one, x))

    def maximum(x, y):  # type: ignore[no-untyped-def]
        # selects and no library call, so that loops stay SIMD
        return select(x != x, x, select(y != y, y, select(x > y, x, y)))

    def minimum(x, y):  # type: ignore[no-untyped-def]
        return select(x != x, x, select(y != y, y, select(x < y, x, y)))

    def power(x, n):  # type: ignore[no-untyped-def]
        result = one
        while n > 0:
            if n & 1:
                result = result * x
            n >>= 1
            if n:
                x = x * x
        return result

    found: list[Callable[..., Any]] = [
        sqrt,
        abs,
        sign,
        maximum,
        minimum,
        power,
        _cube_root(element, target),
    ]
    return {function.__name__: function for function in found}


def _cube_root(element: Any, target: Primitives) -> Callable[..., Any]:
    # An estimate from a third of the exponent's bits (5 bits right), Halley's iteration until the
    # last place and one Newton step: plain arithmetic, which vectorises where a call does not. Numbers near
    # the ends of the range are first brought nearer to 1 by a power of 8, exactly.
    select, reinterpret, absolute = target.select, target.reinterpret, target.size
    zero, one = element(0), element(1)
    two, third, infinity = one + one, one / (one + one + one), one * np.inf
    integer: Any
    if element is np.float32:
        integer, bias, rounds, high, low, bits = np.int32, 709_958_130, 2, 120, -99, 30
    else:
        integer, bias, rounds, high, low, bits = np.int64, 715_094_163 << 32, 3, 1000, -960, 60
    large, tiny = element(2.0**high), element(2.0**low)
    shrink, grow = element(2.0**-bits), element(2.0**bits)
    unshrink, ungrow = element(2.0 ** (bits // 3)), element(2.0 ** -(bits // 3))
    bias, sample = integer(bias), integer(0)
    estimate = target.part(_third32 if bits == 30 else _third64)

    def cbrt(x):  # type: ignore[no-untyped-def]
        size = absolute(x)
        scale = select(size > large, shrink, select(size < tiny, grow, one))
        back = select(size > large, unshrink, select(size < tiny, ungrow, one))
        a = size * scale
        root = reinterpret(integer(estimate(reinterpret(a, sample)) + bias), a)
        for _ in range(rounds):
            cube = root * root * root
            root = root * ((cube + two * a) / (two * cube + a))
        root = (root - (root - a / (root * root)) * third) * back
        root = select(x < zero, -root, root)
        return select((size > zero) & (size < infinity), root, x)

    return cbrt


def _third32(bits):  # type: ignore[no-untyped-def]
    return bits // np.int32(3)


def _third64(bits):  # type: ignore[no-untyped-def]
    # of the upper half: there is no vector instruction for the upper half of a product of 64-bit numbers
    return ((bits >> np.int64(32)) * np.int64(0x55555556)) >> np.int64(32) << np.int64(32)
