"""Formulas must compute in the dtype they are given: refused when a kernel is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
from numba.core import types
from numba.core.errors import NumbaError

from fastopt.drivers import scalars  # noqa: F401  (rules compile only with its overloads)
from fastopt.drivers.compile import rule_function
from fastopt.variant import Variant


def refuse_promotion(variant: Variant) -> None:
    """Raise TypeError for a formula that computes in another dtype than it is given.

    A literal such as 0.9 would silently turn a float32 loop into a float64 one.
    """
    for name, formula, arguments, expected, form in _formulas(variant):
        _require(variant, name, formula, arguments, expected, form)


def _formulas(variant: Variant) -> Iterator[tuple[str, Any, tuple[Any, ...], Any, str]]:
    """Name, function, types of arguments and result, and the result in words."""
    rule = variant.rule
    element = numba.from_dtype(variant.dtype)
    sizes = rule.count_coefficients(), len(rule.slots)
    own, slots = (types.Tuple([element] * n) for n in sizes)
    everything, pair = (own, element, element, slots), types.Tuple([element, slots])
    yield "update", rule.update, everything, pair, "(p, (slots...))"
    for name, function in rule.moves:
        yield name, function, (own, element, slots), pair, "(p, (slots...))"
    for name, function in rule.folds:
        yield name, function, everything, pair, "(p, (slots...))"
    for measure in rule.measures:
        f = measure.function
        numbers = types.Tuple([element] * measure.count(*sizes))
        yield f.__name__, f, everything, numbers, "a tuple of numbers"
        if measure.scope == "lines":
            for combine, seen in (line for line in rule.lines if line is not None):
                arguments = (own, element, numbers, element)
                yield combine.__name__, combine, arguments, element, "a number"
                if seen is not None:
                    yield seen.__name__, seen, (own, element, element, element), element, "a number"


def _require(
    variant: Variant, name: str, formula: Any, arguments: tuple[Any, ...], expected: Any, form: str
) -> None:
    dispatcher = rule_function(formula)
    label = f"{variant.rule.label}.{name}"
    try:
        dispatcher.compile(arguments)
    except NumbaError as error:
        raise TypeError(f"{label} cannot be compiled: {error}") from error
    overload = dispatcher.overloads[arguments]
    result = overload.signature.return_type
    where = _wider(overload, arguments[1])
    if where or result != expected:
        raise TypeError(
            f"{label} gives {result} for {variant.dtype.name} numbers{where}; it must compute in the dtype "
            f"it is given and return {form}, here {expected}: pass constants through `coefficients`"
        )


def _wider(result: Any, element: Any) -> str:
    """The line of a float32 formula that computes in float64, if there is one."""
    if element != types.float32:
        return ""
    for expression, signature in result.type_annotation.calltypes.items():
        used = [] if signature is None else [*signature.args, signature.return_type]
        if types.float64 in used:
            return f" (float64 in line {expression.loc.line} of {expression.loc.filename})"
    return ""
