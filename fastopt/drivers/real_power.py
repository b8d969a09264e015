"""Real powers by plain arithmetic, which vectorises where a call of the C library does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastopt.drivers.arithmetic import Primitives
from fastopt.drivers.generate import generated


class _Format(NamedTuple):
    """Bits of the fraction and bias of the exponent; terms of the series of the logarithm and of the exponential."""

    integer: Any
    fraction: int
    bias: int
    of_logarithm: int
    of_exponential: int


_FORMATS = {
    np.float32: _Format(np.int32, 23, 127, 5, 8),
    np.float64: _Format(np.int64, 52, 1023, 11, 15),
}


def _polynomial(terms: list[Any], target: Primitives) -> Any:
    """``polynomial(x)`` with these coefficients, the constant first, by Horner's scheme: the smallest errors."""
    text = f"a{len(terms) - 1}"
    for k in reversed(range(len(terms) - 1)):
        text = f"({text} * x + a{k})"
    names = {f"a{k}": term for k, term in enumerate(terms)}
    lines = ["def polynomial(x):", f"    return {text}"]
    return target.part(generated("polynomial", lines, names))


@cache
def real_power(element: Any, target: Primitives) -> Callable[[Any, Any], Any]:
    """``power(x, y)`` for numbers of this type: 2 to y times the binary logarithm of x >= 0; NaN for x < 0.

    The logarithm is a whole number and a rest of up to a half, each multiplied by y on its own, and y in two parts: so
    that an error of the last place of a large logarithm is not one of many last places of the power: within
    1.5 (1 + abs(y)) of them.
    """
    f, select, reinterpret = _FORMATS[element], target.select, target.reinterpret
    integer, width = f.integer, f.integer(f.fraction)
    zero, one, two = element(0), element(1), element(2)
    infinity, nan = element(np.inf), element(np.nan)
    half_root = np.array(math.sqrt(0.5), element).view(integer)[()]
    least = element(np.finfo(element).tiny)
    # added to a number, its whole part comes to stand in the last bits
    whole = element(1.5 * 2.0**f.fraction)
    whole_bits, sample = np.array(whole).view(integer)[()], integer(0)
    split = element(2.0 ** (f.fraction // 2 + 2) + 1)
    series = _polynomial(
        [element(2 / math.log(2) / (2 * k + 1)) for k in range(f.of_logarithm)], target
    )
    exponential = _polynomial(
        [element(math.log(2) ** k / math.factorial(k)) for k in range(f.of_exponential)], target
    )
    most = element(2 * f.bias)
    bias = integer(f.bias)

    def two_to(turns):  # type: ignore[no-untyped-def]
        scale = integer(reinterpret(turns + whole, sample) - whole_bits + bias)
        return reinterpret(integer(scale << width), turns)

    power_of_two = target.part(two_to)

    def power(x, y):  # type: ignore[no-untyped-def]
        bits = reinterpret(x, sample)
        exponent = integer(integer(bits - half_root) >> width)
        mantissa = reinterpret(integer(bits - integer(exponent << width)), x)  # near 1
        k = reinterpret(integer(exponent + whole_bits), x) - whole
        ratio = (mantissa - one) / (mantissa + one)
        rest = ratio * series(ratio * ratio)
        high = split * y - (
            split * y - y
        )  # the first half of y's bits: its product with k is exact
        product = high * k
        turns = (product + whole) - whole
        part = (product - turns) + ((y - high) * k + y * rest)
        more = (part + whole) - whole
        turns = turns + more
        turns = select(turns > most, most, select(turns < -most, -most, turns))
        value = exponential(part - more)
        # in two steps, of which each has an exponent
        first = (turns / two + whole) - whole
        value = value * power_of_two(first) * power_of_two(turns - first)
        edge = select(y > zero, x, select(y < zero, select(x < least, infinity, zero), one))
        value = select((x < least) | (x == infinity), edge, value)
        # and not x >= 0: NVIDIA's assembler takes that for true of what is an absolute value, be it NaN
        return select(x != x, x, select(x < zero, nan, value))

    return power
