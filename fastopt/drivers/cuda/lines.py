"""Kernels over the lines of matrices: slots with a number per row or column are renewed, seen and kept, a thread for a line.

Arguments, beside those of `fastopt.drivers.cuda.kernels` and `fastopt.drivers.cuda.slices`:

``grids``   int64 (tensors, 6): see fastopt/strips.py
``pieces``  blocks along y, which share a tensor's lines
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import from_dtype

from fastopt import strips as layout
from fastopt.drivers import bodies
from fastopt.drivers.cuda import text, words
from fastopt.drivers.cuda.functions import linked
from fastopt.drivers.cuda.kernels import Kernel, kernel, summing
from fastopt.drivers.cuda.slices import (
    OF_TENSOR,
    ROOM,
    SLICES,
    eight,
    of_tensor,
    sums_at,
)
from fastopt.drivers.generate import tuple_of
from fastopt.strips import SLICE_ROWS
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

_GRID = 6 * 8  # bytes of a row

# The most blocks for a tensor, and the most of them that take the mean of a matrix, each the whole.
_PIECES, _SHARES = 512, 32

# Strips, and numbers for a mean, that are fetched before any is used.
_STRIPS_AHEAD, _LINES_AHEAD = (4, 1), 8


def pieces(grids: np.ndarray) -> int:
    """Blocks along y for the lines of tensors of these grids."""
    longest = np.maximum(grids[:, layout.HEIGHT], grids[:, layout.WIDTH])
    most = int((grids[:, layout.MATRICES] * longest).max(initial=0))
    return min(-(-most // words.SUMMING), _PIECES)


@cache
def combine(variant: Variant, stage: int) -> Kernel:
    """Renew the slots of lines by what was measured: a thread for a line."""
    count = variant.line_numbers()
    body, found = _over_lines(variant, stage)
    inside = [*text.coefficients(variant, body), *_lying(variant), *sums_at()]
    inside += [f"chunks = load(grid + {8 * layout.CHUNKS}, whole)"]
    for part in _line_parts(variant):
        line = _line(variant, part)
        found[f"combine_{part.name}"] = linked(line[0], variant.dtype)
        inside += _renewed(variant, stage, part, count)
    lines = ["j = block()", *of_tensor(inside)]
    return kernel(
        "combine_lines", ("grids", *OF_TENSOR, *ROOM, "pieces"), lines, found, words.SUMMING
    )


def _renewed(variant: Variant, stage: int, part: Part, count: int) -> list[str]:
    """The new numbers of one slot."""
    rows, size = part.over == MEMORY_ROW, variant.dtype.itemsize
    n, length = ("height", "width") if rows else ("width", "height")
    measured = tuple_of([f"element(total{i})" for i in range(count)])
    place = f"(matrix * {n} + line) * {size}"
    add = "widest({}, {})" if variant.rule.measures[stage].reduce != "sum" else "{} + {}"
    added = _rows_added(count, add) if rows else _columns_added(count, size, add)
    each = [
        f"matrix = quotient(at, {n})",
        f"line = at - matrix * {n}",
        *(f"total{i} = wide(0)" for i in range(count)),
        *added,
        f"new = combine_{part.name}({_own(variant)}, load(before + {place}, zero), {measured}, length)",
        f"store(after + {place}, new)",
        f"at += pieces * {words.SUMMING}",
    ]
    return [
        f"before = load(a + {8 * (part.column + BEFORE_STEP)}, whole)",
        f"after = load(a + {8 * (part.column + RENEWED)}, whole)",
        f"length = element({length})",
        f"at = piece() * {words.SUMMING} + thread()",
        f"while at < matrices * {n}:",
        *(f"    {one}" for one in each),
    ]


def _rows_added(count: int, add: str) -> Iterator[str]:
    """The sums of a row of all chunks, in their order."""
    yield f"first = rows_at + (matrix * chunks * {count} * height + line) * 8"
    yield "s = 0"
    for ahead in _STRIPS_AHEAD:
        yield f"while s + {ahead} <= chunks:"
        both = [(s, i) for s in range(ahead) for i in range(count)]
        for s, i in both:
            yield f"    x{s}_{i} = load(first + ((s + {s}) * {count} + {i}) * height * 8, wide(0))"
        for s, i in both:
            yield f"    total{i} = {add.format(f'total{i}', f'x{s}_{i}')}"
        yield f"    s += {ahead}"


def _columns_added(count: int, size: int, add: str) -> Iterator[str]:
    """The sums of a column of all slices: those of a strip, then the strips."""
    yield f"slices = (height + {SLICE_ROWS - 1}) // {SLICE_ROWS}"
    yield f"first = columns_at + (matrix * slices * {count} * width + line) * {size}"
    yield "s = 0"
    slice_of = f"load(first + ((s + {{}}) * {count} + {{}}) * width * {size}, zero)"
    for strips in _STRIPS_AHEAD:
        ahead = strips * SLICES
        yield f"while s + {ahead} <= slices:"
        for i in range(count):
            for s in range(ahead):
                yield f"    x{s} = wide({slice_of.format(s, i)})"
            for s in range(0, ahead, SLICES):
                band = f"x{s}"
                for t in range(1, SLICES):
                    band = add.format(band, f"x{s + t}")
                yield f"    band = {band}"
                yield f"    total{i} = {add.format(f'total{i}', 'band')}"
        yield f"    s += {ahead}"
    yield "if s < slices:"
    for i in range(count):
        yield f"    band, t = wide({slice_of.format(0, i)}), 1"
        yield "    while s + t < slices:"
        another = add.format("band", f"wide({slice_of.format('t', i)})")
        yield f"        band = {another}"
        yield "        t += 1"
        yield f"    total{i} = {add.format(f'total{i}', 'band')}"


@cache
def see(variant: Variant, stage: int) -> Kernel | None:
    """What the rule sees of renewed lines where that is not what is kept; their mean first."""
    body, found = _over_lines(variant, stage)
    found["room_real"] = from_dtype(np.dtype(np.float64))
    inside = [*text.coefficients(variant, body), *_lying(variant)]
    seen = [part for part in _line_parts(variant) if _line(variant, part)[1] is not None]
    for part in seen:
        function = _line(variant, part)[1]
        assert function is not None
        found[f"seen_{part.name}"] = linked(function, variant.dtype)
        inside += _shown(variant, part)
    lines = [f"lanes = cuda.shared.array({BLOCK}, room_real)", "j = block()", *of_tensor(inside)]
    made = kernel("see_lines", ("grids", *OF_TENSOR, "pieces"), lines, found, words.SUMMING)
    return made if seen else None


def _shown(variant: Variant, part: Part) -> list[str]:
    """One slot, as the rule sees it: each block takes the whole mean and writes its share of a matrix."""
    n = "height" if part.over == MEMORY_ROW else "width"
    size = variant.dtype.itemsize
    old, fresh = (f"load({which} + (first + line) * {size}, zero)" for which in ("before", "after"))
    many = [
        f"load(after + (first + line + {BLOCK * x}) * {size}, zero)" for x in range(_LINES_AHEAD)
    ]
    lane = [
        "line, sum = m, wide(0)",
        f"while line + {BLOCK * (_LINES_AHEAD - 1)} < {n}:",
        *(f"    x{x} = {value}" for x, value in enumerate(many)),
        *(f"    sum = sum + wide(x{x})" for x in range(_LINES_AHEAD)),
        f"    line += {BLOCK * _LINES_AHEAD}",
        f"while line < {n}:",
        f"    sum = sum + wide({many[0]})",
        f"    line += {BLOCK}",
        "lanes[m] = sum",
        f"m += {words.SUMMING}",
    ]
    each = [
        "matrix = unit // shares",
        f"first, share = matrix * {n}, unit - matrix * shares",
        "m = thread()",
        f"while m < {BLOCK}:",
        *(f"    {one}" for one in lane),
        "wait()",
        "m = thread()",
        "while m < 16:",
        f"    lanes[m] = {eight('lanes[m + {}]', False)}",
        f"    m += {words.SUMMING}",
        "wait()",
        "sum = wide(0)",
        "for m in range(16):",
        "    sum = sum + lanes[m]",
        f"mean = element(sum / {n})",
        "line = share * most + thread()",
        f"while line < min((share + 1) * most, {n}):",
        f"    store(shown + (first + line) * {size}, seen_{part.name}({_own(variant)}, {old}, {fresh}, mean))",
        f"    line += {words.SUMMING}",
        "wait()",
        "unit += pieces",
    ]
    columns = {"before": BEFORE_STEP, "after": RENEWED, "shown": SEEN}
    return [
        *(f"{name} = load(a + {8 * (part.column + k)}, whole)" for name, k in columns.items()),
        f"shares = min(({n} + {words.SUMMING - 1}) // {words.SUMMING}, {_SHARES})",
        f"most = ({n} + shares - 1) // max(1, shares)",
        "unit = piece()",
        "while unit < matrices * shares:",
        *(f"    {one}" for one in each),
    ]


@cache
def commit(variant: Variant) -> Kernel:
    """Let the renewed numbers of lines be those that the slots keep: a thread for a line."""
    size = variant.dtype.itemsize
    inside = _lying(variant)
    for part in _line_parts(variant):
        n = "height" if part.over == MEMORY_ROW else "width"
        inside += [
            f"kept = load(a + {8 * part.column}, whole)",
            f"new = load(a + {8 * (part.column + RENEWED)}, whole)",
            f"i = piece() * {words.SUMMING} + thread()",
            f"while i < matrices * {n}:",
            f"    store(kept + i * {size}, load(new + i * {size}, zero))",
            f"    i += pieces * {words.SUMMING}",
        ]
    arguments = ("grids", "tensors", "addresses", "gradients", "pieces")
    found = {"zero": variant.dtype.type(0), "piece": words.piece}
    return kernel(
        "commit_lines", arguments, ["j = block()", *of_tensor(inside)], found, words.SUMMING
    )


def _line_parts(variant: Variant) -> list[Part]:
    return [part for part in variant.parts if part.over != ELEMENT]


def _line(variant: Variant, part: Part) -> tuple[Any, Any]:
    """How a slot is renewed and seen."""
    line = variant.rule.lines[int(part.name[1:])]
    assert line is not None
    return line


def _own(variant: Variant) -> str:
    return tuple_of([f"c{LEADING + i}" for i in range(variant.rule.count_coefficients())])


def _over_lines(variant: Variant, stage: int) -> tuple[bodies.Body, dict[str, Any]]:
    body = bodies.Body("measure", variant.rule.measures[stage].function, [], frozenset())
    found = {**text.names(variant, body), **summing(variant.dtype)}
    return body, {**found, "piece": words.piece, "quotient": words.quotient}


def _lying(variant: Variant) -> list[str]:
    """How tensor j lies in memory."""
    fields = {"matrices": layout.MATRICES, "height": layout.HEIGHT, "width": layout.WIDTH}
    return [
        f"a, grid = addresses + j * {8 * variant.address_columns}, grids + j * {_GRID}",
        *(f"{name} = load(grid + {8 * column}, whole)" for name, column in fields.items()),
    ]
