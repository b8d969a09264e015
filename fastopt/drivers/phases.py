"""The text of a step: a phase for each of the rule's stages of sums, and the update as the last.

For LAMB it reads, where a plain step has only the last five lines::

    if begin <= 0 and 0 < end:
        forget(header, tensors)
        anticipate(header, tensors, gradients, gains, coefficients)
        for share in prange(shares):
            first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
            measure0(first, last, tiles, ..., sums[share], blocks)
        gather0(tiles, tensors, gradients, blocks, totals)
    if end > 1:
        spread0(header, tensors, gradients, totals)
        advance(header, tensors, gradients, gains, coefficients)
        for share in prange(shares):
            first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
            update(first, last, tiles, ..., scratch[share], sums[share], blocks, gradients)

Totals are spread into the header rows by the phase after the one that gathers them: until then other tables
may be adding to them.
"""

from __future__ import annotations

from typing import Any

from numba import prange

from fastopt.drivers import coefficients, lines, steps, sums
from fastopt.variant import MONITOR, PROPOSE, ROWS, Variant

_PLACE = "tensors, addresses, gradients, coefficients"
_PREPARE = "(header, tensors, gradients, gains, coefficients)"

Names = dict[str, Any]


def room(variant: Variant) -> list[str]:
    """The names of the arrays that sums and proposals need."""
    measures = variant.rule.measures
    names = ["sums", "blocks"] if measures or MONITOR in variant.options else []
    names += ["totals"] if any(m.results for m in measures) else []
    names += (
        ["strips", "grids", "partials"] if variant.has_lines and ROWS not in variant.options else []
    )
    return names + (["outs"] if PROPOSE in variant.options else [])


def text(variant: Variant, whole: bool) -> tuple[list[str], Names]:
    """The lines of all phases and what they call; unless `whole`, of a step that is never interrupted."""
    names: Names = {"prange": prange, "locate": steps.locate, "first_row": steps.first_row}
    stages = variant.stages
    found: list[str] = []
    for i in range(stages):
        own = [*_known(variant, i - 1, names), *_stage(variant, i, names)]
        found += _only(f"begin <= {i} and {i} < end" if whole else "", own)
    last = [*_known(variant, stages - 1, names), *_update(variant, names)]
    return found + _only(f"end > {stages}" if whole and stages else "", last), names


def _known(variant: Variant, stage: int, names: Names) -> list[str]:
    """Put the totals of a stage where the rule finds them; before the first, forget those of the last step."""
    if stage < 0:
        names["forget"] = coefficients.forget(variant)
        return ["forget(header, tensors)"] if variant.stages else []
    if not variant.rule.measures[stage].results:
        return []
    names[f"spread{stage}"] = coefficients.spread(variant, stage)
    return [f"spread{stage}(header, tensors, gradients, totals)"]


def _stage(variant: Variant, stage: int, names: Names) -> list[str]:
    measures = variant.rule.measures
    measure = measures[stage]
    names["anticipate"] = coefficients.anticipate(variant)
    begun = [f"anticipate{_PREPARE}"]
    own = "scratch[share], sums[share]"
    if measure.scope != "lines":
        names[f"measure{stage}"] = sums.measure(variant, stage)
        before = sum(len(m.results) for m in measures[:stage])
        names[f"gather{stage}"] = sums.gather(before, len(measure.results), measure.reduce)
        call = f"measure{stage}(first, last, tiles, {_PLACE}, {own}, blocks)"
        gather = f"gather{stage}(tiles, tensors, gradients, blocks, totals)"
        return [*begun, *_shared("tiles", call), gather]
    if not variant.has_lines:
        return []
    names[f"measure{stage}"] = lines.measure(variant, stage)
    names[f"combine{stage}"] = lines.combine(variant, stage)
    call = f"measure{stage}(first, last, strips, grids, {_PLACE}, {own}, partials)"
    return [
        *begun,
        *_shared("strips", call),
        "for share in prange(shares):",
        f"    combine{stage}(share, shares, strips, grids, {_PLACE}, partials)",
    ]


def _update(variant: Variant, names: Names) -> list[str]:
    names["advance"] = coefficients.advance(variant)
    names["update"] = steps.update(variant)
    # where there are no sums and no other outputs, arrays of the same types stand in their places
    own = "sums[share], blocks" if "sums" in room(variant) else "scratch[share], gains"
    outs = "outs" if PROPOSE in variant.options else "gradients"
    call = f"update(first, last, tiles, {_PLACE}, scratch[share], {own}, {outs})"
    found = [f"advance{_PREPARE}", *_shared("tiles", call)]
    if variant.has_lines and not {PROPOSE, ROWS} & variant.options:
        names["commit"] = lines.commit(variant)
        found.append("commit(grids, tensors, addresses, gradients)")
    return found


def _shared(rows: str, call: str) -> list[str]:
    return [
        "for share in prange(shares):",
        f"    first, last = first_row({rows}, share, shares), first_row({rows}, share + 1, shares)",
        f"    {call}",
    ]


def _only(condition: str, inside: list[str]) -> list[str]:
    if not condition or not inside:
        return inside
    return [f"if {condition}:", *(f"    {line}" for line in inside)]
