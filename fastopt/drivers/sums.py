"""Sums over tensors: of blocks of fixed size, then of the blocks in their order, so that bits never depend on threads.

Within a tile numbers are added into as many accumulators as a block of its loop is long, in the compute dtype; the
accumulators, and from there on everything, are added in float64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from fastopt.drivers import bodies, tile
from fastopt.drivers.compile import Compiled, compiled
from fastopt.drivers.machine import flush_denormals, pointer, restore_denormals
from fastopt.scalar import maximum
from fastopt.storage import Storage
from fastopt.table import LENGTH, OFFSET, SHIFT, TENSOR
from fastopt.variant import BLOCK, Variant


@compiled
def add(sums: Any) -> Any:
    """The sum of a row of accumulators: halves onto halves, the last few in float64. Overwrites them."""
    n = sums.size
    while n > 16 and n % 2 == 0:
        n //= 2
        for i in range(n):
            sums[i] += sums[n + i]
    total = 0.0
    for i in range(n):
        total += np.float64(sums[i])
    return total


@compiled
def largest(sums: Any) -> Any:
    """The largest of a row of accumulators; NaN if any is."""
    found = sums[0]
    for i in range(1, sums.size):
        found = maximum(found, sums[i])
    return np.float64(found)


@cache
def measure(variant: Variant, stage: int) -> Compiled:
    """A stage's numbers for each tile of the rows first to last, into `blocks`."""
    chosen = variant.rule.measures[stage]
    loop, count = tile.loop(variant, bodies.measure(variant, stage)), len(chosen.results)
    reduce = add if chosen.reduce == "sum" else largest
    block = max(BLOCK, variant.block)

    def measure(  # type: ignore[no-untyped-def]
        first, last, tiles, tensors, addresses, gradients, coefficients, scratch, sums, blocks
    ):
        before = flush_denormals()
        for row in range(first, last):
            j = tiles[row, TENSOR]
            gradient = gradients[tensors[j]]
            if gradient != 0:
                sums[:count, :block] = 0
                offset, n = tiles[row, OFFSET], tiles[row, LENGTH]
                loop(coefficients[j], addresses[j], offset, n, gradient, gradient, scratch, sums)
                for i in range(count):
                    blocks[row, i] = reduce(sums[i, :block])
        restore_denormals(before)

    return compiled(measure)


@cache
def gather(first: int, count: int, reduce: str) -> Compiled:
    """The blocks of each tensor into its row of totals, columns first to first + count. Overwrites blocks.

    As within a tile: every 128th is added onto the same accumulator, the accumulators as `add` does.
    """
    summing = reduce == "sum"
    together = add if summing else largest

    def gather(tiles, tensors, gradients, blocks, totals):  # type: ignore[no-untyped-def]
        for j in range(tensors.size):
            for i in range(count):
                totals[tensors[j], first + i] = 0.0
        end = 0
        while end < len(tiles):
            begin, j = end, tiles[end, TENSOR]
            while end < len(tiles) and tiles[end, TENSOR] == j:
                end += 1
            k = tensors[j]
            if gradients[k] != 0:
                last = min(end, begin + BLOCK)
                for i in range(count):
                    for row in range(last, end):
                        lane = begin + (row - begin) % BLOCK
                        old, new = blocks[lane, i], blocks[row, i]
                        blocks[lane, i] = old + new if summing else maximum(old, new)
                    totals[k, first + i] = together(blocks[begin:last, i])

    return compiled(gather)


# ---- the gradients by themselves ------------------------------------------------------------------


@cache
def squares(gradient: Storage) -> Compiled:
    """Sums of (factor g)^2, a tile each."""
    return _of_gradients(gradient, largest_of=False)


@cache
def extremes(gradient: Storage) -> Compiled:
    """The largest abs(factor g) of each tile; NaN if any is."""
    return _of_gradients(gradient, largest_of=True)


def _of_gradients(gradient: Storage, largest_of: bool) -> Compiled:
    element, size = numba.from_dtype(gradient.dtype), gradient.dtype.itemsize
    reduce = largest if largest_of else add
    block = max(BLOCK, gradient.block)

    def measure(first, last, tiles, tensors, gradients, factors, sums, blocks):  # type: ignore[no-untyped-def]
        before = flush_denormals()
        accumulators = sums[0, :block]
        for row in range(first, last):
            k = tensors[tiles[row, TENSOR]]
            address, scale = gradients[k], element(factors[k])
            if address != 0:
                accumulators[:] = 0
                n = tiles[row, LENGTH]
                start = address + tiles[row, SHIFT] + tiles[row, OFFSET] * size
                for offset in range(0, n, block):
                    m = min(block, n - offset)
                    g = numba.carray(pointer(start + offset * size, element), m)
                    if largest_of:
                        for i in range(m):
                            accumulators[i] = maximum(accumulators[i], abs(scale * g[i]))
                    else:
                        for i in range(m):
                            x = scale * g[i]
                            accumulators[i] += x * x
                blocks[row, 0] = reduce(accumulators)
        restore_denormals(before)

    return compiled(measure)


@compiled
def decide(
    squares: Any, units: Any, gradients: Any, gains: Any, scale: Any, most: Any, each: Any
) -> Any:
    """Each tensor's factor for its gradient, such that no norm is above `most`; the norm of all.

    `squares` holds the sum of squares of each tensor's scaled gradient, in units of its unit^2; with `each`,
    every tensor is held to `most` by itself.
    """
    unit = 0.0
    for k in range(gradients.size):
        if squares[k, 0] != 0.0:
            unit = max(unit, units[k])
    total = 0.0
    for k in range(gradients.size):
        if gradients[k] != 0 and squares[k, 0] != 0.0:
            total += squares[k, 0] * (units[k] / unit) ** 2
    unit = unit if unit > 0.0 else 1.0
    norm = np.sqrt(total)
    for k in range(gradients.size):
        own, bound = (np.sqrt(squares[k, 0]), most / units[k]) if each else (norm, most / unit)
        gains[k, 0] = scale if own <= bound else scale * (bound / own)
    return unit * norm
