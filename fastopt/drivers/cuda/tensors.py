"""Kernels with a thread for every tensor: step counts, running numbers and coefficients, in device memory.

So a step has no argument that changes from step to step, and can be captured in a CUDA graph. What the host sets,
hyperparameters and inputs, it writes into ``settings``, rows like the header's; the first kernel of a step takes them over.

Arguments, beside those of `fastopt.drivers.cuda.kernels`:

``header``, ``settings``  rows of `Rule.header` (all tensors,): the device's own, and what the host last wrote
``gains``      float64 (all tensors, 2): what multiplies the gradient, and the limit it is clamped to
``totals``     float64 (all tensors, results of all stages)
``count``      tensors of this table
``everyone``   all tensors
``counters``   int64 (2,): steps taken, and skipped; 0 for "do not count"
``verdict``    int64: whether the step is skipped
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastopt.drivers import coefficients, noise
from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.functions import linked, scalars
from fastopt.drivers.cuda.kernels import Kernel, joined, kernel, reduced, summing
from fastopt.table import TENSOR
from fastopt.variant import BLOCK, Rule, Variant

#: How many each block has.
THREADS = words.FEW

ARGUMENTS = (
    "header", "settings", "tensors", "gradients", "gains", "coefficients", "totals", "count", "everyone",
    "counters", "verdict",
)  # fmt: skip

_WIDE = np.dtype(np.float64)


def set_words(header: np.dtype[Any], own: frozenset[str]) -> list[int]:
    """The 8-byte words of a header row that the host sets: all but the device's own fields."""
    assert header.fields is not None
    return sorted({place[1] // 8 for name, place in header.fields.items() if name not in own})


def own_fields(rule: Rule) -> frozenset[str]:
    """The header fields that the device renews."""
    results = [name for measure in rule.measures for name in measure.results]
    return frozenset(["step", *rule.running, *results])


@cache
def prepare(variant: Variant, stage: int | None) -> Kernel:
    """What comes before a stage, or before the update as the last: totals into the header rows, then coefficients.

    The last one counts the step of every tensor with a gradient, and renews running fields. With the stage None,
    coefficients are those of the coming step and nothing is counted, as moves need it.
    """
    rule, size = variant.rule, variant.dtype.itemsize
    last = stage == variant.stages
    body = [
        "k = load(tensors + j * 8, whole)",
        f"h = row(header + k * {rule.header.itemsize})",
    ]
    if not stage:
        body += _settings(variant)
    if stage == 0:
        body += [f"h[{n!r}] = 0.0" for measure in rule.measures for n in measure.results]
    elif stage is not None:
        body += _spread(variant, stage - 1)
    found, columns = coefficients.prepared(variant)
    width = variant.keys + (noise.KEYS if variant.draws else 0)
    stepped = ['t = h["step"] + 1']
    if last:
        stepped += ['h["step"] = t', "every = True", *coefficients.renewed(variant)]
    stepped += [
        "gain = (load(gains + k * 16, zero), load(gains + k * 16 + 8, zero))",
        "tensor = k",
        *found,
        f"out = coefficients_of + j * {width * size}",
        *(f"store(out + {i * size}, element({value}))" for i, value in columns.items()),
    ]
    body += ["if load(gradients + k * 8, whole) != 0:", *(f"    {line}" for line in stepped)]
    if last and rule.shared:
        rest = ['t = h["step"]', "every = False", *coefficients.renewed(variant)]
        # of a skipped step nothing is kept
        body += ["elif load(verdict, whole) == 0:", *(f"    {line}" for line in rest)]
    count = ["at = counters + load(verdict, whole) * 8", "store(at, load(at, whole) + 1)"]
    counted = ["if j == 0 and counters != 0:", *(f"    {line}" for line in count)]
    lines = [
        f"j = block() * {THREADS} + thread()",
        *(counted if last else []),
        "if j < count:",
        *(f"    {line}" for line in body),
    ]
    named = {
        "coefficients": linked(rule.coefficients, _WIDE),
        "row": words.row_of(rule.header),
        "zero": np.float64(0),
        "element": variant.dtype.type,
        "maximum": scalars(_WIDE)["maximum"],
    }
    if rule.advance is not None:
        named["renewed"] = linked(rule.advance, _WIDE)
    if variant.draws:
        named["key"] = linked(noise.key, _WIDE)
    arguments = tuple("coefficients_of" if n == "coefficients" else n for n in ARGUMENTS)
    return kernel("prepare", arguments, lines, named, THREADS)


def _settings(variant: Variant) -> list[str]:
    """Take over what the host has set."""
    row = f"k * {variant.rule.header.itemsize}"
    return [
        f"store(header + {row} + {8 * word}, load(settings + {row} + {8 * word}, whole))"
        for word in set_words(variant.rule.header, own_fields(variant.rule))
    ]


def _spread(variant: Variant, stage: int) -> list[str]:
    """Put a stage's totals into the header row."""
    measures = variant.rule.measures
    measure = measures[stage]
    first = sum(len(m.results) for m in measures[:stage])
    width = 8 * max(1, sum(len(m.results) for m in measures))
    lines = []
    for i, name in enumerate(measure.results):
        at = f"{8 * (first + i)}"
        if measure.scope == "all":
            new = "maximum(all, value)" if measure.reduce == "max" else "all + value"
            lines += [
                "all = 0.0",
                "for m in range(everyone):",
                "    if load(gradients + m * 8, whole) != 0:",
                f"        value = load(totals + m * {width} + {at}, zero)",
                f"        all = {new}",
                f"h[{name!r}] = all",
            ]
        else:
            lines.append(f"h[{name!r}] = load(totals + k * {width} + {at}, zero)")
    return lines


@cache
def gather(first: int, count: int, reduce: str) -> Kernel:
    """The blocks of each tensor into its row of totals, columns first to first + count, in the order of drivers/sums.py.

    A block of threads for each tensor. ``spans``, int64 (tensors, 2), says which rows of the table are a tensor's; `stride` and
    `width` are the bytes of a row of ``blocks`` and of ``totals``.
    """
    largest, together = reduce != "sum", 4 * BLOCK
    inside = []
    for i in range(count):

        def fetched(n: int, i: int = i) -> str:
            return f"load(blocks + (at + {n * BLOCK}) * stride + {8 * i}, zero)"

        values = [f"value{n}" for n in range(4)]
        inside += [
            "a = thread()",
            f"while a < min(end - begin, {BLOCK}):",
            "    total, at = zero, begin + a",
            f"    while at + {together - BLOCK} < end:",  # that many loads at once
            *(f"        {value} = {fetched(n)}" for n, value in enumerate(values)),
            *(f"        total = {joined('total', value, largest)}" for value in values),
            f"        at += {together}",
            "    while at < end:",
            f"        total = {joined('total', fetched(0), largest)}",
            f"        at += {BLOCK}",
            "    own[a] = total",
            f"    a += {words.SUMMING}",
            "wait()",
            *reduced("own", f"min(end - begin, {BLOCK})", largest),
            "if thread() == 0:",
            f"    store(totals + k * width + {8 * (first + i)}, total)",
            "wait()",
        ]
    lines = [
        f"own = cuda.shared.array({BLOCK}, real)",
        "k = load(tensors + block() * 8, whole)",
        "begin, end = load(spans + block() * 16, whole), load(spans + block() * 16 + 8, whole)",
        "if load(gradients + k * 8, whole) == 0:",
        "    end = begin",
        *inside,
    ]
    arguments = ("tensors", "spans", "gradients", "blocks", "stride", "totals", "width")
    return kernel("gather", arguments, lines, summing(_WIDE), words.SUMMING)


def spans(tiles: np.ndarray, tensors: int) -> np.ndarray:
    """The rows of a table that are each tensor's: (tensors, 2)."""
    counts = np.bincount(tiles[:, TENSOR], minlength=tensors)
    ends = np.cumsum(counts)
    return np.ascontiguousarray(np.stack([ends - counts, ends], axis=1), np.int64)
