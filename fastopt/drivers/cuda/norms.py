"""Kernels over gradients by themselves: their norms, and what follows from them, decided on the device.

The sums are those of the CPU's drivers, in the same order (drivers/sums.py). A sum of squares that overflowed or came near
to nothing is taken again in units near each tensor's largest gradient: the kernels of the second pass are always
launched, and end at once where ``flags`` say so. Arguments, beside those of `fastopt.drivers.cuda.tensors`:

``asked``     float64: scale, norm that gradients are held to, smallest trusted sum, norm to compare each tensor's with
              at the least, whether inputs are finite, whether a step is skipped that is not
``flags``     int64: whether to measure largest gradients, whether to measure again, whether all are finite
``squares``, ``largest``, ``units``, ``factors``  float64 (all tensors,)
``located``   int64 (all tensors,): addresses of gradients; ``active``: those, or none if the step is skipped
``decided``   float64 (all tensors, 2): gains
``outcome``   float64: whether the step was skipped, the norm, the sums of the squares of changes and parameters
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import float64

from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.functions import scalars
from fastopt.drivers.cuda.kernels import Kernel, accumulated, kernel, summing
from fastopt.drivers.cuda.text import TILE_ROW
from fastopt.table import LENGTH, OFFSET, SHIFT, TENSOR

# Entries of `asked`, `flags` and `outcome`, in bytes.
SCALE, LIMIT, LOW, LEAST, FINITE_INPUTS, SKIPPING = (8 * i for i in range(6))
MEASURE_LARGEST, MEASURE_AGAIN, FINITE = (8 * i for i in range(3))
SKIPPED, NORM, CHANGES, PARAMETERS = (8 * i for i in range(4))

_WIDE = np.dtype(np.float64)
# How many numbers are fetched before the first is used: it divides the threads of a block.
_AT_ONCE = 4


def _of_a_tile(dtype: np.dtype[Any]) -> list[str]:
    return [
        f"row = tiles + block() * {TILE_ROW}",
        f"k = load(tensors + load(row + {8 * TENSOR}, whole) * 8, whole)",
        "gradient = load(gradients + k * 8, whole)",
        f"at = gradient + load(row + {8 * SHIFT}, whole)",
        f"at += load(row + {8 * OFFSET}, whole) * {dtype.itemsize}",
        f"last = load(row + {8 * LENGTH}, whole)",
    ]


@cache
def measure(dtype: np.dtype[Any], largest: bool) -> Kernel:
    """Sums of (factor g)^2, a tile each, or the largest abs(factor g); where `condition` is 0, nothing.

    The factors of two tensors are `pitch` bytes apart.
    """
    element = [
        f"x = scale * load(at + i * {dtype.itemsize}, zero)",
        f"sums0 = {'maximum(sums0, abs(x))' if largest else 'sums0 + x * x'}",
    ]
    lines = [
        *_of_a_tile(dtype),
        "if gradient != 0 and load(condition, whole) != 0:",
        "    scale = element(load(factors + k * pitch, wide(0)))",
        *(f"    {line}" for line in accumulated(element, 1, largest)),
    ]
    named = {**summing(dtype), "element": dtype.type, "abs": scalars(dtype)["abs"]}
    arguments = (
        "tiles", "tensors", "gradients", "factors", "pitch", "condition", "blocks", "stride",
    )  # fmt: skip
    return kernel("measure_gradients", arguments, lines, named, words.SUMMING)


@cache
def clear(dtype: np.dtype[Any]) -> Kernel:
    """Zeros in the gradients of a skipped step."""
    lines = [
        *_of_a_tile(dtype),
        "if gradient != 0 and load(verdict, whole) != 0:",
        "    i = thread()",
        "    while i < last:",
        f"        store(at + i * {dtype.itemsize}, zero)",
        f"        i += {words.THREADS}",
    ]
    arguments = ("tiles", "tensors", "gradients", "verdict")
    return kernel("clear", arguments, lines, {"zero": dtype.type(0)}, words.THREADS)


# ---- one block of threads for all tensors -------------------------------------------------------


def _folded(result: str, value: str, new: str) -> list[str]:
    """A value of each tensor k, all of them put together in their order, by every thread alike."""
    return [
        f"{result} = zero",
        "at = 0",
        "while at < everyone:",
        "    k = at + thread()",
        f"    room[thread()] = ({value}) if k < everyone else zero",
        "    wait()",
        "    m = 0",
        "    while m < min(chunk, everyone - at):",  # the last of which may be zeros
        *(f"        {result} = {new.replace('[m]', f'[m + {n}]')}" for n in range(_AT_ONCE)),
        f"        m += {_AT_ONCE}",
        "    wait()",
        "    at += chunk",
    ]


def _each(lines: list[str]) -> list[str]:
    """Lines for each tensor k."""
    return [
        "k = thread()",
        "while k < everyone:",
        *(f"    {line}" for line in lines),
        "    k += chunk",
    ]


def _one_block(name: str, arguments: tuple[str, ...], lines: list[str]) -> Kernel:
    wide = scalars(_WIDE)
    named = {
        "cuda": words.cuda, "real": float64, "wait": words.wait, "chunk": words.SUMMING,
        "zero": np.float64(0), "one": np.float64(1), "infinity": np.float64(np.inf),
        "sqrt": wide["sqrt"], "maximum": wide["maximum"], "where": wide["where"],
        "abs": wide["abs"], "power_of_two": words.device(_power_of_two),
        "reinterpret": words.reinterpret,
    }  # fmt: skip
    text = [f"room = cuda.shared.array({words.SUMMING}, real)", *lines]
    return kernel(name, (*arguments, "everyone"), text, named, words.SUMMING)


def _power_of_two(bits):  # type: ignore[no-untyped-def]
    """The bits of a number's power of two, brought 5% nearer to 1, from the bits of the number, which is positive."""
    exponent = (bits >> np.int64(52)) - np.int64(1023)
    size = exponent if exponent >= 0 else -exponent
    size = size * np.int64(19) // np.int64(20)
    nearer = size if exponent >= 0 else -size
    return (nearer + np.int64(1023)) << np.int64(52)


@cache
def doubt() -> Kernel:
    """Whether the sum of all squares is to be trusted."""
    lines = [
        *_folded("total", "load(squares + k * 8, zero)", "total + room[m]"),
        f"low, least = load(asked + {LOW}, zero), load(asked + {LEAST}, zero)",
        "trusted = low < total and total < infinity and least * least > low + low",
        "if thread() == 0:",
        f"    store(flags + {MEASURE_LARGEST}, whole if trusted else whole + 1)",
    ]
    return _one_block("doubt", ("asked", "flags", "squares"), lines)


@cache
def choose_units() -> Kernel:
    """Units near each tensor's largest gradient, if the sum is not trusted and all are finite."""
    chosen = [
        "top = load(largest + k * 8, zero)",
        "unit = one",
        "if again and top > zero:",
        "    unit = reinterpret(power_of_two(reinterpret(top, whole)), one)",
        "store(units + k * 8, unit)",
        f"store(factors + k * 8, load(asked + {SCALE}, zero) / unit)",
    ]
    value = "where(abs(load(largest + k * 8, zero)) < infinity, zero, one)"
    lines = [
        *_folded("wrong", value, "maximum(wrong, room[m])"),
        f"doubted = load(flags + {MEASURE_LARGEST}, whole) != 0",
        "again = doubted and wrong == zero",
        *_each(chosen),
        "if thread() == 0:",
        f"    store(flags + {MEASURE_AGAIN}, whole + 1 if again else whole)",
        f"    store(flags + {FINITE}, whole if doubted and wrong > zero else whole + 1)",
    ]
    arguments = ("asked", "flags", "largest", "units", "factors")
    return _one_block("choose_units", arguments, lines)


@cache
def decide(each: bool) -> Kernel:
    """Each tensor's gain, the norm of all, and whether to step: `fastopt.drivers.sums.decide` on a device."""
    square = "load(squares + k * 8, zero)"
    unit_of = "load(units + k * 8, zero)"
    term = f"{square} * (({unit_of} / unit) * ({unit_of} / unit))"
    there = f"load(located + k * 8, whole) != 0 and {square} != zero"
    own = (f"sqrt({square})", f"most / {unit_of}") if each else ("norm", "most / unit")
    given = [
        f"own, bound = {own[0]}, {own[1]}",
        "gain = scale if own <= bound else scale * (bound / own)",
        "store(decided + k * 16, gain)",
        "store(decided + k * 16 + 8, load(gains + k * 16 + 8, zero))",
        "store(active + k * 8, load(located + k * 8, whole) if go else whole)",
    ]
    lines = [
        f"scale, most = load(asked + {SCALE}, zero), load(asked + {LIMIT}, zero)",
        *_folded("unit", f"where({square} != zero, {unit_of}, zero)", "maximum(unit, room[m])"),
        *_folded("total", f"{term} if {there} else zero", "total + room[m]"),
        "unit = unit if unit > zero else one",
        "norm = sqrt(total)",
        f"finite = load(flags + {FINITE}, whole) != 0 and load(asked + {FINITE_INPUTS}, zero) != zero",
        f"go = finite or load(asked + {SKIPPING}, zero) == zero",
        *_each(given),
        "if thread() == 0:",
        "    store(verdict, whole if go else whole + 1)",
        f"    store(outcome + {SKIPPED}, zero if go else one)",
        f"    store(outcome + {NORM}, unit * norm)",
    ]
    arguments = (
        "asked", "flags", "squares", "units", "gains", "decided", "located", "active", "verdict", "outcome",
    )  # fmt: skip
    return _one_block("decide", arguments, lines)


@cache
def spread() -> Kernel:
    """A number of each tensor into places that are `pitch` bytes apart."""
    lines = _each(["store(target + k * pitch, load(source + k * 8, zero))"])
    return _one_block("spread", ("source", "target", "pitch"), lines)


@cache
def accept() -> Kernel:
    """Let a step that measures no norms be one that is not skipped."""
    lines = ["if thread() == 0:", f"    store(outcome + {SKIPPED}, zero)"]
    return _one_block("accept", ("outcome",), lines)


@cache
def tell() -> Kernel:
    """What the update summed, of all tensors, into the outcome; ``totals`` has two columns."""
    lines = []
    for i, entry in enumerate((CHANGES, PARAMETERS)):
        lines += _folded("total", f"load(totals + k * 16 + {8 * i}, zero)", "total + room[m]")
        lines += ["if thread() == 0:", f"    store(outcome + {entry}, total)"]
    return _one_block("tell", ("totals", "outcome"), lines)
