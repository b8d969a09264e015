"""The CPU's drivers: the same loops by one thread (`SERIAL`) or by equal shares of the elements (`PARALLEL`).

Each function here gives a compiled kernel for a variant; nothing is compiled before its first call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import prange, types

from fastopt.drivers import coefficients, phases, schedule, steps, sums
from fastopt.drivers.compile import Compiled, digest, kernel
from fastopt.drivers.frame import opened
from fastopt.drivers.generate import generated
from fastopt.drivers.promotion import refuse_promotion
from fastopt.storage import Storage
from fastopt.table import BEFORE, LENGTH
from fastopt.variant import Variant

SERIAL, PARALLEL = "serial", "parallel"

_ENTRY = ["layout", "occupied", "gradients"]
_STATE = ["gains", "header", "tensors", "tiles", "addresses", "coefficients", "scratch"]


def driver(shares: int) -> str:
    """The driver for so many shares."""
    return PARALLEL if shares > 1 else SERIAL


# ---- a whole step ---------------------------------------------------------------------------------


def framed(variant: Variant) -> list[str]:
    """The names of the arrays in the frame that `step` is called with: of a workspace and of a table."""
    return [*_ENTRY, *_STATE, *phases.room(variant)]


@cache
def step(variant: Variant, driver: str) -> Compiled:
    """A whole step in one call, ``step(frame, ids)``; returns the number of a gradient that is not in order, or -1.

    Nothing is changed unless all gradients are in order. `scratch` has an entry per thread. A rule with
    measures has as many phases, and the update as the last, and is called ``step(frame, begin, end, ids)``: the phases
    from `begin` to `end` are run, so that several tables can wait for each other's totals.
    """
    inside, names = phases.text(variant, whole=True)
    known = _types(variant)
    text = [
        f"def step({', '.join(_arguments(variant))}):",
        *(f"    {line}" for line in opened({n: known[n] for n in framed(variant)}, names)),
        "    wrong = locate(ids, layout, occupied, gradients)",
        "    if wrong < 0:",
        "        shares = len(scratch)",
        *(f"        {line}" for line in inside),
        "    return wrong",
    ]
    return _kernel(generated("step", text, names), variant, "step", driver)


def step_signature(variant: Variant) -> tuple[Any, ...]:
    """The argument types of `step`, to compile it before there are arrays."""
    known = _types(variant)
    return tuple(known[name] for name in _arguments(variant))


def _arguments(variant: Variant) -> list[str]:
    return ["frame", *(["begin", "end"] if variant.stages else []), "ids"]


def _types(variant: Variant) -> dict[str, Any]:
    integers1, integers2 = types.int64[::1], types.int64[:, ::1]
    wide1, wide2 = types.float64[::1], types.float64[:, ::1]
    element = numba.from_dtype(variant.dtype)
    return {
        "ids": integers1, "layout": integers2, "occupied": integers2, "gradients": integers1,
        "gains": wide2, "header": numba.from_dtype(variant.rule.header)[::1], "tensors": integers1,
        "tiles": integers2, "addresses": integers2, "coefficients": element[:, ::1],
        "scratch": element[:, :, ::1], "sums": element[:, :, ::1], "blocks": wide2, "totals": wide2,
        "strips": integers2, "grids": integers2, "partials": wide1, "outs": integers1,
        "frame": integers1, "begin": types.int64, "end": types.int64,
    }  # fmt: skip


# ---- other passes ---------------------------------------------------------------------------------


def move_signature(variant: Variant) -> tuple[Any, ...]:
    """The argument types of `move`."""
    known = _types(variant)
    names = "header gains tensors tiles addresses coefficients scratch gradients"
    return tuple(known[name] for name in names.split())


@cache
def move(variant: Variant, name: str, driver: str) -> Compiled:
    """One of the rule's moves, for every tensor whose entry in `active` is not 0: of its folds, an address."""
    anticipate, update = coefficients.anticipate(variant), steps.update(variant, name)
    first_row = steps.first_row

    def move(header, gains, tensors, tiles, addresses, coefficients, scratch, active):  # type: ignore[no-untyped-def]
        anticipate(header, tensors, active, gains, coefficients)
        shares = len(scratch)
        for share in prange(shares):
            first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
            own = scratch[share]
            update(
                first,
                last,
                tiles,
                tensors,
                addresses,
                active,
                coefficients,
                own,
                own,
                gains,
                active,
            )

    return _kernel(move, variant, name, driver)


@cache
def locate() -> Compiled:
    """See `steps.locate`."""
    return kernel(steps.locate.py_func, "fastopt.locate", digest())


@cache
def measure_gradients(storage: Storage, largest: bool, driver: str) -> Compiled:
    """Sums of squares of each tensor's gradient, or its largest magnitude."""
    measure = sums.extremes(storage) if largest else sums.squares(storage)
    gather = sums.gather(0, 1, "max" if largest else "sum")
    first_row = steps.first_row

    def measure_gradients(gradients, tensors, tiles, sums, blocks, totals, factors):  # type: ignore[no-untyped-def]
        shares = len(sums)
        for share in prange(shares):
            first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
            measure(first, last, tiles, tensors, gradients, factors, sums[share], blocks)
        gather(tiles, tensors, gradients, blocks, totals)

    what = "extremes" if largest else "squares"
    name = f"fastopt.{what}.{storage.name}.{driver}"
    own = digest(storage.open, storage.columns)
    return kernel(measure_gradients, name, own, parallel=driver == PARALLEL)


@cache
def decide() -> Compiled:
    """See `sums.decide`."""
    return kernel(sums.decide.py_func, "fastopt.decide", digest())


@cache
def apply_schedules() -> Compiled:
    """See `schedule.apply`."""
    return kernel(schedule.apply.py_func, "fastopt.schedules", digest())


# ---- embedding ------------------------------------------------------------------------------------


def embedded_state(variant: Variant) -> list[str]:
    """The names of what the state of an embedded step consists of."""
    return ["gradients", *_STATE, *phases.room(variant), "words", "counters", "plan"]


@cache
def embedded(variant: Variant) -> Compiled:
    """``kernel(p, g, state)``: a serial step of one tensor, for calls from compiled code."""
    inside, names = phases.text(variant, whole=False)
    text = [
        "def step(p, g, state):",
        f"    {', '.join(embedded_state(variant))}, _held = state",
        "    require(p, g, coefficients)",
        "    rows, shares = len(tiles), 1",
        f"    n = tiles[rows - 1, {BEFORE}] + tiles[rows - 1, {LENGTH}] if rows else 0",
        "    n *= coefficients.itemsize",
        "    if p.size * p.itemsize != n or g.size * g.itemsize != n:",
        '        raise ValueError("jit_step: p and g must have as many elements as the optimizer\'s parameter")',
        "    addresses[0, 0] = p.ctypes.data",
        "    gradients[0] = g.ctypes.data",
        "    apply(words, counters[0], plan)",
        *(f"    {line}" for line in inside),
        "    counters[0] += 1",
    ]
    names |= {"require": steps.require, "apply": schedule.apply, "prange": range}
    return _kernel(generated("step", text, names), variant, "embedded", SERIAL)


# ---- the entry points by themselves ---------------------------------------------------------------


@cache
def advance(variant: Variant) -> Compiled:
    """The entry point `advance` by itself, for callers who run `update` in pieces."""
    return _kernel(coefficients.advance(variant).py_func, variant, "advance", SERIAL)


@cache
def update(variant: Variant) -> Compiled:
    """The entry point `update` by itself, over any range of rows."""
    return _kernel(steps.update(variant).py_func, variant, "update", SERIAL)


def _kernel(function: Callable[..., Any], variant: Variant, entry: str, driver: str) -> Compiled:
    return kernel(
        function,
        f"{variant.name}.{entry}.{driver}",
        _variant_digest(variant),
        parallel=driver == PARALLEL,
        check=lambda: refuse_promotion(variant),
    )


@cache
def _variant_digest(variant: Variant) -> str:
    """What a kernel of this variant is made of, besides fastopt's own sources."""
    rule = variant.rule
    storages = [variant.gradient, *(part.storage for part in variant.parts)]
    functions = [f for s in storages for f in (s.open, s.close) if f is not None]
    layouts = [(s.name, s.columns, s.dtype) for s in storages]
    measures = [(m.scope, m.results, m.reduce, m.into) for m in rule.measures]
    return digest(
        *rule.functions(), *functions, layouts, rule.header.descr, rule.slots, rule.running,
        rule.shared, measures, variant.over, variant.bounded, sorted(variant.options),
    )  # fmt: skip
