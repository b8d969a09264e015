"""Sums over the rows and columns of matrices, and the slots that are renewed by them.

A matrix is cut into strips of up to 128 rows and 2,048 columns, by its shape alone. A strip gives partial sums for its rows
and its columns, for these in slices of 32 rows; they are added in float64 in the order of the slices and strips, whoever
computed them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from fastopt.drivers import bodies, tile
from fastopt.drivers.compile import Compiled, compiled, rule_function
from fastopt.drivers.generate import generated, tuple_of
from fastopt.drivers.machine import flush_denormals, pointer, restore_denormals
from fastopt.drivers.sums import add, largest
from fastopt.scalar import maximum
from fastopt.strips import (
    BANDS,
    CHUNKS,
    COLUMN,
    COLUMN_SUMS,
    COLUMNS,
    FIRST,
    HEIGHT,
    MATRICES,
    MATRIX,
    ROW,
    ROW_SUMS,
    ROWS,
    SLICE_ROWS,
    STRIP_COLUMNS,
    STRIP_ROWS,
    TENSOR,
    WIDTH,
)  # fmt: skip
from fastopt.variant import (
    BEFORE_STEP,
    BLOCK,
    ELEMENT,
    FACTOR,
    LEADING,
    LIMIT,
    MEMORY_ROW,
    RENEWED,
    SECOND,
    SEEN,
    Part,
    Variant,
)  # fmt: skip


@cache
def measure(variant: Variant, stage: int) -> Compiled:
    """A stage's numbers for the rows and columns of the strips first to last, into `partials`."""
    chosen = variant.rule.measures[stage]
    count = chosen.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    loop = compiled(
        generated(
            "strip", _source(variant, stage, count), tile.names(variant, _body(variant, stage))
        )
    )
    plus = chosen.reduce == "sum"
    reduce = add if plus else largest

    def add_slice(partials, found, first):  # type: ignore[no-untyped-def]
        if first:
            for n in range(found.size):
                partials[n] = found[n]
        else:
            for n in range(found.size):
                a, b = partials[n], np.float64(found[n])
                partials[n] = a + b if plus else maximum(a, b)

    onto = compiled(add_slice)

    def measure(  # type: ignore[no-untyped-def]
        first,
        last,
        strips,
        grids,
        tensors,
        addresses,
        gradients,
        coefficients,
        scratch,
        sums,
        partials,
    ):
        before = flush_denormals()
        for s in range(first, last):
            strip = strips[s]
            j = strip[TENSOR]
            gradient = gradients[tensors[j]]
            if gradient != 0:
                rows, columns, width = strip[ROWS], strip[COLUMNS], grids[j, WIDTH]
                length = min(columns, BLOCK)
                line = strip[MATRIX] * grids[j, HEIGHT] + strip[ROW]
                for top in range(0, rows, SLICE_ROWS):
                    sums[count : 2 * count, :columns] = 0
                    for r in range(top, min(top + SLICE_ROWS, rows)):
                        sums[:count, :length] = 0
                        loop(
                            coefficients[j], addresses[j], line + r, strip[MATRIX], strip[COLUMN],
                            columns, width, gradient, scratch, sums,
                        )  # fmt: skip
                        for i in range(count):
                            partials[strip[ROW_SUMS] + i * rows + r] = reduce(sums[i, :length])
                    for i in range(count):
                        own = partials[strip[COLUMN_SUMS] + i * columns :][:columns]
                        onto(own, sums[count + i, :columns], top == 0)
        restore_denormals(before)

    return compiled(measure)


def _body(variant: Variant, stage: int) -> bodies.Body:
    return bodies.Body("measure", variant.rule.measures[stage].function, [], variant.reads(stage))


def _source(variant: Variant, stage: int, count: int) -> list[str]:
    """One row of a strip."""
    numbers = range(LEADING, LEADING + variant.rule.count_coefficients())
    used = [FACTOR, LIMIT, SECOND, *numbers]
    plus = variant.rule.measures[stage].reduce == "sum"
    added = []
    for k in range(count):
        for target in (f"sums{k}", f"columns{k}"):
            new = f"{target}[i] + v{k}" if plus else f"maximum({target}[i], v{k})"
            added.append(f"{target}[i] = {new}")
    body = _body(variant, stage)
    inside = [
        *tile.prefetches(variant, body, BLOCK),
        *tile.opened(variant, body, BEFORE_STEP),
        *(
            f"columns{k} = sums[{count + k}, column - first : column - first + m]"
            for k in range(count)
        ),
        "for i in range(m):",
        *(f"    {line}" for line in bodies.gradient_lines(variant)),
        f"    {tuple_of([f'v{k}' for k in range(count)])} = measure({bodies.arguments(variant)})",
        *(f"    {line}" for line in added),
    ]
    return [
        "def strip(c, a, row, matrix, first, n, width, gradient, scratch, sums):",
        f"    {', '.join(f'c{i}' for i in used)} = {', '.join(f'c[{i}]' for i in used)}",
        *(f"    sums{k} = sums[{k}]" for k in range(count)),
        f"    for column in range(first, first + n, {BLOCK}):",
        f"        m = min({BLOCK}, first + n - column)",
        "        start = row * width + column",
        *(f"        {line}" for line in inside),
    ]


@cache
def combine(variant: Variant, stage: int) -> Compiled:
    """Renew the slots of lines of tensors ``share``, ``share + shares``, ... by what was measured."""
    chosen = variant.rule.measures[stage]
    count = chosen.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    fold = _fold(count, chosen.reduce == "sum")
    parts = [p for p in variant.parts if p.over != ELEMENT]
    renew = [_renew(variant, part, count) for part in parts]
    names = {f"renew{i}": f for i, f in enumerate(renew)} | {"fold": fold}
    lines = [
        "def combine(share, shares, strips, grids, tensors, addresses, gradients, coefficients, partials):",
        "    for j in range(share, tensors.size, shares):",
        "        if gradients[tensors[j]] != 0:",
        "            c, a, grid = coefficients[j], addresses[j], grids[j]",
        f"            for matrix in range(grid[{MATRICES}]):",
        f"                first = grid[{FIRST}] + matrix * grid[{BANDS}] * grid[{CHUNKS}]",
        "                fold(strips, grid, first, partials)",
        *(f"                renew{i}(strips, grid, first, matrix, c, a, partials)" for i in range(len(renew))),
    ]  # fmt: skip
    return compiled(generated("combine", lines, names))


def _fold(count: int, plus: bool) -> Compiled:
    """Add the row sums of a matrix's strips onto those of its first chunk, column sums onto the first band."""

    def add_onto(partials, target, source, n):  # type: ignore[no-untyped-def]
        for i in range(n):
            a, b = partials[target + i], partials[source + i]
            partials[target + i] = a + b if plus else maximum(a, b)

    onto = compiled(add_onto)

    def fold(strips, grid, first, partials):  # type: ignore[no-untyped-def]
        chunks = grid[CHUNKS]
        for band in range(grid[BANDS]):
            for chunk in range(chunks):
                s = first + band * chunks + chunk
                if chunk > 0:
                    target = strips[first + band * chunks, ROW_SUMS]
                    onto(partials, target, strips[s, ROW_SUMS], count * strips[s, ROWS])
                if band > 0:
                    target = strips[first + chunk, COLUMN_SUMS]
                    onto(partials, target, strips[s, COLUMN_SUMS], count * strips[s, COLUMNS])

    return compiled(fold)


def _renew(variant: Variant, part: Part, count: int) -> Compiled:
    """The lines of one slot in one matrix: new numbers, their mean, and what the rule sees of them."""
    rows = part.over == MEMORY_ROW
    own = [f"c[{LEADING + i}]" for i in range(variant.rule.count_coefficients())]
    line = variant.rule.lines[int(part.name[1:])]
    assert line is not None
    combine, seen = line
    size = variant.dtype.itemsize
    n, length = (HEIGHT, WIDTH) if rows else (WIDTH, HEIGHT)
    most, at, extent = (
        (STRIP_ROWS, ROW_SUMS, ROWS) if rows else (STRIP_COLUMNS, COLUMN_SUMS, COLUMNS)
    )
    strip = f"first + line // {most}" + (f" * grid[{CHUNKS}]" if rows else "")
    measured = [f"element(partials[at + {i} * extent])" for i in range(count)]
    columns = {"before": BEFORE_STEP, "after": RENEWED, "shown": SEEN}
    lines = [
        "def renew(strips, grid, first, matrix, c, a, partials):",
        f"    n, own = grid[{n}], {tuple_of(own)}",
        f"    length = element(grid[{length}])",
        *(
            f"    {name} = carray(pointer(a[{part.column + k}] + matrix * n * {size}, element), n)"
            for name, k in columns.items()
        ),
        "    for line in range(n):",
        f"        s = {strip}",
        f"        extent = strips[s, {extent}]",
        f"        at = strips[s, {at}] + line % {most}",
        f"        after[line] = combine(own, before[line], {tuple_of(measured)}, length)",
    ]
    if seen is not None:
        lines += [
            "    mean = element(summed(after) / n)",
            "    for line in range(n):",
            "        shown[line] = seen(own, before[line], after[line], mean)",
        ]
    names = {
        "combine": rule_function(combine),
        "seen": None if seen is None else rule_function(seen),
        "carray": numba.carray,
        "pointer": pointer,
        "element": numba.from_dtype(variant.dtype),
        "summed": summed,
    }
    return compiled(generated("renew", lines, names))


@compiled
def _every(lines: Any, first: Any) -> Any:
    """The sum of every 128th number."""
    total = 0.0
    for line in range(first, lines.size, 128):
        total += np.float64(lines[line])
    return total


@compiled
def summed(lines: Any) -> Any:
    """The sum of the numbers of lines: an accumulator in float64 for every 128th, then as `fastopt.drivers.sums.add`."""
    total = 0.0
    for m in range(16):
        a = (_every(lines, m) + _every(lines, m + 64)) + (
            _every(lines, m + 32) + _every(lines, m + 96)
        )
        b = (_every(lines, m + 16) + _every(lines, m + 80)) + (
            _every(lines, m + 48) + _every(lines, m + 112)
        )
        total += a + b
    return total


@cache
def commit(variant: Variant) -> Compiled:
    """Let the renewed numbers of lines be those that the slots keep."""
    element = numba.from_dtype(variant.dtype)
    parts = tuple((p.column, p.over == MEMORY_ROW) for p in variant.parts if p.over != ELEMENT)

    def commit(grids, tensors, addresses, gradients):  # type: ignore[no-untyped-def]
        for j in range(tensors.size):
            if gradients[tensors[j]] != 0:
                for column, rows in parts:
                    n = grids[j, MATRICES] * (grids[j, HEIGHT] if rows else grids[j, WIDTH])
                    kept = numba.carray(pointer(addresses[j, column], element), n)
                    new = numba.carray(pointer(addresses[j, column + RENEWED], element), n)
                    for i in range(
                        n
                    ):  # Numba compiles strings into a slice's assignment, for its error
                        kept[i] = new[i]

    return compiled(commit)
