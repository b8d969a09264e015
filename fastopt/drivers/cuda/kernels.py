"""Kernels over the elements of tensors: text written out for a variant, around the lines of drivers/bodies.py.

What happens to an element is the very text that the CPU's loops have (`fastopt.drivers.bodies.Body`), with the numbers in
variables instead of arrays; `Kernel.source` shows all of it. For SGD with momentum in float32 the scalar one reads::

    def update_all(tiles, tensors, addresses, gradients, coefficients):
        row = tiles + block() * 40
        j = load(row, whole)
        k = load(tensors + j * 8, whole)
        gradient = load(gradients + k * 8, whole)
        if gradient != 0:
            ...
            at_p = load(addresses + j * 16 + 0, whole) + shift
            at_g = gradient + forward + shift
            at_s0 = load(addresses + j * 16 + 8, whole) + shift
            i = first + thread()
            while i < last:
                p = load(at_p + i * 4, zero)
                g = load(at_g + i * 4, zero)
                s0 = load(at_s0 + i * 4, zero)
                x = c0 * g
                p, (s0,) = update((c6, c7, c8, c9, c10), p, x, (s0,))
                store(at_p + i * 4, p)
                store(at_s0 + i * 4, s0)
                i += 256

A wide kernel loads and stores 128 bits at once, and has this loop for the last few elements.

All arguments are int64 addresses of device memory:

``tiles``         int64 (rows, 5): tensor j in this table, offset, length, elements before, shift of the gradient in bytes
``tensors``       int64 (tensors,): number k of tensor j in the whole optimizer
``addresses``     int64 (tensors, columns): of the parameter and the present slots, `Variant.parts`
``gradients``     int64 (all tensors,): the address of each gradient, 0 for none
``coefficients``  (tensors, width) in the compute dtype: the leading ones of `fastopt.variant`, then the rule's

The grid has a block for every row of `tiles` and, along y, one for every `PIECE` elements of a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import from_dtype

from fastopt.drivers import bodies
from fastopt.drivers.cuda import text, words
from fastopt.drivers.cuda.functions import scalars
from fastopt.drivers.generate import generated, tuple_of
from fastopt.table import LENGTH
from fastopt.variant import BLOCK, PROPOSE, Variant

#: Elements of a tile that one block of threads works on.
PIECE = 1024

#: What kernels over elements are called with, before what their sums and proposals need.
ARGUMENTS = ("tiles", "tensors", "addresses", "gradients", "coefficients")


@dataclass(frozen=True)
class Kernel:
    """A kernel as Python code.

    Attributes
    ----------
    name : str
    function : callable
        Calls only the words of `fastopt.drivers.cuda.words`, and parts made of them.
    arguments : tuple of str
        All int64: addresses of device memory, or numbers.
    threads : int
        How many each block has.
    source : str
        Its text.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    threads: int
    source: str


def kernel(
    name: str, arguments: tuple[str, ...], lines: list[str], found: dict[str, Any], threads: int
) -> Kernel:
    """A kernel of these lines, which refer to what was found and to the words."""
    source = [f"def {name}({', '.join(arguments)}):", *(f"    {line}" for line in lines)]
    common = {
        "load": words.load,
        "store": words.store,
        "thread": words.thread,
        "block": words.block,
        "whole": np.int64(0),
    }
    function = generated(name, source, {**common, **found})
    return Kernel(name, function, arguments, threads, "\n".join(source) + "\n")


@cache
def update(variant: Variant, wide: bool = False) -> Kernel:
    """The rule's update of every element, with what its options add."""
    body = bodies.update(variant)
    if body.sums:
        return summed(variant, body)
    more = ("outs",) if PROPOSE in variant.options else ()
    return _elements(variant, body, wide, more)


@cache
def move(variant: Variant, name: str, wide: bool = False) -> Kernel:
    """One of the rule's moves or folds."""
    return _elements(variant, bodies.move(variant, name), wide, ())


def _elements(variant: Variant, body: bodies.Body, wide: bool, more: tuple[str, ...]) -> Kernel:
    lines = [
        f"first = piece() * {PIECE}",
        f"last = min(first + {PIECE}, load(row + {8 * LENGTH}, whole))",
        *(_wide_loop(variant, body) if wide else []),
        "i = max(first, even // W * W) + thread()" if wide else "i = first + thread()",
        *_loop(variant, body, words.THREADS),
    ]
    width = 16 // variant.dtype.itemsize
    lines = [line.replace("W", str(width)) for line in lines]
    found = {**text.names(variant, body), "piece": words.piece, "load_wide": words.load_wide}
    found |= {"store_wide": words.store_wide}
    whole = text.head(variant, body, lines)
    return kernel(f"{body.name}_all", (*ARGUMENTS, *more), whole, found, words.THREADS)


@cache
def measure(variant: Variant, stage: int) -> Kernel:
    """One of the rule's stages of sums over tensors, a number for each tile."""
    chosen = variant.rule.measures[stage]
    return summed(variant, bodies.measure(variant, stage), chosen.reduce != "sum")


def summed(variant: Variant, body: bodies.Body, largest: bool = False) -> Kernel:
    """A loop that adds up, into as many accumulators as the CPU's loops have, so that the sums are the same.

    Its blocks are whole tiles; the sums of a tile go into its row of ``blocks``, float64 (rows, `stride` bytes).
    """
    size = variant.dtype.itemsize
    loop = [
        f"last = load(row + {8 * LENGTH}, whole)",
        *accumulated(text.element(variant, body, size), body.sums, largest, variant.has_lines),
    ]
    more = ("outs",) if PROPOSE in variant.options else ()
    found = {**text.names(variant, body), **summing(variant.dtype)}
    arguments = (*ARGUMENTS, *more, "blocks", "stride")
    return kernel(
        f"{body.name}_all", arguments, text.head(variant, body, loop), found, words.SUMMING
    )


def accumulated(lines: list[str], sums: int, largest: bool, by_row: bool = False) -> list[str]:
    """Lines about element i, which add to `sums0`, `sums1`, ..., for those up to `last`: an accumulator for every 128th.

    With slots of lines they are counted from the start of each row of a matrix. Then these become one number: halves onto halves, the last few in float64 (drivers/sums.py).
    """
    loop = ["while i < end:", *(f"    {line}" for line in lines), f"    i += {BLOCK}"]
    if by_row:
        row = ["end = min(last, begin + width - (offset + begin) % width)", "i = begin + a"]
        row += [*loop, "begin = end"]
        loop = ["begin = 0", "while begin < last:", *(f"    {line}" for line in row)]
    else:
        loop = ["i, end = a, last", *loop]
    each = [
        *(f"sums{k} = zero" for k in range(sums)),
        *loop,
        *(f"own{k}[a] = sums{k}" for k in range(sums)),
        f"a += {words.SUMMING}",
    ]
    return [
        *(f"own{k} = cuda.shared.array({BLOCK}, real)" for k in range(sums)),
        "a = thread()",
        f"while a < {BLOCK}:",
        *(f"    {line}" for line in each),
        "wait()",
        *(line for k in range(sums) for line in _kept(k, largest)),
    ]


def _kept(k: int, largest: bool) -> list[str]:
    place = f"blocks + block() * stride + {8 * k}"
    return [*reduced(f"own{k}", str(BLOCK), largest), f"    store({place}, total)"]


def joined(a: str, b: str, largest: bool) -> str:
    """Two numbers as one."""
    return f"maximum({a}, {b})" if largest else f"{a} + {b}"


def reduced(own: str, length: str, largest: bool) -> list[str]:
    """So many accumulators in shared memory as one number, `total` of thread 0: as `fastopt.drivers.sums.add` does it."""
    new = f"widest(total, wide({own}[m]))" if largest else f"total + wide({own}[m])"
    return [
        f"half = {length}",
        "while half > 16 and half % 2 == 0:",
        "    half = half // 2",
        "    a = thread()",
        "    while a < half:",
        f"        {own}[a] = {joined(f'{own}[a]', f'{own}[a + half]', largest)}",
        f"        a += {words.SUMMING}",
        "    wait()",
        "if thread() == 0:",
        "    total = wide(0)",
        "    for m in range(half):",
        f"        total = {new}",
    ]


def summing(dtype: np.dtype[Any]) -> dict[str, Any]:
    """What the text of sums refers to."""
    return {
        "zero": dtype.type(0), "wide": np.float64, "wait": words.wait, "cuda": words.cuda,
        "real": from_dtype(dtype), "maximum": scalars(dtype)["maximum"],
        "widest": scalars(np.dtype(np.float64))["maximum"],
    }  # fmt: skip


# ---- loops --------------------------------------------------------------------------------------


def _loop(variant: Variant, body: bodies.Body, threads: int) -> list[str]:
    inside = [*text.element(variant, body, variant.dtype.itemsize), f"i += {threads}"]
    return ["while i < last:", *(f"    {line}" for line in inside)]


def _wide_loop(variant: Variant, body: bodies.Body) -> list[str]:
    size = variant.dtype.itemsize
    width = 16 // size

    def all_of(name: str) -> str:
        return tuple_of([f"{name}_{n}" for n in range(width)])

    inside = [
        f"{all_of(name)} = load_wide(at_{name} + i * {size}, zero)"
        for name in text.read(variant, body)
    ]
    inside += text.of_lines(variant, width)
    for n in range(width):
        inside += text.noise_of(variant, f"offset + i + {n}")
        inside += text.of_units(variant, body, f"offset + i + {n}", f"_{n}")
        inside += text.numbers(body.lines, f"_{n}")
    inside += [
        f"store_wide(at_{name} + i * {size}, {all_of(name)})"
        for name in text.written(variant, body)
    ]
    inside.append(f"i += {words.THREADS * width}")
    # numbers that are loaded together are of one row
    even = f"last if width % {width} == 0 else first" if variant.has_lines else "last"
    return [
        f"even = {even}",
        f"i = first + thread() * {width}",
        f"while i + {width} <= even:",
        *(f"    {line}" for line in inside),
    ]
