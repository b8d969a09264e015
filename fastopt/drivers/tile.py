"""The loop over one tile: written out for a variant's slots and storages, then compiled.

The text is generated because the number of slots and coefficients differs between optimizers and a
plain loop is what LLVM vectorises. `source` shows it; for AdamW in float32 it reads::

    def tile(c, a, offset, n, gradient, out, scratch, sums):
        c0, c6, c7, ... = c[0], c[6], c[7], ...
        for start in range(offset, offset + n, 128):
            m = min(128, offset + n - start)
            prefetch_stream(a[0] + (start + 1024) // 1 * 4, 8)
            ...
            p = open_p(start, m, scratch[0], a[0])
            g = open_g(start, m, scratch[1], gradient)
            s0 = open_s0(start, m, scratch[2], a[1])
            s1 = open_s1(start, m, scratch[3], a[2])
            for i in range(m):
                x = c0 * g[i]
                p[i], (s0[i], s1[i], _) = update((c6, ...), p[i], x, (s0[i], s1[i], zero))

Options add their lines where they are asked for. A slot with a number per row or column makes the blocks end
at the matrix's rows, so that its number is either the same for a block or lies beside the elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba

from fastopt.drivers import (
    bodies,
    noise,
    scalars,  # noqa: F401  (rules compile only with its overloads)
    units,
)
from fastopt.drivers.compile import Compiled, compiled, rule_function
from fastopt.drivers.generate import generated
from fastopt.drivers.machine import pointer, prefetch_stream
from fastopt.scalar import clamp, maximum
from fastopt.storage import Storage
from fastopt.variant import BLOCK, ELEMENT, MEMORY_ROW, ROWS, SEEN, Variant

# How many elements ahead memory is asked for, once in a block. Divisions and roots keep so many
# instructions waiting that the processor no longer sees the next loads in time: asking for them made
# steps that stream from memory up to 20% faster, and cost nothing in the cache (docs/decisions/0005); not on
# all processors (0023).
AHEAD = 1024
CACHE_LINE = 64


def loop(variant: Variant, body: bodies.Body) -> Compiled:
    """``tile(c, a, offset, n, gradient, out, scratch, sums)``: the body over n elements."""
    return compiled(generated("tile", source(variant, body), names(variant, body)))


def names(variant: Variant, body: bodies.Body) -> dict[str, Any]:
    """What the text of a loop refers to."""
    found: dict[str, Any] = {
        body.name: rule_function(body.function),
        "zero": variant.dtype.type(0),
        "one": variant.dtype.type(1),
        "prefetch_stream": prefetch_stream,
        "clamp": clamp,
        "maximum": maximum,
        "block_key": noise.block_key,
        "normal": noise.normal,
        "carray": numba.carray,
        "pointer": pointer,
        "element": numba.from_dtype(variant.dtype),
        "gains": units.gains(variant.dtype),
    }
    arrays = [(part.name, part.storage) for part in variant.parts if part.over == ELEMENT]
    for name, storage in [*arrays, ("g", variant.gradient), ("o", variant.parameter)]:
        found[f"open_{name}"] = compiled(storage.open)
        if storage.close is not None:
            found[f"close_{name}"] = compiled(storage.close)
    return found


def source(variant: Variant, body: bodies.Body) -> list[str]:
    """The lines of a variant's loop."""
    inside = [*loaded(variant, body), *blocks(variant, body)]
    return [
        "def tile(c, a, offset, n, gradient, out, scratch, sums):",
        *(f"    {line}" for line in inside),
    ]


def loaded(variant: Variant, body: bodies.Body) -> list[str]:
    """What is the same for all blocks: coefficients, and accumulators."""
    used = bodies.used_coefficients(variant, body)
    lines = []
    if used:
        lines.append(f"{', '.join(f'c{i}' for i in used)} = {', '.join(f'c[{i}]' for i in used)}")
    return lines + [f"sums{k} = sums[{k}]" for k in range(body.sums)]


def blocks(variant: Variant, body: bodies.Body) -> list[str]:
    """The loop over n elements from an offset, block by block."""
    block = max(BLOCK, variant.block)
    if not variant.has_lines:
        lines = [
            f"for start in range(offset, offset + n, {block}):",
            f"    m = min({block}, offset + n - start)",
        ]
    else:
        height, width = (f"a[{variant.columns - 2 + i}]" for i in range(2))
        lines = [
            f"height, width, start, row = {height}, {width}, offset, offset // {width}",
            "column, matrix = offset - row * width, row // height",
            "while start < offset + n:",
            f"    m = min({block}, offset + n - start, width - column)",
        ]
    inside = [
        *prefetches(variant, body, block),
        *opened(variant, body),
        "for i in range(m):",
        *(f"    {line}" for line in body.lines),
        *_closed(variant, body),
        *(_NEXT_BLOCK if variant.has_lines else []),
    ]
    return lines + [f"    {line}" for line in inside]


_NEXT_BLOCK = [
    "start += m",
    "column += m",
    "if column == width:",
    "    column = 0",
    "    row += 1",
    "    if row == (matrix + 1) * height:",
    "        matrix += 1",
]


def arrays(variant: Variant, body: bodies.Body) -> Iterator[tuple[str, Storage, list[str], int]]:
    """Name, storage, addresses and row of scratch of every array with a number per element."""
    for i, part in enumerate(p for p in variant.parts if p.over == ELEMENT):
        where = [f"a[{part.column + k}]" for k in range(part.columns)]
        yield part.name, part.storage, where, i + (i > 0)
        if part.name == "p" and body.gradient:
            yield "g", variant.gradient, ["gradient"], 1
            if "o" in body.closed:
                yield "o", variant.parameter, ["out"], 0


def prefetches(variant: Variant, body: bodies.Body, block: int) -> Iterator[str]:
    """Ask for the memory of a later block; where rows lie anywhere, the driver does."""
    if ROWS in variant.options:
        return
    for name, storage, where, _ in arrays(variant, body):
        if name in body.touched:
            for column, address in zip(storage.columns, where, strict=True):
                size, per = column.dtype.itemsize, column.per
                lines = max(1, block // per * size // CACHE_LINE)
                yield f"prefetch_stream({address} + (start + {AHEAD}) // {per} * {size}, {lines})"


def key(variant: Variant, start: str) -> list[str]:
    """The key of the noise of a block that starts there, if there is noise."""
    numbers = ", ".join(f"c[{variant.keys + i}]" for i in range(noise.KEYS))
    return [f"key0, key1 = block_key({numbers}, {start})"] if variant.draws else []


def opened(variant: Variant, body: bodies.Body, shown: int = SEEN) -> Iterator[str]:
    """The key of a block's noise, and its arrays or one number for its row; `shown` of a slot of lines' columns."""
    yield from key(variant, "start")
    for name, _, where, row in arrays(variant, body):
        yield f"{name} = open_{name}(start, m, scratch[{row}], {', '.join(where)})"
    if body.gradient and variant.unit_columns:
        lying = ", ".join(f"a[{column}]" for column in variant.unit_columns)
        yield f"u = gains(start, m, scratch[{variant.arrays}], {lying})"
    size = variant.dtype.itemsize
    for part in variant.parts:
        if part.over != ELEMENT:
            at = f"a[{part.column + shown}]"
            if part.over == MEMORY_ROW:
                yield f"{part.name} = carray(pointer({at} + row * {size}, element), 1)[0]"
            else:
                place = f"{at} + (matrix * width + column) * {size}"
                yield f"{part.name} = carray(pointer({place}, element), m)"


def _closed(variant: Variant, body: bodies.Body) -> Iterator[str]:
    for name, storage, where, _ in arrays(variant, body):
        if name in body.closed and storage.close is not None:
            yield f"close_{name}(start, m, {name}, {', '.join(where)})"
