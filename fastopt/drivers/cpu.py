"""The CPU's drivers: the same loops by one thread (`SERIAL`) or by equal shares of the elements (`PARALLEL`).

Each function here gives a compiled kernel for a variant; nothing is compiled before its first call.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
from numba import prange, types

from fastopt.drivers import steps, tile
from fastopt.drivers.compile import Compiled, digest, kernel
from fastopt.table import BEFORE, LENGTH
from fastopt.variant import Variant

SERIAL, PARALLEL = "serial", "parallel"


def driver(shares: int) -> str:
    """The driver for so many shares."""
    return PARALLEL if shares > 1 else SERIAL


@cache
def step(variant: Variant, driver: str) -> Compiled:
    """A whole step in one call; returns the number of a gradient that is not in order, or -1.

    Nothing is changed unless all gradients are in order. `scratch` has an entry per thread.
    """
    locate, advance, update = steps.locate, steps.advance(variant), steps.update(variant)
    first_row = steps.first_row

    def step(  # type: ignore[no-untyped-def]
        ids, layout, occupied, gradients, header, tensors, tiles, addresses, coefficients, scratch
    ):
        wrong = locate(ids, layout, occupied, gradients)
        if wrong < 0:
            advance(header, tensors, gradients, coefficients)
            shares = len(scratch)
            for share in prange(shares):
                first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
                update(
                    first, last, tiles, tensors, addresses, gradients, coefficients, scratch[share]
                )
        return wrong

    return _kernel(step, variant, "step", driver)


def step_signature(variant: Variant) -> tuple[Any, ...]:
    """The argument types of `step`, to compile it before there are arrays."""
    integers1, integers2 = types.int64[::1], types.int64[:, ::1]
    element = numba.from_dtype(variant.dtype)
    header = numba.from_dtype(variant.rule.header)[::1]
    return (
        integers1, integers2, integers2, integers1, header, integers1, integers2,
        integers2, element[:, ::1], element[:, :, ::1],
    )  # fmt: skip


def move_signature(variant: Variant) -> tuple[Any, ...]:
    """The argument types of `move`."""
    (_, _, _, gradients, header, tensors, tiles, addresses, coefficients, scratch) = step_signature(
        variant
    )
    return header, gradients, tensors, tiles, addresses, coefficients, scratch


@cache
def move(variant: Variant, name: str, driver: str) -> Compiled:
    """One of the rule's moves, for every tensor whose entry in `active` is not 0."""
    anticipate, update = steps.anticipate(variant), steps.update(variant, name)
    first_row = steps.first_row

    def move(header, active, tensors, tiles, addresses, coefficients, scratch):  # type: ignore[no-untyped-def]
        anticipate(header, tensors, active, coefficients)
        shares = len(scratch)
        for share in prange(shares):
            first, last = first_row(tiles, share, shares), first_row(tiles, share + 1, shares)
            update(first, last, tiles, tensors, addresses, active, coefficients, scratch[share])

    return _kernel(move, variant, name, driver)


@cache
def embedded(variant: Variant) -> Compiled:
    """``kernel(p, g, state)``: a serial step of one tensor, for calls from compiled code."""
    advance, update = steps.advance(variant), steps.update(variant)

    def step(p, g, state):  # type: ignore[no-untyped-def]
        header, gradients, tensors, tiles, addresses, coefficients, scratch, _slots = state
        steps.require(p, g, coefficients)
        rows = len(tiles)
        n = tiles[rows - 1, BEFORE] + tiles[rows - 1, LENGTH] if rows else 0
        if p.size != n or g.size != n:
            raise ValueError(
                "jit_step: p and g must have as many elements as the optimizer's parameter"
            )
        addresses[0, 0] = p.ctypes.data
        gradients[0] = g.ctypes.data
        advance(header, tensors, gradients, coefficients)
        update(0, rows, tiles, tensors, addresses, gradients, coefficients, scratch[0])

    return _kernel(step, variant, "embedded", SERIAL)


@cache
def advance(variant: Variant) -> Compiled:
    """The entry point `advance` by itself, for callers who run `update` in pieces."""
    return _kernel(steps.advance(variant).py_func, variant, "advance", SERIAL)


@cache
def update(variant: Variant) -> Compiled:
    """The entry point `update` by itself, over any range of rows."""
    return _kernel(steps.update(variant).py_func, variant, "update", SERIAL)


def _kernel(function, variant: Variant, entry: str, driver: str) -> Compiled:  # type: ignore[no-untyped-def]
    return kernel(
        function,
        f"{variant.name}.{entry}.{driver}",
        _variant_digest(variant),
        parallel=driver == PARALLEL,
        check=lambda: tile.refuse_promotion(variant),
    )


@cache
def _variant_digest(variant: Variant) -> str:
    """What a kernel of this variant is made of, besides fastopt's own sources."""
    rule = variant.rule
    storages = [s for s in [variant.parameter, variant.gradient, *variant.slots] if s is not None]
    functions = [f for s in storages for f in (s.open, s.close) if f is not None]
    layouts = [(s.name, s.columns, s.dtype) for s in storages]
    return digest(
        *rule.functions(), *functions, layouts, rule.header.descr, rule.slots, rule.running
    )
