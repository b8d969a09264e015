"""Touched rows: which they are, what their gradients add up to, and what a loop over them does besides.

A row that is named once has its gradient where the caller put it. One that is named again gets the sum of its
gradients, in the order in which they were given, whoever adds them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange

from fastopt.drivers import bodies, sums, tile
from fastopt.drivers.compile import Compiled, compiled, digest, kernel, rule_function
from fastopt.drivers.generate import generated, tuple_of
from fastopt.drivers.machine import flush_denormals, pointer, prefetch, restore_denormals
from fastopt.storage import Storage
from fastopt.strips import STRIP_COLUMNS
from fastopt.table import BEFORE, LENGTH, OFFSET, SHIFT, TENSOR
from fastopt.variant import BEFORE_STEP, BLOCK, ELEMENT, LEADING, RENEWED, Variant

# Tiles ahead that memory is asked for: rows lie anywhere, so that no processor can guess the next.
AHEAD = 4


# ---- which rows ----------------------------------------------------------------------------------


def _mark(rows, seen, again, later):  # type: ignore[no-untyped-def]
    """Set a bit for every row, and another for one that is named again; note where, and give how often, that is."""
    count = 0
    for i in range(rows.size):
        row = rows[i]
        word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
        if seen[word] & bit:
            again[word] |= bit
            later[count] = i
            count += 1
        else:
            seen[word] |= bit
    return count


@cache
def mark() -> Compiled:
    """See `_mark`."""
    return kernel(_mark, "fastopt.rows.mark", digest())


@cache
def lay(driver: str) -> Compiled:
    """Write the tiles of each row, in the order of their first mention, and clear the bits of `seen`.

    `repeated` has the rows that are named again, sorted: of these `first` gets the place of the first mention, and
    their tiles point to the rows of sums, which lie `sums` bytes behind the gradients.
    """

    def lay(rows, shape, place, seen, again, later, repeated, first, sums, shares, tiles):  # type: ignore[no-untyped-def]
        width, length, size = shape
        tensor, before = place
        chunks = -(-width // length)
        for share in prange(shares):
            begin, end = rows.size * share // shares, rows.size * (share + 1) // shares
            skipped = np.searchsorted(later, begin)
            for i in range(begin, end):
                if skipped < later.size and later[skipped] == i:
                    skipped += 1
                    continue
                row = rows[i]
                word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
                seen[word] = 0  # as every other thread says that has a row there
                shift = (i - row) * width * size
                if repeated.size and again[word] & bit:
                    group = np.searchsorted(repeated, row)
                    first[group] = i
                    shift = sums + (group - row) * width * size
                count, start = (i - skipped) * chunks, 0
                while start < width:
                    tiles[count, TENSOR] = tensor
                    tiles[count, OFFSET] = row * width + start
                    tiles[count, LENGTH] = min(length, width - start)
                    tiles[count, BEFORE] = before + (i - skipped) * width + start
                    tiles[count, SHIFT] = shift
                    start += length
                    count += 1

    return kernel(lay, f"fastopt.rows.lay.{driver}", digest(), parallel=driver == "parallel")


@cache
def add_up(gradient: Storage, driver: str) -> Compiled:
    """Add up the gradients of rows that are named more than once.

    `positions` are the mentions, by row and then in order; `starts` is where each row's begin in it, and where the last
    ends.
    """
    element, size = numba.from_dtype(gradient.dtype), gradient.dtype.itemsize

    def add_up(positions, starts, base, shares, sums):  # type: ignore[no-untyped-def]
        groups, width = sums.shape
        for share in prange(shares):
            for group in range(groups * share // shares, groups * (share + 1) // shares):
                total = sums[group]
                total[:] = 0
                for o in range(starts[group], starts[group + 1]):
                    later = base + positions[min(o + AHEAD, positions.size - 1)] * width * size
                    for line in range(later & -64, later + width * size, 64):
                        prefetch(line, 1)
                    g = numba.carray(pointer(base + positions[o] * width * size, element), width)
                    for i in range(width):
                        total[i] += g[i]

    name = f"fastopt.rows.sums.{gradient.name}.{driver}"
    return kernel(add_up, name, digest(), parallel=driver == "parallel")


# ---- loops over them -----------------------------------------------------------------------------


def update(variant: Variant, body: bodies.Body) -> Compiled:
    """Apply the rule to the rows first to last of a table whose tiles lie anywhere: see `steps.update`."""
    walk = _walk(variant, body)

    def update(  # type: ignore[no-untyped-def]
        first, last, tiles, tensors, addresses, gradients, coefficients, scratch, sums, blocks, outs
    ):
        before = flush_denormals()
        while first < last:
            j = tiles[first, TENSOR]
            c, a, base = coefficients[j], addresses[j], gradients[tensors[j]]
            first = walk(c, a, first, last, tiles, base, scratch, sums, blocks)
        restore_denormals(before)

    return compiled(update)


def _walk(variant: Variant, body: bodies.Body) -> Compiled:
    """The loop over the tiles from `first` that are of one tensor; where it ended.

    What is the same for all of them is loaded once: a row may be shorter than the way to it.
    """
    monitored = body.sums
    row = [
        *_fetched(variant, body),
        f"offset, n, gradient = tiles[t, {OFFSET}], tiles[t, {LENGTH}], base + tiles[t, {SHIFT}]",
        *(["sums[:] = 0"] if monitored else []),
        *(["renew(c, places, offset, n, gradient, scratch, sums)"] if variant.has_lines else []),
        *tile.blocks(variant, body),
        *(f"blocks[t, {i}] = add(sums[{i}])" for i in range(monitored)),
    ]
    lines = [
        "def walk(c, places, first, last, tiles, base, scratch, sums, blocks):",
        f"    a = {tuple_of([f'places[{i}]' for i in range(variant.columns)])}",
        *(f"    {line}" for line in tile.loaded(variant, body)),
        f"    tensor = tiles[first, {TENSOR}]",
        "    for t in range(first, last):",
        f"        if tiles[t, {TENSOR}] != tensor:",
        "            return t",
        *(f"        {line}" for line in row),
        "    return last",
    ]
    names = tile.names(variant, body) | {
        "prefetch": prefetch,
        "renew": _renew(variant),
        "add": sums.add,
    }
    return compiled(generated("walk", lines, names))


def _fetched(variant: Variant, body: bodies.Body) -> list[str]:
    """Ask for the memory of a tile that comes later."""
    lines = [
        f"later = min(t + {AHEAD}, last - 1)",
        f"place, length = tiles[later, {OFFSET}], tiles[later, {LENGTH}]",
        f"gradient = base + tiles[later, {SHIFT}]",
    ]
    for name, storage, where, _ in tile.arrays(variant, body):
        if name in body.touched:
            # gradients lie one after the other, but for sums of them
            ask = "prefetch_stream" if name == "g" else "prefetch"
            for column, address in zip(storage.columns, where, strict=True):
                size, per = column.dtype.itemsize, column.per
                lines += [
                    f"at = {address} + place // {per} * {size}",
                    f"for line in range(at & -64, at + length // {per} * {size}, 64):",
                    f"    {ask}(line, 1)",
                ]
    return lines


def _renew(variant: Variant) -> Compiled:
    """``renew(c, a, offset, n, gradient, scratch, sums)``: renew the slots that have a number for a row.

    The same sums as drivers/lines.py takes of a whole matrix.
    """
    measured = [i for i, m in enumerate(variant.rule.measures) if m.scope == "lines"]
    if not (variant.has_lines and measured):
        return None
    (stage,) = measured
    chosen, coefficients = variant.rule.measures[stage], variant.rule.count_coefficients()
    count = chosen.count(coefficients, len(variant.rule.slots))
    own = tuple_of([f"c[{LEADING + i}]" for i in range(coefficients)])
    size = variant.dtype.itemsize
    names: dict[str, Any] = {
        "loop": tile.loop(variant, bodies.measure(variant, stage)),
        "reduce": sums.add if chosen.reduce == "sum" else sums.largest,
        "carray": numba.carray,
        "pointer": pointer,
        "element": numba.from_dtype(variant.dtype),
    }
    lines = [
        "def renew(c, a, offset, n, gradient, scratch, sums):",
        f"    row, length = offset // n, min(n, {BLOCK})",
        *(f"    v{i} = 0.0" for i in range(count)),
    ]
    parts = [part for part in variant.parts if part.over != ELEMENT]
    for part in parts:
        for column, name in ((BEFORE_STEP, "kept"), (RENEWED, "seen")):
            at = f"a[{part.column + column}] + row * {size}"
            lines.append(f"    {name}_{part.name} = carray(pointer({at}, element), 1)")
        lines.append(f"    seen_{part.name}[0] = kept_{part.name}[0]")
    plus = "v{0} + " if chosen.reduce == "sum" else "max(v{0}, "
    close = "" if chosen.reduce == "sum" else ")"
    lines += [
        f"    for start in range(offset, offset + n, {STRIP_COLUMNS}):",
        f"        sums[:{count}, :length] = 0",
        f"        m = min({STRIP_COLUMNS}, offset + n - start)",
        "        loop(c, a, start, m, gradient, gradient, scratch, sums)",
        *(
            f"        v{i} = {plus.format(i)}reduce(sums[{i}, :length]){close}"
            for i in range(count)
        ),
    ]
    values = tuple_of([f"element(v{i})" for i in range(count)])
    for part in parts:
        line = variant.rule.lines[int(part.name[1:])]
        assert line is not None
        names[f"combine_{part.name}"] = rule_function(line[0])
        lines += [
            f"    kept_{part.name}[0] = combine_{part.name}({own}, kept_{part.name}[0], {values}, element(n))",
            f"    seen_{part.name}[0] = kept_{part.name}[0]",
        ]
    return compiled(generated("renew", lines, names))
