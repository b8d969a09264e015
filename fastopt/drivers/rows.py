"""Touched rows: which they are, what their gradients add up to, and what a loop over them does besides.

A row that is named once has its gradient where the caller put it. One that is named more than once gets the sum of
its gradients, in the order in which they were given, whoever adds them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange

from fastopt.drivers import sums, tile
from fastopt.drivers.compile import Compiled, compiled, digest, kernel, rule_function
from fastopt.drivers.generate import generated, tuple_of
from fastopt.drivers.machine import pointer, prefetch
from fastopt.storage import Storage
from fastopt.strips import STRIP_COLUMNS
from fastopt.table import BEFORE, LENGTH, OFFSET, SHIFT, TENSOR
from fastopt.variant import BEFORE_STEP, BLOCK, ELEMENT, LEADING, RENEWED, ROWS, Variant

# Tiles ahead that memory is asked for: rows lie anywhere, so that no processor can guess the next.
AHEAD = 8


# ---- which rows ----------------------------------------------------------------------------------


def _mark(rows, seen, again):  # type: ignore[no-untyped-def]
    """Set a bit for every row, and another for one that is named again; how often that happens."""
    repeated = 0
    for i in range(rows.size):
        row = rows[i]
        word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
        if seen[word] & bit:
            again[word] |= bit
            repeated += 1
        else:
            seen[word] |= bit
    return repeated


def _lay(rows, width, length, size, place, seen, again, repeated, tiles, mentions):  # type: ignore[no-untyped-def]
    """Write the tiles of each row, in the order of their first mention, and clear the bits.

    A row that is named again has all its mentions noted: row, position, and the first of its tiles at the
    first of them. The counts of tiles and of mentions.
    """
    tensor, before = place
    count = noted = 0
    for i in range(rows.size):
        row = rows[i]
        word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
        first = (seen[word] & bit) != 0
        if repeated and again[word] & bit:
            mentions[0, noted] = row
            mentions[1, noted] = i
            mentions[2, noted] = count if first else -1
            noted += 1
        if first:
            seen[word] ^= bit
            shift = (i - row) * width * size
            for start in range(0, width, length):
                tiles[count, TENSOR] = tensor
                tiles[count, OFFSET] = row * width + start
                tiles[count, LENGTH] = min(length, width - start)
                tiles[count, BEFORE] = before
                tiles[count, SHIFT] = shift
                before += min(length, width - start)
                count += 1
    for m in range(noted):
        again[mentions[0, m] >> 6] = 0
    return count, noted


@cache
def mark() -> Compiled:
    """See `_mark`."""
    return kernel(_mark, "fastopt.rows.mark", digest())


@cache
def lay() -> Compiled:
    """See `_lay`."""
    return kernel(_lay, "fastopt.rows.lay", digest())


@cache
def add_up(gradient: Storage) -> Compiled:
    """Add up the gradients of rows that are named more than once, and let their tiles have the sums.

    `order` sorts the mentions by row, then by position; `starts` is where each row's begin in it.
    """
    element, size = numba.from_dtype(gradient.dtype), gradient.dtype.itemsize

    def add_up(order, starts, mentions, base, sums, chunks, tiles):  # type: ignore[no-untyped-def]
        width = sums.shape[1]
        for group in prange(starts.size - 1):
            total = sums[group]
            total[:] = 0
            for o in range(starts[group], starts[group + 1]):
                place = base + mentions[1, order[o]] * width * size
                g = numba.carray(pointer(place, element), width)
                for i in range(width):
                    total[i] += g[i]
            one = order[starts[group]]
            shift = total.ctypes.data - base - mentions[0, one] * width * size
            for t in range(mentions[2, one], mentions[2, one] + chunks):
                tiles[t, SHIFT] = shift

    return kernel(add_up, f"fastopt.rows.sums.{gradient.name}", digest(), parallel=True)


# ---- loops over them -----------------------------------------------------------------------------


def begin(variant: Variant, body: tile.Body) -> Compiled:
    """What comes before the loop over a tile: nothing, unless rows are touched."""
    if ROWS not in variant.options:
        return _nothing
    ahead, fetch, renew = AHEAD, _fetch(variant, body), _renew(variant)

    def begin(  # type: ignore[no-untyped-def]
        row, last, tiles, tensors, addresses, gradients, coefficients, scratch, sums
    ):
        later = min(row + ahead, last - 1)
        j, offset, n = tiles[later, TENSOR], tiles[later, OFFSET], tiles[later, LENGTH]
        fetch(addresses[j], offset, n, gradients[tensors[j]] + tiles[later, SHIFT])
        j, offset, n = tiles[row, TENSOR], tiles[row, OFFSET], tiles[row, LENGTH]
        gradient = gradients[tensors[j]] + tiles[row, SHIFT]
        renew(coefficients[j], addresses[j], offset, n, gradient, scratch, sums)

    return compiled(begin)


@compiled
def _nothing(
    row: Any, last: Any, tiles: Any, tensors: Any, addresses: Any, gradients: Any, coefficients: Any,
    scratch: Any, sums: Any,
) -> None:  # fmt: skip
    pass


def _fetch(variant: Variant, body: tile.Body) -> Compiled:
    """``fetch(a, offset, n, gradient)``: ask for the memory of a tile that comes later."""
    lines = ["def fetch(a, offset, n, gradient):"]
    for name, storage, where, _ in tile.arrays(variant, body):
        if name in body.touched:
            for column, address in zip(storage.columns, where, strict=True):
                size, per = column.dtype.itemsize, column.per
                lines += [
                    f"    at = {address} + offset // {per} * {size}",
                    f"    end = at + n // {per} * {size}",
                    "    for line in range(at, end, 64):",
                    "        prefetch(line, 1)",
                    "    prefetch(end - 1, 1)",
                ]
    return compiled(generated("fetch", lines, {"prefetch": prefetch}))


def _renew(variant: Variant) -> Compiled:
    """``renew(c, a, offset, n, gradient, scratch, sums)``: renew the slots that have a number for a row.

    The same sums as drivers/lines.py takes of a whole matrix.
    """
    measured = [i for i, m in enumerate(variant.rule.measures) if m.scope == "lines"]
    if not (variant.has_lines and measured):
        return _nothing_kept
    (stage,) = measured
    chosen, coefficients = variant.rule.measures[stage], variant.rule.count_coefficients()
    count = chosen.count(coefficients, len(variant.rule.slots))
    own = tuple_of([f"c[{LEADING + i}]" for i in range(coefficients)])
    size = variant.dtype.itemsize
    names: dict[str, Any] = {
        "loop": tile.loop(variant, tile.measure(variant, stage)),
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


@compiled
def _nothing_kept(
    c: Any, a: Any, offset: Any, n: Any, gradient: Any, scratch: Any, sums: Any
) -> None:
    """For rules that keep no number for a row."""
