"""Kernels over the rows and columns of matrices: the sums of drivers/lines.py, by the same strips and in the same order.

Arguments, beside those of `fastopt.drivers.cuda.kernels`:

``strips``, ``grids``  int64 tables, see fastopt/strips.py
``partials``           float64: sums of each strip's rows and columns
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numba import from_dtype

from fastopt import strips as layout
from fastopt.drivers import tile
from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.functions import linked
from fastopt.drivers.cuda.kernels import ARGUMENTS, Kernel, kernel, summing
from fastopt.drivers.cuda.text import coefficients, element, names, places
from fastopt.drivers.generate import tuple_of
from fastopt.strips import STRIP_COLUMNS, STRIP_ROWS
from fastopt.variant import (
    BEFORE_STEP,
    BLOCK,
    ELEMENT,
    LEADING,
    MEMORY_ROW,
    RENEWED,
    SEEN,
    Part,
    Variant,
)

_STRIP, _GRID = 10 * 8, 6 * 8  # bytes of a row
_OWN = ("strips", "grids", *(name for name in ARGUMENTS if name != "tiles"), "partials")


@cache
def measure(variant: Variant, stage: int) -> Kernel:
    """A stage's numbers for the rows and columns of each strip: a block of threads for a strip."""
    chosen = variant.rule.measures[stage]
    count = chosen.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    largest, size = chosen.reduce != "sum", variant.dtype.itemsize
    body = measuring(variant, stage, count)
    each = [
        "i = (line + r) * width + begin + n",
        *element(variant, body, size),
        *(f"sums{k} = {joined(f'sums{k}', f'v{k}', largest)}" for k in range(count)),
        *(f"down{k}[n] = {joined(f'down{k}[n]', f'v{k}', largest)}" for k in range(count)),
    ]
    kept = [f"store(partials + (row_sums + {k} * rows + r) * 8, total)" for k in range(count)]
    added = across(each, kept, largest)
    down = [
        "n = thread()",
        "while n < columns:",
        *(
            f"    store(partials + (column_sums + {k} * columns + n) * 8, wide(down{k}[n]))"
            for k in range(count)
        ),
        f"    n += {words.SUMMING}",
    ]
    inside = [
        *coefficients(variant, body),
        *_fields("strip", "matrix", "row", "rows", "begin", "columns", "row_sums", "column_sums"),
        *places(variant, body, BEFORE_STEP),
        f"length = min(columns, {BLOCK})",
        "line = matrix * height + row",
        "offset = 0",
        # each column is one thread's from here to the end, so that no other has to be waited for
        "n = thread()",
        "while n < columns:",
        *(f"    down{k}[n] = zero" for k in range(count)),
        f"    n += {words.SUMMING}",
        "for r in range(rows):",
        *(f"    {text}" for text in added),
        *down,
    ]
    text = [
        *(f"own{k} = cuda.shared.array({BLOCK}, real)" for k in range(count)),
        *(f"down{k} = cuda.shared.array({STRIP_COLUMNS}, real)" for k in range(count)),
        f"strip = strips + block() * {_STRIP}",
        f"j = load(strip + {8 * layout.TENSOR}, whole)",
        "k = load(tensors + j * 8, whole)",
        "gradient = load(gradients + k * 8, whole)",
        "shift, forward = 0, 0",
        "if gradient != 0:",
        *(f"    {line}" for line in inside),
    ]
    found = {**names(variant, body), **summing(variant.dtype)}
    return kernel("measure_lines", _OWN, text, found, words.SUMMING)


def measuring(variant: Variant, stage: int, count: int) -> tile.Body:
    """What a stage finds of an element: `v0`, `v1`, ..."""
    lines = tile.gradient_lines(variant)
    lines.append(
        f"{tuple_of([f'v{k}' for k in range(count)])} = measure({tile.arguments(variant)})"
    )
    return tile.Body("measure", variant.rule.measures[stage].function, lines, frozenset())


def joined(a: str, b: str, largest: bool) -> str:
    """Two numbers as one."""
    return f"maximum({a}, {b})" if largest else f"{a} + {b}"


def across(each: list[str], kept: list[str], largest: bool) -> list[str]:
    """Lines for the n-th of `columns` elements of a row, in an accumulator for every 128th; then `kept`, a line for each `total`."""
    count = len(kept)
    return [
        "a = thread()",
        "while a < length:",
        *(f"    sums{k} = zero" for k in range(count)),
        "    n = a",
        "    while n < columns:",
        *(f"        {text}" for text in each),
        f"        n += {BLOCK}",
        *(f"    own{k}[a] = sums{k}" for k in range(count)),
        f"    a += {words.SUMMING}",
        "wait()",
        *(text for k, line in enumerate(kept) for text in _reduced(k, line, largest)),
        "wait()",
    ]


_FIELDS = {
    "matrix": layout.MATRIX, "row": layout.ROW, "rows": layout.ROWS, "begin": layout.COLUMN,
    "columns": layout.COLUMNS, "row_sums": layout.ROW_SUMS, "column_sums": layout.COLUMN_SUMS,
}  # fmt: skip


def _fields(source: str, *wanted: str) -> Iterator[str]:
    for name in wanted:
        yield f"{name} = load({source} + {8 * _FIELDS[name]}, whole)"


def _reduced(k: int, kept: str, largest: bool) -> list[str]:
    """The accumulators of a row become one number: drivers/sums.py, of any number of them."""
    own = f"own{k}"
    if largest:
        halve = [f"total = wide({own}[0])", "for m in range(1, length):"]
        halve += [f"    total = widest(total, wide({own}[m]))"]
        return [
            "if thread() == 0:",
            *(f"    {line}" for line in halve),
            f"    {kept}",
        ]
    return [
        "n = length",
        "while n > 16 and n % 2 == 0:",
        "    n = n // 2",
        "    a = thread()",
        "    while a < n:",
        f"        {own}[a] = {own}[a] + {own}[a + n]",
        f"        a += {words.SUMMING}",
        "    wait()",
        "if thread() == 0:",
        "    total = wide(0)",
        "    for m in range(n):",
        f"        total = total + wide({own}[m])",
        f"    {kept}",
    ]


@cache
def combine(variant: Variant, stage: int) -> Kernel:
    """Renew the slots of lines by what was measured: a block of threads for a tensor."""
    chosen = variant.rule.measures[stage]
    count = chosen.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    body = tile.Body("measure", chosen.function, [], frozenset())
    found = {**names(variant, body), **summing(variant.dtype)}
    found |= {"room_real": from_dtype(np.dtype(np.float64))}
    inside = [*coefficients(variant, body), f"a = addresses + j * {8 * variant.address_columns}"]
    inside += [f"grid = grids + j * {_GRID}"]
    inside += [
        f"{name} = load(grid + {8 * column}, whole)"
        for name, column in (
            ("matrices", layout.MATRICES), ("height", layout.HEIGHT), ("width", layout.WIDTH),
            ("strips_of", layout.FIRST), ("bands", layout.BANDS), ("chunks", layout.CHUNKS),
        )
    ]  # fmt: skip
    each = ["first = strips_of + matrix * bands * chunks"]
    for part in (p for p in variant.parts if p.over != ELEMENT):
        line = variant.rule.lines[int(part.name[1:])]
        assert line is not None
        found[f"combine_{part.name}"] = linked(line[0], variant.dtype)
        if line[1] is not None:
            found[f"seen_{part.name}"] = linked(line[1], variant.dtype)
        each += _renewed(variant, part, count, chosen.reduce != "sum", line[1] is not None)
    inside += ["for matrix in range(matrices):", *(f"    {text}" for text in each)]
    text = [
        f"room = cuda.shared.array({words.SUMMING}, room_real)",
        "j = block()",
        "k = load(tensors + j * 8, whole)",
        "if load(gradients + k * 8, whole) != 0:",
        *(f"    {line}" for line in inside),
    ]
    return kernel("combine_lines", _OWN, text, found, words.SUMMING)


def _renewed(variant: Variant, part: Part, count: int, largest: bool, seen: bool) -> list[str]:
    """The lines of one slot in one matrix: new numbers, their mean, and what the rule sees of them."""
    rows, size = part.over == MEMORY_ROW, variant.dtype.itemsize
    own = tuple_of([f"c{LEADING + i}" for i in range(variant.rule.count_coefficients())])
    n, length = ("height", "width") if rows else ("width", "height")
    most, at, extent, across = (
        (STRIP_ROWS, "row_sums", "rows", "chunks")
        if rows
        else (STRIP_COLUMNS, "column_sums", "columns", "bands")
    )
    strip = f"line // {most} * chunks + s" if rows else f"s * chunks + line // {most}"
    new = "widest({0}, {1})" if largest else "{0} + {1}"
    sums = []
    for i in range(count):
        value = f"load(partials + ({at} + {i} * {extent} + line % {most}) * 8, wide(0))"
        added = new.format(f"total{i}", "value")
        sums += [f"value = {value}", f"total{i} = value if s == 0 else {added}"]
    measured = tuple_of([f"element(total{i})" for i in range(count)])
    place = f"(matrix * {n} + line) * {size}"
    columns = {"before": BEFORE_STEP, "after": RENEWED, "shown": SEEN}
    each = [
        *(f"total{i} = wide(0)" for i in range(count)),
        f"for s in range({across}):",
        f"    strip = strips + (first + {strip}) * {_STRIP}",
        *(f"    {text}" for text in _fields("strip", at, extent)),
        *(f"    {text}" for text in sums),
        f"new = combine_{part.name}({own}, load(before + {place}, zero), {measured}, length)",
        f"store(after + {place}, new)",
        "room[thread()] = wide(new)",
    ]
    lines = [
        *(f"{name} = load(a + {8 * (part.column + k)}, whole)" for name, k in columns.items()),
        f"length = element({length})",
        "sum = wide(0)",
        "at = 0",
        f"while at < {n}:",
        "    line = at + thread()",
        f"    if line < {n}:",
        *(f"        {text}" for text in each),
        "    wait()",
        f"    for m in range(min({words.SUMMING}, {n} - at)):",
        "        sum = sum + room[m]",
        "    wait()",
        f"    at += {words.SUMMING}",
    ]
    if seen:
        old, fresh = f"load(before + {place}, zero)", f"load(after + {place}, zero)"
        lines += [
            f"mean = element(sum / {n})",
            "line = thread()",
            f"while line < {n}:",
            f"    store(shown + {place}, seen_{part.name}({own}, {old}, {fresh}, mean))",
            f"    line += {words.SUMMING}",
        ]
    return lines


@cache
def commit(variant: Variant) -> Kernel:
    """Let the renewed numbers of lines be those that the slots keep: a block of threads for a tensor."""
    size = variant.dtype.itemsize
    inside = [
        f"a, grid = addresses + j * {8 * variant.address_columns}, grids + j * {_GRID}",
        f"matrices = load(grid + {8 * layout.MATRICES}, whole)",
    ]
    for part in (p for p in variant.parts if p.over != ELEMENT):
        n = layout.HEIGHT if part.over == MEMORY_ROW else layout.WIDTH
        inside += [
            f"kept = load(a + {8 * part.column}, whole)",
            f"new = load(a + {8 * (part.column + RENEWED)}, whole)",
            f"n = matrices * load(grid + {8 * n}, whole)",
            "i = thread()",
            "while i < n:",
            f"    store(kept + i * {size}, load(new + i * {size}, zero))",
            f"    i += {words.SUMMING}",
        ]
    text = [
        "j = block()",
        "k = load(tensors + j * 8, whole)",
        "if load(gradients + k * 8, whole) != 0:",
        *(f"    {line}" for line in inside),
    ]
    arguments = ("grids", "tensors", "addresses", "gradients")
    return kernel("commit_lines", arguments, text, {"zero": variant.dtype.type(0)}, words.SUMMING)
