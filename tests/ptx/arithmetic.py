"""What each arithmetic opcode computes, with its own rounding; operands are arrays of the opcode's type.

`operation` gives the function of an opcode, the types of its operands and of its result. Only what is exactly defined
is here: approximations (``.approx``, ``.full``), whose bits differ between GPUs, are not.
"""

from __future__ import annotations

import operator
from functools import cache

import numpy as np

from ptx.conversions import convert, flushed
from ptx.fused import fma
from ptx.parser import TYPES, PtxError

#: The NaN that GPUs give where an operation has none to pass on.
NAN32, NAN64 = np.uint32(0x7FFFFFFF), np.uint64(0x7FF8000000000000)
FLUSH = "ftz"


@cache
def operation(opcode):
    """``function, operand types, result type`` of an opcode without side effects."""
    name, *modifiers = opcode.split(".")
    if name == "cvt":
        return convert(opcode)
    kind = modifiers.pop()
    if name in ("setp", "selp", "slct") or kind not in TYPES:
        raise PtxError(f"{opcode} is not known here")
    dtype = TYPES[kind]
    known = _REAL if dtype.kind == "f" else _LOGICAL if kind == "pred" else _INTEGER
    found = known.get(name)
    if found is None:
        raise PtxError(f"{opcode} is not known here")
    return found(opcode, modifiers, kind)


def _checked(opcode, modifiers, *allowed):
    unknown = set(modifiers) - set(allowed)
    if unknown:
        raise PtxError(f"{opcode}: .{' .'.join(sorted(unknown))} is not known here")


# ---- floating point -----------------------------------------------------------------------------


def _real(function, count, needs_rounding=False, quiet=True):
    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers, "rn", *([FLUSH] if kind == "f32" else []))
        if needs_rounding and "rn" not in modifiers:
            raise PtxError(f"{opcode} is an approximation; only .rn has defined bits")
        flush = FLUSH in modifiers

        def computed(*operands):
            if flush:
                operands = [flushed(x) for x in operands]
            result = np.asarray(function(*operands), TYPES[kind])
            if flush:
                result = flushed(result)
            return canonical(result) if quiet else result

        return computed, (kind,) * count, kind

    return found


def canonical(x):
    """Single-precision NaNs are all the same one; the others keep what they are."""
    if x.dtype == np.float32:
        return np.where(np.isnan(x), NAN32.view(np.float32), x)
    return x


def _extreme(name):
    smaller = name == "min"

    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers, "NaN", *([FLUSH] if kind == "f32" else []))
        passes, flush = "NaN" in modifiers, FLUSH in modifiers

        def computed(x, y):
            if flush:
                x, y = flushed(x), flushed(y)
            first = x < y if smaller else x > y
            # -0 is smaller than +0
            ties = (x == y) & (np.signbit(x) if smaller else ~np.signbit(x))
            result = np.where(first | ties, x, y)
            if passes:
                result = np.where(np.isnan(x) | np.isnan(y), x + y, result)
            else:
                result = np.where(np.isnan(y), x, np.where(np.isnan(x), y, result))
            return canonical(result)

        return computed, (kind, kind), kind

    return found


def _sign_of(opcode, modifiers, kind):
    _checked(opcode, modifiers)
    return (lambda x, y: np.copysign(y, x)), (kind, kind), kind


def _test(opcode, modifiers, kind):
    tests = {"finite": np.isfinite, "infinite": np.isinf, "notanumber": np.isnan}
    (test,) = modifiers
    if test not in tests:
        raise PtxError(f"{opcode} is not known here")
    return tests[test], (kind,), "pred"


_REAL = {
    "add": _real(np.add, 2),
    "sub": _real(np.subtract, 2),
    "mul": _real(np.multiply, 2),
    "fma": _real(fma, 3, needs_rounding=True),
    "mad": _real(fma, 3, needs_rounding=True),
    "div": _real(np.divide, 2, needs_rounding=True),
    "sqrt": _real(np.sqrt, 1, needs_rounding=True),
    "rcp": _real(lambda x: x.dtype.type(1) / x, 1, needs_rounding=True),
    "neg": _real(np.negative, 1, quiet=False),
    "abs": _real(np.abs, 1, quiet=False),
    "min": _extreme("min"),
    "max": _extreme("max"),
    "copysign": _sign_of,
    "testp": _test,
}

# ---- integers -----------------------------------------------------------------------------------


def _plain(function, count):
    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers)
        return (lambda *x: function(*x)), (kind,) * count, kind

    return found


def _product(opcode, modifiers, kind):
    (part,) = modifiers
    if part == "wide":
        double = f"{kind[0]}{2 * int(kind[1:])}"
        wide = TYPES[double]
        return (lambda x, y: x.astype(wide) * y.astype(wide)), (kind, kind), double
    if part == "lo":
        return np.multiply, (kind, kind), kind
    if part == "hi":
        return _high(kind), (kind, kind), kind
    raise PtxError(f"{opcode} is not known here")


def _high(kind):
    bits, dtype = int(kind[1:]), TYPES[kind]
    if bits < 64:
        wide = np.dtype(f"{dtype.kind}8")
        return lambda x, y: (x.astype(wide) * y.astype(wide) >> wide.type(bits)).astype(dtype)

    def high(x, y):
        exact = [int(a) * int(b) >> 64 for a, b in zip(*np.broadcast_arrays(x, y), strict=True)]
        return np.array(exact, dtype)

    return high


def _product_and_sum(opcode, modifiers, kind):
    product, operands, result = _product(opcode, modifiers, kind)
    return (lambda x, y, z: product(x, y) + z), (*operands, result), result


def _shift(name):
    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers)
        dtype = TYPES[kind]
        bits = 8 * dtype.itemsize

        def computed(x, by):
            far = by >= bits
            amount = np.where(far, 0, by).astype(dtype)
            if name == "shl":
                return np.where(far, dtype.type(0), x << amount)
            ends = x >> dtype.type(bits - 1) if dtype.kind == "i" else dtype.type(0)
            return np.where(far, ends, x >> amount)

        return computed, (kind, "u32"), kind

    return found


def _quotient(name):
    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers)

        def computed(x, y):
            if np.any(y == 0):
                raise PtxError(f"{opcode}: division of an integer by zero")
            if TYPES[kind].kind == "u":
                return x // y if name == "div" else x % y
            rest = np.fmod(x, y)  # towards zero, as C's
            return (x - rest) // y if name == "div" else rest

        return computed, (kind, kind), kind

    return found


def _count(function):
    def found(opcode, modifiers, kind):
        _checked(opcode, modifiers)
        bits = 8 * TYPES[kind].itemsize
        return (lambda x: np.array([function(int(v), bits) for v in x], "u4")), (kind,), "u32"

    return found


_INTEGER = {
    "add": _plain(np.add, 2),
    "sub": _plain(np.subtract, 2),
    "neg": _plain(np.negative, 1),
    "abs": _plain(np.abs, 1),
    "min": _plain(np.minimum, 2),
    "max": _plain(np.maximum, 2),
    "and": _plain(np.bitwise_and, 2),
    "or": _plain(np.bitwise_or, 2),
    "xor": _plain(np.bitwise_xor, 2),
    "not": _plain(np.invert, 1),
    "mul": _product,
    "mad": _product_and_sum,
    "shl": _shift("shl"),
    "shr": _shift("shr"),
    "div": _quotient("div"),
    "rem": _quotient("rem"),
    "popc": _count(lambda v, bits: v.bit_count()),
    "clz": _count(lambda v, bits: bits - v.bit_length()),
}

_LOGICAL = {
    "and": _plain(np.logical_and, 2),
    "or": _plain(np.logical_or, 2),
    "xor": _plain(np.logical_xor, 2),
    "not": _plain(np.logical_not, 1),
}

# ---- comparisons --------------------------------------------------------------------------------

_COMPARED = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_UNSIGNED = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
_JOINED = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


@cache
def comparison(opcode):
    """``compare, join or None, operand type`` of ``setp``."""
    _, compared, *modifiers, kind = opcode.split(".")
    join = _JOINED[modifiers.pop(0)] if modifiers and modifiers[0] in _JOINED else None
    _checked(opcode, modifiers, *([FLUSH] if kind == "f32" else []))
    flush = FLUSH in modifiers
    if TYPES[kind].kind != "f":
        name = _UNSIGNED.get(compared, compared)
        if name not in _COMPARED:
            raise PtxError(f"{opcode} is not known here")
        return _COMPARED[name], join, kind

    def compare(x, y):
        if flush:
            x, y = flushed(x), flushed(y)
        unordered = np.isnan(x) | np.isnan(y)
        if compared == "num":
            return ~unordered
        if compared == "nan":
            return unordered
        if compared in _COMPARED:  # ordered: false with a NaN, "ne" too
            return _COMPARED[compared](x, y) & ~unordered
        return _COMPARED[compared[:-1]](x, y) | unordered

    if compared not in (*_COMPARED, *(f"{c}u" for c in _COMPARED), "num", "nan"):
        raise PtxError(f"{opcode} is not known here")
    return compare, join, kind
