"""What is computed once per tensor and step: running numbers, coefficients, totals into the header."""

from __future__ import annotations

from functools import cache

from fastopt.drivers.compile import Compiled, compiled, rule_function
from fastopt.drivers.generate import generated
from fastopt.drivers.noise import KEYS, key
from fastopt.scalar import maximum
from fastopt.variant import (
    FACTOR,
    FRESH,
    HIGH,
    LEADING,
    LIMIT,
    LOW,
    SECOND,
    TWO_FACTORS,
    Variant,
)  # fmt: skip

_GROWN = 2.0**64  # a power of two: the product of both factors is exact


def prepared(variant: Variant) -> tuple[list[str], dict[int, str]]:
    """Lines that find what a row of coefficients consists of, and what goes into which column.

    The first multiplies the gradient, then come the limit it is clamped to, the bounds of parameters,
    and what a new parameter weighs in the average of parameters. The key of the noise comes last.
    """
    lines = ["c = coefficients(h, t)"]
    grown = f" * {_GROWN}" if TWO_FACTORS in variant.options else ""
    columns = {FACTOR: f'(-gain[0] if h["maximize"] else gain[0]){grown}', LIMIT: "gain[1]"}
    if TWO_FACTORS in variant.options:
        columns[SECOND] = f"{1 / _GROWN}"
    if variant.bounded:
        columns |= {LOW: 'h["bound1"]', HIGH: 'h["bound2"]'}
    if variant.average is not None:
        columns[FRESH] = '1.0 - h["ema_decay"]'
    columns |= {LEADING + i: f"c[{i}]" for i in range(variant.rule.count_coefficients())}
    if variant.draws:
        lines.append('k = key(h["seed"], t, tensor)')
        columns |= {variant.keys + i: f"k[{i}]" for i in range(KEYS)}
    return lines, columns


@cache
def prepare(variant: Variant) -> Compiled:
    """``prepare(h, t, tensor, gain, out)``: step t's coefficients, in float64, into a row of compute dtype."""
    found, columns = prepared(variant)
    lines = ["def prepare(h, t, tensor, gain, out):", *(f"    {line}" for line in found)]
    lines += [f"    out[{column}] = {value}" for column, value in columns.items()]
    names = {"coefficients": rule_function(variant.rule.coefficients, variant.rule.header)}
    names |= {"key": key} if variant.draws else {}
    return compiled(generated("prepare", lines, names))


def renewed(variant: Variant) -> list[str]:
    """Lines that renew the running fields of a header row; only the shared ones unless `every`."""
    rule = variant.rule
    lines = ["new = renewed(h, t)"] if rule.advance is not None else []
    for i, name in enumerate(rule.running if rule.advance is not None else ()):
        lines += [] if name in rule.shared else ["if every:"]
        indent = "" if name in rule.shared else "    "
        lines += [f"{indent}h[{name!r}] = new[{i}]"]
    return lines


@cache
def renew(variant: Variant) -> Compiled:
    """``renew(h, t, every)``: see `renewed`."""
    rule = variant.rule
    lines = ["def renew(h, t, every):", *(f"    {line}" for line in renewed(variant) or ["pass"])]
    names = {} if rule.advance is None else {"renewed": rule_function(rule.advance, rule.header)}
    return compiled(generated("renew", lines, names))


@cache
def advance(variant: Variant) -> Compiled:
    """Count the step of each tensor with a gradient and prepare its coefficients."""
    ready, new, shared = prepare(variant), renew(variant), bool(variant.rule.shared)

    def advance(header, tensors, gradients, gains, coefficients):  # type: ignore[no-untyped-def]
        for j in range(tensors.size):
            k = tensors[j]
            h = header[k]
            if gradients[k] != 0:
                t = h["step"] + 1
                h["step"] = t
                new(h, t, True)
                ready(h, t, k, gains[k], coefficients[j])
            elif shared:
                new(h, h["step"], False)

    return compiled(advance)


@cache
def anticipate(variant: Variant) -> Compiled:
    """Prepare the coefficients of the coming step, and count nothing: what moves and sums need."""
    ready = prepare(variant)

    def anticipate(header, tensors, gradients, gains, coefficients):  # type: ignore[no-untyped-def]
        for j in range(tensors.size):
            k = tensors[j]
            h = header[k]
            if gradients[k] != 0:
                ready(h, h["step"] + 1, k, gains[k], coefficients[j])

    return compiled(anticipate)


@cache
def forget(variant: Variant) -> Compiled:
    """Set the results of all stages to 0: no step sees those of the step before."""
    names = [name for measure in variant.rule.measures for name in measure.results]
    lines = ["def forget(header, tensors):", "    for j in range(tensors.size):"]
    lines += ["        h = header[tensors[j]]", *(f"        h[{name!r}] = 0.0" for name in names)]
    return compiled(generated("forget", lines, {}))


@cache
def spread(variant: Variant, stage: int) -> Compiled:
    """Put a stage's totals into the header rows, when those of all tensors are known."""
    rule = variant.rule
    measure = rule.measures[stage]
    first = sum(len(m.results) for m in rule.measures[:stage])
    lines = ["def spread(header, tensors, gradients, totals):"]
    if measure.scope == "all":
        for i in range(len(measure.results)):
            lines += [f"    a{i} = 0.0", "    for k in range(len(totals)):"]
            lines += ["        if gradients[k] != 0:"]
            value = f"totals[k, {first + i}]"
            new = f"a{i} + {value}" if measure.reduce == "sum" else f"maximum(a{i}, {value})"
            lines += [f"            a{i} = {new}"]
    lines += [
        "    for j in range(tensors.size):",
        "        k = tensors[j]",
        "        h = header[k]",
    ]
    for i, name in enumerate(measure.results):
        value = f"a{i}" if measure.scope == "all" else f"totals[k, {first + i}]"
        lines += [f"        h[{name!r}] = {value}"]
    lines += ["    return"]
    return compiled(generated("spread", lines, {"maximum": maximum}))
