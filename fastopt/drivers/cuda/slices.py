"""What is measured of the rows and columns of matrices: the sums of drivers/lines.py, by the same slices and in the same order.

Arguments, beside those of `fastopt.drivers.cuda.kernels`:

``strips``     int64 (strips, 10): see fastopt/strips.py
``sums_at``    int64 (tensors, 2): where in ``line_sums`` a tensor's sums begin, those of its rows and those of its columns
``line_sums``  for each chunk of columns the sums of rows, float64; for each slice of rows those of columns, in the compute
               dtype; both in the order of the lines, so that those of neighbours are neighbours
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastopt import strips as layout
from fastopt.drivers import bodies
from fastopt.drivers.cuda import text, words
from fastopt.drivers.cuda.kernels import ARGUMENTS, Kernel, joined, kernel, summing
from fastopt.drivers.generate import tuple_of
from fastopt.strips import SLICE_ROWS, STRIP_COLUMNS, STRIP_ROWS
from fastopt.variant import BEFORE_STEP, BLOCK, ELEMENT, MEMORY_ROW, Variant

#: Blocks along y: a strip's slices.
SLICES = STRIP_ROWS // SLICE_ROWS

#: What kernels over lines are called with before what is theirs alone, and where sums are.
OF_TENSOR = tuple(name for name in ARGUMENTS if name != "tiles")
ROOM = ("sums_at", "line_sums")

_STRIP = 10 * 8  # bytes of a row

# Columns and rows whose numbers are all fetched before any is used: memory answers late, so much must be on its way.
_COLUMNS_AHEAD, _ROWS_AHEAD = (2, 1), (8, 1)

# From a row's accumulators in shared memory to the next row's: one more than there are, so that threads
# which read the same one of different rows do not wait for one another.
_PITCH = BLOCK + 1


def room(grids: np.ndarray, count: int, dtype: np.dtype[Any]) -> tuple[np.ndarray, int]:
    """What ``sums_at`` holds for tensors of these grids and so many numbers for each line; bytes of ``line_sums``."""
    matrices, height, width = (grids[:, c] for c in (layout.MATRICES, layout.HEIGHT, layout.WIDTH))
    rows = 8 * count * matrices * grids[:, layout.CHUNKS] * height
    columns = dtype.itemsize * count * matrices * -(-height // SLICE_ROWS) * width
    columns += -columns % 8
    ends = np.cumsum(np.stack([rows, columns], axis=1)).reshape(-1, 2)
    starts = ends - np.stack([rows, columns], axis=1)
    return np.ascontiguousarray(starts, np.int64), int(ends.max(initial=0))


@cache
def measure(variant: Variant, stage: int) -> Kernel:
    """A stage's numbers for the rows and columns of each slice of a strip: a block of threads for a slice."""
    count = variant.line_numbers()
    body = measuring(variant, stage)
    # as many rows as there is room for: their sums become numbers together
    group = min(SLICE_ROWS, max(1, 256 // (count * variant.dtype.itemsize)))
    line = f"((matrix * slices + slice) * {count} + {{k}}) * width + column"
    place = f"columns_at + ({line}) * {variant.dtype.itemsize}"
    each = [
        "last = min(base + group, rows)",
        "m = thread()",
        "while m < length:",
        "    n = m",
        *(
            f"    {one}"
            for ahead in _COLUMNS_AHEAD
            for one in _columns(variant, stage, body, ahead, place)
        ),
        f"    m += {words.SUMMING}",
        "wait()",
        *_rows_reduced(count, variant.rule.measures[stage].reduce != "sum"),
        "wait()",
        "base += group",
    ]
    inside = [
        *text.coefficients(variant, body),
        *(
            f"{name} = load(strip + {8 * column}, whole)"
            for name, column in (
                ("matrix", layout.MATRIX), ("row", layout.ROW), ("rows", layout.ROWS),
                ("begin", layout.COLUMN), ("columns", layout.COLUMNS),
            )
        ),
        *text.places(variant, body, BEFORE_STEP),
        *sums_at(),
        f"length = min(columns, {BLOCK})",
        f"row, rows = row + piece() * {SLICE_ROWS}, min(rows - piece() * {SLICE_ROWS}, {SLICE_ROWS})",
        f"slice, slices = row // {SLICE_ROWS}, (height + {SLICE_ROWS - 1}) // {SLICE_ROWS}",
        f"chunk, chunks = begin // {STRIP_COLUMNS}, (width + {STRIP_COLUMNS - 1}) // {STRIP_COLUMNS}",
        "line = matrix * height + row",
        "offset, base = 0, 0",
        "while base < rows:",
        *(f"    {one}" for one in each),
    ]  # fmt: skip
    lines = [
        *(f"own{k} = cuda.shared.array({group * _PITCH}, real)" for k in range(count)),
        f"strip = strips + block() * {_STRIP}",
        f"j = load(strip + {8 * layout.TENSOR}, whole)",
        *of_tensor(["shift, forward = 0, 0", *inside]),
    ]
    lines = [line.replace("group", str(group)) for line in lines]
    found = {**text.names(variant, body), **summing(variant.dtype), "piece": words.piece}
    return kernel("measure_lines", ("strips", *OF_TENSOR, *ROOM), lines, found, words.SUMMING)


def measuring(variant: Variant, stage: int) -> bodies.Body:
    """What a stage finds of an element: `v0`, `v1`, ..."""
    lines = bodies.gradient_lines(variant)
    lines.append(
        f"{tuple_of([f'v{k}' for k in range(variant.line_numbers())])} = measure({bodies.arguments(variant)})"
    )
    return bodies.Body("measure", variant.rule.measures[stage].function, lines, frozenset())


def _columns(variant: Variant, stage: int, body: bodies.Body, ahead: int, place: str) -> list[str]:
    """From column n on: `ahead` of a thread's columns at a time, as long as there are so many."""
    count, size = variant.line_numbers(), variant.dtype.itemsize
    both = [(k, j) for k in range(count) for j in range(ahead)]
    down = {(k, j): place.format(k=k).replace("column)", f"column + {BLOCK * j})") for k, j in both}
    shown = [part.name for part in variant.parts if part.over not in (ELEMENT, MEMORY_ROW)]
    inside = [
        "column = begin + n",
        *(f"down{k}_{j} = zero" for k, j in both),
        "if base > 0:",
        *(f"    down{k}_{j} = load({down[k, j]}, zero)" for k, j in both),
        *(
            f"{name}_{j} = load(at_{name} + (matrix * width + column + {BLOCK * j}) * {size}, zero)"
            for name in shown
            for j in range(ahead)
        ),
        "r = base",
    ]
    for rows in _ROWS_AHEAD:
        inside += [
            f"while r + {rows} <= last:",
            *(f"    {one}" for one in _elements(variant, stage, body, rows, ahead)),
            f"    r += {rows}",
        ]
    inside += [f"store({down[k, j]}, down{k}_{j})" for k, j in both]
    inside.append(f"n += {BLOCK * ahead}")
    return [f"while n + {BLOCK * (ahead - 1)} < columns:", *(f"    {one}" for one in inside)]


def _elements(variant: Variant, stage: int, body: bodies.Body, rows: int, ahead: int) -> list[str]:
    """`rows` rows from r on, `ahead` columns each: all numbers are fetched, then used."""
    count, size = variant.line_numbers(), variant.dtype.itemsize
    largest = variant.rule.measures[stage].reduce != "sum"
    over_rows = [part.name for part in variant.parts if part.over == MEMORY_ROW]
    over_columns = [part.name for part in variant.parts if part.over not in (ELEMENT, MEMORY_ROW)]
    lines = ["i0 = (line + r) * width + column"]
    lines += [f"i{q} = i{q - 1} + width" for q in range(1, rows)]
    for q in range(rows):
        lines += [
            f"{name}_{q} = load(at_{name} + (line + r + {q}) * {size}, zero)" for name in over_rows
        ]
        lines += [
            f"{name}_{q}_{j} = load(at_{name} + (i{q} + {BLOCK * j}) * {size}, zero)"
            for name in text.read(variant, body)
            for j in range(ahead)
        ]
    for q in range(rows):
        own = f"(r - base + {q}) * {_PITCH} + m"
        lines += [f"{name} = {name}_{q}" for name in over_rows]
        lines += [f"sums{k} = own{k}[{own}] if n >= {BLOCK} else zero" for k in range(count)]
        for j in range(ahead):
            suffix, place = f"_{q}_{j}", f"i{q} + {BLOCK * j}"
            lines += [f"{name}{suffix} = {name}_{j}" for name in over_columns]
            lines += text.noise_of(variant, place)
            lines += text.of_units(variant, body, place, suffix)
            lines += text.numbers(body.lines, suffix)
            for k in range(count):
                lines.append(f"sums{k} = {joined(f'sums{k}', f'v{k}', largest)}")
                lines.append(f"down{k}_{j} = {joined(f'down{k}_{j}', f'v{k}', largest)}")
        lines += [f"own{k}[{own}] = sums{k}" for k in range(count)]
    return lines


def _rows_reduced(count: int, largest: bool) -> list[str]:
    """The accumulators of each row from `base` to `last` become one number: drivers/sums.py, of any number of them."""
    few = [
        "a = thread()",
        "while a < (last - base) * 16:",
        f"    at = a // 16 * {_PITCH} + a % 16",
        *(f"    own{k}[at] = {eight(f'own{k}[at + {{}}]', largest)}" for k in range(count)),
        f"    a += {words.SUMMING}",
        "wait()",
        "few = 16",
    ]
    each = []
    for k in range(count):
        new = "widest(total, {})" if largest else "total + {}"
        each += [
            "left = few",
            "while left > 16 and left % 2 == 0:",
            "    left = left // 2",
            "    for a in range(left):",
            f"        own{k}[at + a] = {joined(f'own{k}[at + a]', f'own{k}[at + left + a]', largest)}",
            "total = wide(0)",
            "for a in range(left):",
            f"    total = {new.format(f'wide(own{k}[at + a])')}",
            f"at_row = (matrix * chunks + chunk) * {count} + {k}",
            "store(rows_at + (at_row * height + row + r) * 8, total)",
        ]
    return [
        "few = length",
        f"if length == {BLOCK}:",
        *(f"    {one}" for one in few),
        "r = base + thread()",
        "while r < last:",
        f"    at = (r - base) * {_PITCH}",
        *(f"    {one}" for one in each),
        f"    r += {words.SUMMING}",
    ]


def eight(own: str, largest: bool) -> str:
    """Every 16th of 128 numbers, as halves upon halves add them up."""
    of = [own.format(16 * m) for m in range(8)]
    while len(of) > 1:
        half = len(of) // 2
        of = [
            joined(a, b, largest) if largest else f"({a} + {b})"
            for a, b in zip(of[:half], of[half:], strict=True)
        ]
    return of[0]


def of_tensor(inside: list[str]) -> list[str]:
    """What happens if tensor j has a gradient."""
    return [
        "k = load(tensors + j * 8, whole)",
        "gradient = load(gradients + k * 8, whole)",
        "if gradient != 0:",
        *(f"    {line}" for line in inside),
    ]


def sums_at() -> list[str]:
    """Where the sums of tensor j begin."""
    return [
        "rows_at = line_sums + load(sums_at + j * 16, whole)",
        "columns_at = line_sums + load(sums_at + j * 16 + 8, whole)",
    ]
