"""The kernel for touched rows that have a number each: the sums of drivers/rows.py, in the same order."""

from __future__ import annotations

from functools import cache

from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.functions import linked
from fastopt.drivers.cuda.kernels import ARGUMENTS, Kernel, joined, kernel, reduced, summing
from fastopt.drivers.cuda.slices import measuring
from fastopt.drivers.cuda.text import element, head, names
from fastopt.drivers.generate import tuple_of
from fastopt.strips import STRIP_COLUMNS
from fastopt.table import LENGTH
from fastopt.variant import BEFORE_STEP, BLOCK, ELEMENT, LEADING, RENEWED, Variant


@cache
def renew(variant: Variant, stage: int) -> Kernel:
    """Renew the slots of touched rows, each a tile, by what a stage finds in it: a block of threads for a row.

    `_renew` of drivers/rows.py: no slot is seen otherwise than as it is kept.
    """
    chosen = variant.rule.measures[stage]
    count = variant.line_numbers()
    largest, size = chosen.reduce != "sum", variant.dtype.itemsize
    body = measuring(variant, stage)
    each = [
        "i = begin + n",
        *element(variant, body, size),
        *(f"sums{k} = {joined(f'sums{k}', f'v{k}', largest)}" for k in range(count)),
    ]
    total = "widest(found{0}, total)" if largest else "found{0} + total"
    added = _across(each, [f"found{k} = {total.format(k)}" for k in range(count)], largest)
    found = {**names(variant, body), **summing(variant.dtype)}
    own = tuple_of([f"c{LEADING + i}" for i in range(variant.rule.count_coefficients())])
    measured = tuple_of([f"element(found{k})" for k in range(count)])
    last = ["at_line = offset // length_of"]
    for part in (p for p in variant.parts if p.over != ELEMENT):
        line = variant.rule.lines[int(part.name[1:])]
        assert line is not None
        found[f"combine_{part.name}"] = linked(line[0], variant.dtype)
        old, after = (f"load(a + {8 * (part.column + c)}, whole)" for c in (BEFORE_STEP, RENEWED))
        last += [
            f"kept, renewed = {old} + at_line * {size}, {after} + at_line * {size}",
            f"new = combine_{part.name}({own}, load(kept, zero), {measured}, element(length_of))",
            "store(kept, new)",
            "store(renewed, new)",
        ]
    inside = [
        f"length_of = load(row + {8 * LENGTH}, whole)",
        f"length = min(length_of, {BLOCK})",
        *(f"found{k} = wide(0)" for k in range(count)),
        "begin = 0",
        "while begin < length_of:",
        f"    columns = min({STRIP_COLUMNS}, length_of - begin)",
        *(f"    {text}" for text in added),
        "    begin += columns",
        "if thread() == 0:",
        *(f"    {text}" for text in [f"a = addresses + j * {8 * variant.address_columns}", *last]),
    ]
    text = [
        *(f"own{k} = cuda.shared.array({BLOCK}, real)" for k in range(count)),
        *head(variant, body, inside, BEFORE_STEP),
    ]
    return kernel("renew_rows", ARGUMENTS, text, found, words.SUMMING)


def _across(each: list[str], kept: list[str], largest: bool) -> list[str]:
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
        *(
            text
            for k, line in enumerate(kept)
            for text in [*reduced(f"own{k}", "length", largest), f"    {line}"]
        ),
        "wait()",
    ]
