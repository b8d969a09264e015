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

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba

from fastopt.drivers import (
    noise,
    scalars,  # noqa: F401  (rules compile only with its overloads)
    units,
)
from fastopt.drivers.compile import Compiled, compiled, rule_function
from fastopt.drivers.generate import generated, tuple_of
from fastopt.drivers.machine import pointer, prefetch_stream
from fastopt.scalar import clamp, maximum
from fastopt.storage import Storage
from fastopt.variant import (
    BLOCK,
    CLIP_ADAPTIVE,
    CLIP_VALUE,
    ELEMENT,
    FACTOR,
    FRESH,
    HIGH,
    LEADING,
    LIMIT,
    LOW,
    MEMORY_ROW,
    MONITOR,
    NORMAL,
    PROPOSE,
    ROWS,
    SECOND,
    SEEN,
    SWITCH,
    TWO_FACTORS,
    ZERO_GRADS,
    Variant,
)  # fmt: skip

# How many elements ahead memory is asked for, once in a block. Divisions and roots keep so many
# instructions waiting that the processor no longer sees the next loads in time: asking for them made
# steps that stream from memory up to 20% faster, and cost nothing in the cache (docs/decisions/0005); not on
# all processors (0023).
AHEAD = 1024
CACHE_LINE = 64


class Body(NamedTuple):
    """What a loop does with each element.

    Attributes
    ----------
    name, function : str, callable
        The rule's function that it calls, and what the text calls it.
    lines : list of str
        The text inside the loop; ``x`` is the gradient as the rule sees it.
    touched : frozenset of str
        The arrays whose memory is worth asking for ahead.
    gradient : bool
        Whether there is a gradient.
    closed : frozenset of str
        The arrays that are written.
    sums : int
        Rows of `sums` that are added to, an entry per element of a block.
    """

    name: str
    function: Callable[..., Any]
    lines: list[str]
    touched: frozenset[str]
    gradient: bool = True
    closed: frozenset[str] = frozenset()
    sums: int = 0


def loop(variant: Variant, body: Body) -> Compiled:
    """``tile(c, a, offset, n, gradient, out, scratch, sums)``: the body over n elements."""
    return compiled(generated("tile", source(variant, body), names(variant, body)))


def names(variant: Variant, body: Body) -> dict[str, Any]:
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


def update(variant: Variant) -> Body:
    """The rule's update of one element, with what its options add."""
    options, rule = variant.options, variant.rule
    kept = {
        f"s{i}": f"s{i}[i]"
        for i, (name, storage, over) in enumerate(
            zip(rule.slots, variant.slots, variant.over, strict=True)
        )
        if storage is not None and over == ELEMENT and PROPOSE not in options
        if name not in rule.filled
    }
    slots = tuple_of([kept.get(f"s{i}", "_") for i in range(len(variant.slots))])
    call = f"{slots if variant.slots else '_'} = update({arguments(variant)})"
    after = []
    if variant.bounded:
        after.append(f"q = clamp(q, c{LOW}, c{HIGH})")
    if MONITOR in options:
        after += ["d = q - p[i]", "sums0[i] += d * d", "sums1[i] += q * q"]
    if PROPOSE in options:
        after.append("o[i] = q")
    elif after or variant.average is not None:
        after.append("p[i] = q")
        after += [f"e[i] += c{FRESH} * (q - e[i])"] if variant.average is not None else []
    if ZERO_GRADS in options:
        after.append("g[i] = zero")
    simple = not any(line.startswith(("q", "o[i]", "p[i]")) for line in after)
    lines = [*gradient_lines(variant), f"{'p[i]' if simple else 'q'}, {call}", *after]
    written = {*kept, *(["o"] if PROPOSE in options else ["p"])}
    written |= {"e"} if variant.average is not None and PROPOSE not in options else set()
    written |= {"g"} if ZERO_GRADS in options else set()
    touched = {p.name for p in variant.parts} | {"g"} | written
    touched -= {"e"} if PROPOSE in options else set()
    return Body(
        "update",
        variant.rule.update, lines, frozenset(touched), closed=frozenset(written),
        sums=2 if MONITOR in options else 0,
    )  # fmt: skip


def move(variant: Variant, name: str) -> Body:
    """One of the rule's moves, which see no gradient, or of its folds, which see another array in its place."""
    slots = [
        f"s{i}[i]" if storage is not None and over == ELEMENT else "_"
        for i, (storage, over) in enumerate(zip(variant.slots, variant.over, strict=True))
    ]
    fold = name in dict(variant.rule.folds)
    line = f"p[i], {tuple_of(slots) if slots else '_'} = move({arguments(variant, gradient=fold)})"
    lines = [*gradient_lines(variant), line] if fold else [line]
    written = frozenset(p.name for p in variant.parts if p.over == ELEMENT) - {"e"}
    # what a fold hands on as it was is not written, and need not be asked for either
    touched = frozenset() if fold else written
    function = dict((*variant.rule.moves, *variant.rule.folds))[name]
    return Body("move", function, lines, touched, gradient=fold, closed=written)


def measure(variant: Variant, stage: int) -> Body:
    """One of the rule's measures: added to, or the largest kept in, a row of sums per number."""
    chosen = variant.rule.measures[stage]
    count = chosen.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    filled = [f"s{variant.rule.slots.index(chosen.into)}"] if chosen.into else []
    count -= len(filled)
    numbers = [*(f"{name}[i]" for name in filled), *(f"v{k}" for k in range(count))]
    lines = [*gradient_lines(variant), f"{tuple_of(numbers)} = measure({arguments(variant)})"]
    for k in range(count):
        new = f"sums{k}[i] + v{k}" if chosen.reduce == "sum" else f"maximum(sums{k}[i], v{k})"
        lines.append(f"sums{k}[i] = {new}")
    touched, closed = variant.reads(stage) | set(filled), frozenset(filled)
    return Body("measure", chosen.function, lines, touched, closed=closed, sums=count)


def gradient_lines(variant: Variant) -> list[str]:
    """The gradient as the rule sees it."""
    # loaded first: measured 10% faster from DRAM than after the parameter
    second = f" * c{SECOND}" if TWO_FACTORS in variant.options else ""
    own = " * u[i]" if CLIP_ADAPTIVE in variant.options else ""
    lines = [f"x = c{FACTOR} * g[i]{second}{own}"]
    return lines + ([f"x = clamp(x, -c{LIMIT}, c{LIMIT})"] if CLIP_VALUE in variant.options else [])


def arguments(variant: Variant, gradient: bool = True) -> str:
    """What a rule's function is called with."""
    own = [f"c{LEADING + i}" for i in range(variant.rule.count_coefficients())]
    present = {part.name: part for part in variant.parts}
    slots = []
    for i in range(len(variant.slots)):
        part, over = present.get(f"s{i}"), variant.over[i]
        virtual = _COMPUTED.get(over, "zero")
        slots.append(virtual if part is None else f"s{i}" if over == MEMORY_ROW else f"s{i}[i]")
    return ", ".join([tuple_of(own), "p[i]", *(["x"] if gradient else []), tuple_of(slots)])


# What the rule reads for slots without memory.
_COMPUTED = {SWITCH: "one", NORMAL: "element(normal(key0, key1, i))"}


def source(variant: Variant, body: Body) -> list[str]:
    """The lines of a variant's loop."""
    inside = [*loaded(variant, body), *blocks(variant, body)]
    return [
        "def tile(c, a, offset, n, gradient, out, scratch, sums):",
        *(f"    {line}" for line in inside),
    ]


def loaded(variant: Variant, body: Body) -> list[str]:
    """What is the same for all blocks: coefficients, and accumulators."""
    used = used_coefficients(variant, body)
    lines = []
    if used:
        lines.append(f"{', '.join(f'c{i}' for i in used)} = {', '.join(f'c[{i}]' for i in used)}")
    return lines + [f"sums{k} = sums[{k}]" for k in range(body.sums)]


def used_coefficients(variant: Variant, body: Body) -> list[int]:
    """The columns of a row of coefficients that a loop refers to."""
    numbers = range(LEADING, LEADING + variant.rule.count_coefficients())
    return [*sorted(set(range(LEADING)) & _mentioned(body.lines)), *numbers]


def blocks(variant: Variant, body: Body) -> list[str]:
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


def _mentioned(lines: list[str]) -> set[int]:
    text = " ".join(lines)
    return {i for i in range(LEADING) if re.search(rf"\bc{i}\b", text)}


def arrays(variant: Variant, body: Body) -> Iterator[tuple[str, Storage, list[str], int]]:
    """Name, storage, addresses and row of scratch of every array with a number per element."""
    for i, part in enumerate(p for p in variant.parts if p.over == ELEMENT):
        where = [f"a[{part.column + k}]" for k in range(part.columns)]
        yield part.name, part.storage, where, i + (i > 0)
        if part.name == "p" and body.gradient:
            yield "g", variant.gradient, ["gradient"], 1
            if "o" in body.closed:
                yield "o", variant.parameter, ["out"], 0


def prefetches(variant: Variant, body: Body, block: int) -> Iterator[str]:
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


def opened(variant: Variant, body: Body, shown: int = SEEN) -> Iterator[str]:
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


def _closed(variant: Variant, body: Body) -> Iterator[str]:
    for name, storage, where, _ in arrays(variant, body):
        if name in body.closed and storage.close is not None:
            yield f"close_{name}(start, m, {name}, {', '.join(where)})"
