"""``cvt``: from one type to another; with ``.ftz`` subnormal numbers of single precision are zeros on both sides."""

from __future__ import annotations

import numpy as np

from ptx.parser import TYPES, PtxError


def flushed(x):
    """Subnormal numbers as zeros of their sign."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


_TO_INTEGER = {"rzi": np.trunc, "rni": np.rint, "rmi": np.floor, "rpi": np.ceil}


def convert(opcode):
    """``function, operand types, result type`` of a conversion."""
    _, *modifiers, to, of = opcode.split(".")
    unknown = set(modifiers) - {"rn", *_TO_INTEGER, "sat", "ftz"}
    if unknown or to not in TYPES or of not in TYPES:
        raise PtxError(f"{opcode} is not known here")
    if "ftz" in modifiers:
        inner, operands, result = convert(opcode.replace(".ftz", ""))

        def flushing(x):
            found = inner(flushed(x) if of == "f32" else x)
            return flushed(found) if to == "f32" else found

        return flushing, operands, result
    target, source = TYPES[to], TYPES[of]
    if target.kind == "f":
        if "sat" in modifiers:
            raise PtxError(f"{opcode}: .sat is not known here")
        rounding = [m for m in modifiers if m in _TO_INTEGER]
        if rounding:
            return (lambda x: _TO_INTEGER[rounding[0]](x).astype(target)), (of,), to
        return (lambda x: x.astype(target)), (of,), to
    if source.kind == "f":
        (rounding,) = [m for m in modifiers if m in _TO_INTEGER]
        return (lambda x: _saturated(_TO_INTEGER[rounding](x), target)), (of,), to
    if "sat" in modifiers:
        raise PtxError(f"{opcode}: .sat is not known here")
    return (lambda x: x.astype(target)), (of,), to


def _saturated(x, target):
    """Integers beyond the range become its ends, NaN zero."""
    ends = np.iinfo(target)
    inside = np.isfinite(x) & (x > float(ends.min)) & (x < float(ends.max))
    found = np.where(inside, x, 0).astype(target)
    found = np.where(x >= float(ends.max), target.type(ends.max), found)
    return np.where(x <= float(ends.min), target.type(ends.min), found)
