"""What a loop does with each element, in text: the rule's function, its options, and what they read and write.

The loops around it are those of `fastopt.drivers.tile` on a CPU and of `fastopt.drivers.cuda` on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from fastopt.drivers.generate import tuple_of
from fastopt.variant import (
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
    SECOND,
    SWITCH,
    TWO_FACTORS,
    ZERO_GRADS,
    Variant,
)


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


def used_coefficients(variant: Variant, body: Body) -> list[int]:
    """The columns of a row of coefficients that a loop refers to."""
    numbers = range(LEADING, LEADING + variant.rule.count_coefficients())
    return [*sorted(set(range(LEADING)) & _mentioned(body.lines)), *numbers]


def _mentioned(lines: list[str]) -> set[int]:
    text = " ".join(lines)
    return {i for i in range(LEADING) if re.search(rf"\bc{i}\b", text)}
