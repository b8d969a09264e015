"""`fastopt.scalar` for Numba's CPU target: imported for its effect on compilation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from fastopt import scalar
from fastopt.drivers.compile import INLINED
from fastopt.drivers.machine import reinterpret, select
from fastopt.drivers.real_power import real_power


def _implements(name: str) -> Callable[[Callable[..., Any]], Any]:
    return overload(getattr(scalar, name), jit_options=INLINED, strict=False)  # type: ignore[no-any-return]


@_implements("sqrt")
def _sqrt(x: Any) -> Any:
    return lambda x: math.sqrt(x)


@_implements("abs")
def _abs(x: Any) -> Any:
    return lambda x: math.fabs(x)


@_implements("sign")
def _sign(x: Any) -> Any:
    zero, one = _constants(x)

    def implementation(x):  # type: ignore[no-untyped-def]
        # x itself at 0 and NaN
        return select(x > zero, one, select(x < zero, -one, x))

    return implementation


@_implements("maximum")
def _maximum(x: Any, y: Any) -> Any:
    # selects and no library call, so that loops stay SIMD
    return lambda x, y: select(x != x, x, select(y != y, y, select(x > y, x, y)))


@_implements("minimum")
def _minimum(x: Any, y: Any) -> Any:
    return lambda x, y: select(x != x, x, select(y != y, y, select(x < y, x, y)))


@_implements("where")
def _where(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, types.Boolean):
        return lambda condition, x, y: select(condition, x, y)
    return lambda condition, x, y: select(condition != 0, x, y)


register_jitable(**INLINED)(scalar.clamp)


@_implements("power")
def _power(x: Any, n: Any) -> Any:
    if isinstance(n, types.Float):
        return real_power(np.float32 if x == types.float32 else np.float64)
    _, one = _constants(x)

    def implementation(x, n):  # type: ignore[no-untyped-def]
        result = one
        while n > 0:
            if n & 1:
                result = result * x
            n >>= 1
            if n:
                x = x * x
        return result

    return implementation


@register_jitable(**INLINED)
def _third32(bits):  # type: ignore[no-untyped-def]
    return bits // np.int32(3)


@register_jitable(**INLINED)
def _third64(bits):  # type: ignore[no-untyped-def]
    # of the upper half: there is no vector instruction for the upper half of a product of 64-bit numbers
    return ((bits >> np.int64(32)) * np.int64(0x55555556)) >> np.int64(32) << np.int64(32)


@_implements("cbrt")
def _cbrt(x: Any) -> Any:
    # An estimate from a third of the exponent's bits (5 bits right), Halley's iteration until the
    # last place and one Newton step: plain arithmetic, which vectorises where a call does not. Numbers near
    # the ends of the range are first brought nearer to 1 by a power of 8, exactly.
    zero, one = _constants(x)
    two, third, infinity = one + one, one / (one + one + one), one * np.inf
    integer: Any
    if x == types.float32:
        integer, bias, rounds, high, low, bits = np.int32, 709_958_130, 2, 120, -99, 30
    else:
        integer, bias, rounds, high, low, bits = np.int64, 715_094_163 << 32, 3, 1000, -960, 60
    large, tiny = type(one)(2.0**high), type(one)(2.0**low)
    shrink, grow = type(one)(2.0**-bits), type(one)(2.0**bits)
    unshrink, ungrow = type(one)(2.0 ** (bits // 3)), type(one)(2.0 ** -(bits // 3))
    bias, sample, estimate = integer(bias), integer(0), _third32 if bits == 30 else _third64

    def implementation(x):  # type: ignore[no-untyped-def]
        size = math.fabs(x)
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

    return implementation


def _constants(x: Any) -> tuple[Any, Any]:
    element = np.float32 if x == types.float32 else np.float64
    return element(0), element(1)
