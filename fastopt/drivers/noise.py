"""Standard normal numbers that follow from a key and from an element's place alone, whoever computes them and when.

The key of a tensor's step, 64 bits, is a hash of seed, step and tensor. An element's 32 bits are a hash of key and
place; its number is the quantile that they stand for, within 3e-6 of itself and up to 6.3 in size. All of it is
plain arithmetic on 32 bits, in single precision for parameters of any: it vectorises, and the numbers are the same for
all of them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastopt.drivers.arithmetic import Primitives
from fastopt.drivers.compile import compiled
from fastopt.drivers.generate import generated
from fastopt.drivers.machine import reinterpret
from fastopt.drivers.scalars import CPU

#: Numbers in a row of coefficients that hold a key: 16 bits each, so that every dtype holds them exactly.
KEYS = 4

_U64 = np.uint64
_U32 = np.uint32
_I32 = np.int32
_F32 = np.float32


@compiled
def _mixed(x: Any) -> Any:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _U64(27))) * _U64(0x94D049BB133111EB)
    return x ^ (x >> _U64(31))


@compiled
def key(seed: Any, step: Any, tensor: Any) -> Any:
    """The key of a tensor's step, in `KEYS` numbers; a seed may be any number."""
    x = _mixed(reinterpret(seed + 0.0, _U64(0)))  # -0 is 0
    x = _mixed(_mixed(x + _U64(tensor)) + _U64(step))
    return (
        x >> _U64(48),
        x >> _U64(32) & _U64(0xFFFF),
        x >> _U64(16) & _U64(0xFFFF),
        x & _U64(0xFFFF),
    )


@compiled
def block_key(k0: Any, k1: Any, k2: Any, k3: Any, start: Any) -> Any:
    """The two words that the elements of a block share: of the four numbers of a key, and the first place."""
    first = _U32(_U32(k0) << _U32(16) | _U32(k1))
    second = _U32(_U32(k2) << _U32(16) | _U32(k3))
    beyond = _U32(_U32(start >> 32) * _U32(0x9E3779B9))  # places of more than 32 bits
    return _U32(first + _U32(start)), _U32(second + beyond)


def _polynomial(target: Primitives, *terms: float) -> Any:
    """``polynomial(x)`` with these coefficients, the constant first, by Estrin's scheme: in few dependent steps."""
    names = {f"a{k}": _F32(term) for k, term in enumerate(terms)}

    def text(first: int, last: int) -> str:
        if last - first == 1:
            return f"a{first}"
        half = 1 << (last - first - 1).bit_length() - 1
        return f"({text(first, first + half)} + x{half} * {text(first + half, last)})"

    lines = ["def polynomial(x1):"]
    for k in range(1, (len(terms) - 1).bit_length()):
        lines.append(f"    x{1 << k} = x{1 << k - 1} * x{1 << k - 1}")
    lines.append(f"    return {text(0, len(terms))}")
    return target.part(generated("polynomial", lines, names))


_SHIFT, _CENTRE = _F32(3.5), _F32(3.4)
_HALF, _ONE, _TWO, _UNIT = _F32(0.5), _F32(1), _F32(2), _F32(2.0**-31)
_LN2 = _F32(np.log(2))
_ROOT_HALF = np.array(np.sqrt(0.5), np.float32).view(np.int32)[()]


@cache
def standard_normal(target: Primitives) -> Any:
    """``normal(first, second, i)``: the number of the i-th element of a block, as float32."""
    reinterpret, select, root = target.reinterpret, target.select, target.root
    # The logarithm of 1 + x over -x, between the roots of 1/2 and 2, and the quantile over its distance from the
    # median: least largest errors, by iteratively weighted least squares. sqrt(_SHIFT + w) - _CENTRE keeps the second short.
    logarithm = _polynomial(
        target, -1.0000032, 0.50001967, -0.333033, 0.24881339, -0.20604675, 0.18901977, -0.11827472
    )  # fmt: skip
    quantile = _polynomial(
        target, 3.7787743, 1.6901361, -0.07892633, 0.012138536, 0.012024664, -0.018759072, 0.014364547, -0.0022444625,
        -0.0044007539, 0.0019712506, 0.00042791097, -0.0002679322,
    )  # fmt: skip

    def bits_of(first, second, i):  # type: ignore[no-untyped-def]
        # the hash "triple32" of C. Wellons, of place plus key, with the rest of the key put in on the way
        x = _U32(first + _U32(i))
        x = _U32(_U32(x ^ (x >> _U32(17))) * _U32(0xED5AD4BB))
        x = _U32(_U32(x ^ (x >> _U32(11))) + second)
        x = _U32(x * _U32(0xAC4C1B51))
        x = _U32(_U32(x ^ (x >> _U32(15))) * _U32(0x31848BAB))
        return reinterpret(_U32(x ^ (x >> _U32(14))), _I32(0))

    hashed = target.part(bits_of)

    def normal(first, second, i):  # type: ignore[no-untyped-def]
        bits = hashed(first, second, i)
        places = _I32(bits & _I32(0x7FFFFFFF))
        tail = (_F32(places) + _HALF) * _UNIT  # how likely it is to be further out, to either side
        body = (_F32(_I32(places ^ _I32(0x7FFFFFFF))) + _HALF) * _UNIT  # 1 - tail
        y = tail * (_TWO - tail)
        of_y = reinterpret(y, places)
        exponent = _I32(_I32(of_y - _ROOT_HALF) >> _I32(23))
        x = reinterpret(_I32(of_y - _I32(exponent << _I32(23))), y) - _ONE
        w = logarithm(x) * x - _F32(exponent) * _LN2  # -log(y)
        size = quantile(root(w + _SHIFT) - _CENTRE) * body
        return select(bits < _I32(0), -size, size)

    return target.part(normal)


normal = standard_normal(CPU)
