"""The entry points of a step, each over any range of rows, from which the drivers are put together.

``locate``   notes the gradients' addresses, if they are what the layout says
``measure``  writes block sums, for rules that need totals first (drivers/sums.py)
``advance``  counts the step of every tensor that has a gradient and prepares its coefficients
             (drivers/coefficients.py)
``update``   walks rows of tiles and applies the rule
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from fastopt import gradients as struct
from fastopt.drivers import bodies, rows, tile
from fastopt.drivers.compile import Compiled, compiled
from fastopt.drivers.machine import flush_denormals, read_int32, read_int64, restore_denormals
from fastopt.drivers.sums import add
from fastopt.table import BEFORE, LENGTH, OFFSET, TENSOR
from fastopt.variant import BLOCK, MONITOR, PROPOSE, ROWS, Variant


@compiled
def locate(ids: Any, layout: Any, occupied: Any, gradients: Any) -> Any:
    """Write the address of each gradient (0 for None); the first that needs Python's look, or -1."""
    for k in range(ids.size):
        array = ids[k]
        if array == struct.LOCATED:
            continue
        if array == layout[k, struct.NONE]:
            gradients[k] = 0
            continue
        if read_int64(array + struct.AT_TYPE) != layout[k, struct.ARRAY_TYPE]:
            return k
        nd, required = layout[k, struct.ND], layout[k, struct.FLAGS]
        if (
            read_int32(array + struct.AT_ND) != nd
            or read_int64(array + struct.AT_DTYPE) != layout[k, struct.DTYPE]
            or read_int32(array + struct.AT_FLAGS) & required != required
        ):
            return k
        dims = read_int64(array + struct.AT_DIMS)
        for d in range(nd):
            if read_int64(dims + 8 * d) != layout[k, struct.DIMS + d]:
                return k
        start = read_int64(array + struct.AT_DATA)
        if _overlaps(start, start + layout[k, struct.NBYTES], occupied):
            return k
        gradients[k] = start
    return -1


@compiled
def _overlaps(start: Any, end: Any, occupied: Any) -> Any:
    """Whether [start, end) meets one of the sorted, disjoint rows."""
    low, high = 0, len(occupied)
    while low < high:  # the first row that ends after start
        middle = (low + high) // 2
        if occupied[middle, 1] > start:
            high = middle
        else:
            low = middle + 1
    return low < len(occupied) and occupied[low, 0] < end


@compiled
def first_row(tiles: Any, share: Any, shares: Any) -> Any:
    """The row where a thread's equal share of the elements starts."""
    rows = len(tiles)
    if share == shares or rows == 0:
        return np.int64(rows)
    elements = tiles[rows - 1, BEFORE] + tiles[rows - 1, LENGTH]
    goal = elements * share // shares
    low, high = np.int64(0), np.int64(rows)
    while low < high:
        middle = (low + high) // 2
        if tiles[middle, BEFORE] >= goal:
            high = middle
        else:
            low = middle + 1
    return low


@cache
def update(variant: Variant, move: str | None = None) -> Compiled:
    """Apply the rule, or one of its moves or folds, to the rows first to last of the table."""
    monitored = 2 if MONITOR in variant.options else 0
    body = bodies.update(variant) if move is None else bodies.move(variant, move)
    if ROWS in variant.options:
        return rows.update(variant, body)
    loop, proposed = tile.loop(variant, body), PROPOSE in variant.options
    block = max(BLOCK, variant.block)

    def update(  # type: ignore[no-untyped-def]
        first, last, tiles, tensors, addresses, gradients, coefficients, scratch, sums, blocks, outs
    ):
        before = flush_denormals()
        for row in range(first, last):
            j = tiles[row, TENSOR]
            k = tensors[j]
            gradient = gradients[k]
            if gradient != 0:
                offset, n = tiles[row, OFFSET], tiles[row, LENGTH]
                out = outs[k] if proposed else gradient
                if monitored:
                    sums[:monitored, :block] = 0
                loop(coefficients[j], addresses[j], offset, n, gradient, out, scratch, sums)
                for i in range(monitored):
                    blocks[row, i] = add(sums[i, :block])
            else:
                for i in range(monitored):
                    blocks[row, i] = 0.0
        restore_denormals(before)

    return compiled(update)


def require(p: Any, g: Any, coefficients: Any) -> None:
    """Refuse, when an embedded step is compiled, arrays whose memory it must not take as it is."""


@overload(require, strict=False)
def _require(p: Any, g: Any, coefficients: Any) -> Any:
    for name, array in (("p", p), ("g", g)):
        own = array.dtype if isinstance(array, types.Array) else None
        if getattr(own, "underlying_float", own) != coefficients.dtype:
            raise TypingError(
                f"jit_step: {name} is {array}; expected an array of {coefficients.dtype}"
            )
        if array.layout not in "CF":
            raise TypingError(f"jit_step: {name} is {array}; expected a contiguous array")
    if not p.mutable:
        raise TypingError("jit_step: p is read-only; it is updated in place")
    if (p.dtype, p.ndim, p.layout) != (g.dtype, g.ndim, g.layout):
        raise TypingError(
            f"jit_step: p is {p} and g is {g}; expected the same dimensions and order, and dtype"
        )
    return lambda p, g, coefficients: None
