"""The text of kernels over elements: what surrounds the lines of drivers/bodies.py, with numbers in variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastopt.drivers import bodies, noise
from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.functions import linked, scalars
from fastopt.drivers.generate import tuple_of
from fastopt.drivers.noise import KEYS
from fastopt.table import OFFSET, SHIFT, TENSOR
from fastopt.variant import ELEMENT, MEMORY_ROW, SEEN, Variant

#: Bytes of a row of the table of tiles.
TILE_ROW = 5 * 8


def head(variant: Variant, body: bodies.Body, inside: list[str], shown: int = SEEN) -> list[str]:
    """What a block of threads learns about its tile, around what it does with it; `shown` of a slot of lines' columns."""
    size = variant.dtype.itemsize
    read = [
        *coefficients(variant, body),
        f"offset = load(row + {8 * OFFSET}, whole)",
        f"shift, forward = offset * {size}, load(row + {8 * SHIFT}, whole)",
        *places(variant, body, shown),
        *_first_line(variant),
    ]
    return [
        f"row = tiles + block() * {TILE_ROW}",
        f"j = load(row + {8 * TENSOR}, whole)",
        "k = load(tensors + j * 8, whole)",
        "gradient = load(gradients + k * 8, whole)",
        "if gradient != 0:",
        *(f"    {line}" for line in [*read, *inside]),
    ]


def coefficients(variant: Variant, body: bodies.Body) -> list[str]:
    """Fetch the numbers of tensor j that a loop refers to."""
    size = variant.dtype.itemsize
    used = bodies.used_coefficients(variant, body)
    keys = [*range(variant.keys, variant.keys + KEYS)] if variant.draws else []
    width = variant.keys + len(keys)
    lines = [f"c = coefficients + j * {width * size}"]
    return lines + [f"c{i} = load(c + {i * size}, zero)" for i in [*used, *keys]]


def places(variant: Variant, body: bodies.Body, shown: int) -> Iterator[str]:
    """Where a loop's arrays begin, and how a matrix lies; `shown` of a slot of lines' columns."""
    yield f"a = addresses + j * {8 * variant.address_columns}"
    for name, where in _arrays(variant, body):
        yield f"at_{name} = {where} + shift"
    if variant.has_lines:
        for name, column in (("height", variant.columns - 2), ("width", variant.columns - 1)):
            yield f"{name} = load(a + {8 * column}, whole)"
    for part in variant.parts:
        if part.over != ELEMENT:
            yield f"at_{part.name} = load(a + {8 * (part.column + shown)}, whole)"
    if body.gradient:
        for name, column in zip(("at_u", "u_width", "by_row"), variant.unit_columns, strict=False):
            yield f"{name} = load(a + {8 * column}, whole)"


def _arrays(variant: Variant, body: bodies.Body) -> Iterator[tuple[str, str]]:
    """Every array with a number per element that the loop touches, and where it starts."""
    for part in variant.parts:
        if part.over == ELEMENT and part.name in _touched(variant, body):
            yield part.name, f"load(a + {8 * part.column}, whole)"
    if body.gradient:
        yield "g", "gradient + forward"
    if "o" in body.closed:
        yield "o", "load(outs + k * 8, whole)"


def _touched(variant: Variant, body: bodies.Body) -> set[str]:
    mentioned = set(re.findall(r"\b([a-z]\w*)\[i\]", " ".join(body.lines)))
    return mentioned & {"p", "g", "e", "o", *(f"s{i}" for i in range(len(variant.slots)))}


def read(variant: Variant, body: bodies.Body) -> list[str]:
    """The arrays whose numbers an element's lines use, the gradient first."""
    found = [name for name, _ in _arrays(variant, body) if name != "o"]
    return sorted(found, key=lambda name: name != "g")


def written(variant: Variant, body: bodies.Body) -> list[str]:
    """The arrays that an element's lines change."""
    return [name for name, _ in _arrays(variant, body) if name in body.closed]


def element(variant: Variant, body: bodies.Body, size: int) -> list[str]:
    """What happens to the i-th element of a tile."""
    return [
        *(f"{name} = load(at_{name} + i * {size}, zero)" for name in read(variant, body)),
        *noise_of(variant, "offset + i"),
        *of_lines(variant),
        *of_units(variant, body, "offset + i", ""),
        *numbers(body.lines, ""),
        *(f"store(at_{name} + i * {size}, {name})" for name in written(variant, body)),
    ]


def noise_of(variant: Variant, place: str) -> list[str]:
    """The key of an element's noise."""
    if not variant.draws:
        return []
    keys = ", ".join(f"c{variant.keys + i}" for i in range(KEYS))
    return [f"key0, key1 = block_key({keys}, {place})"]


def _first_line(variant: Variant) -> Iterator[str]:
    """The row, of all matrices' rows, and the column where a tile begins."""
    if variant.has_lines:
        yield "line = offset // width"
        yield "column = offset - line * width"


def of_lines(variant: Variant, wide: int = 0) -> Iterator[str]:
    """The numbers of the row and column of the i-th element of a tile, or the columns of `wide` elements of one row."""
    size = variant.dtype.itemsize
    if variant.has_lines:
        # counted from the tile's start, so that the numbers are small
        yield "below = quotient(column + i, width)"
        yield "at_line, at_column = line + below, column + i - below * width"
        yield "at_column += quotient(at_line, height) * width if at_line >= height else 0"
    for part in variant.parts:
        if part.over == MEMORY_ROW:
            yield f"{part.name} = load(at_{part.name} + at_line * {size}, zero)"
        elif part.over != ELEMENT and wide:
            them = tuple_of([f"{part.name}_{n}" for n in range(wide)])
            yield f"{them} = load_wide(at_{part.name} + at_column * {size}, zero)"
        elif part.over != ELEMENT:
            yield f"{part.name} = load(at_{part.name} + at_column * {size}, zero)"


def of_units(variant: Variant, body: bodies.Body, place: str, suffix: str) -> Iterator[str]:
    """The gain of an element's unit."""
    if variant.unit_columns and body.gradient:
        size = variant.dtype.itemsize
        yield f"u_row = ({place}) // u_width"
        yield f"unit = u_row if by_row != 0 else {place} - u_row * u_width"
        yield f"u{suffix} = load(at_u + unit * {size}, zero)"


def numbers(lines: list[str], suffix: str) -> Iterator[str]:
    """Lines about the i-th entries of arrays, about numbers in variables of these names instead."""
    for line in lines:
        line = re.sub(r"\bsums(\d+)\[i\]", r"sums\1", line)
        line = re.sub(r"\b([pgeou]|s\d+)\[i\]", rf"\1{suffix}", line)
        yield line.replace("normal(key0, key1, i)", "normal(key0, key1, 0)")


def names(variant: Variant, body: bodies.Body) -> dict[str, Any]:
    """What the text of a loop refers to."""
    dtype = variant.dtype
    own = scalars(dtype)
    found = {
        body.name: linked(body.function, dtype),
        "zero": dtype.type(0),
        "one": dtype.type(1),
        "element": dtype.type,
        "clamp": own["clamp"],
        "maximum": own["maximum"],
    }
    if variant.has_lines:
        found["quotient"] = words.quotient
    if variant.draws:
        found["block_key"] = linked(noise.block_key, dtype)
        found["normal"] = noise.standard_normal(words.PRIMITIVES)
    return found
