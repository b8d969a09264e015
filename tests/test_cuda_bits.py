"""Exact mode: what the emitted PTX computes, run by an interpreter, has the bits of the CPU's kernels.

Only the compiler for GPUs must be installed; nothing here needs one.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from case import inputs_of
from kinds import ordinary
from references import CASES, CLASSES, cases_of

import fastopt
from fastopt import scalar

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed (extra: cuda13)", allow_module_level=True)

from case import case
from ptx_steps import PtxUpdate

SIZES = (5, 0, 1, 1029)  # odd lengths; more than a block of threads takes
STEPS = 3


def hard(rng, n, dtype):
    """Of very different sizes; half of them zeros, infinite, NaN, the largest, or next to the smallest normal number.

    Subnormal numbers in single precision only: GPUs cannot flush them in double precision, as CPUs do.
    """
    info = np.finfo(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max, 1e-20, -1e20]
    if dtype == np.float32:
        tiny, least = info.tiny, info.smallest_subnormal
        special += [tiny, -tiny, tiny * 3, tiny * 0.3, -tiny * 0.01, least, -least]
    drawn = rng.normal(size=n) * 10.0 ** rng.integers(-4, 5, n)
    chosen = rng.integers(0, len(special), n)
    with np.errstate(over="ignore"):
        return np.where(rng.random(n) < 0.5, np.array(special)[chosen], drawn).astype(dtype)


def assert_same_bits(expected, found, name):
    """NaN is NaN, whatever its payload: that of a CPU and a GPU differ."""
    expected, found = np.ravel(expected), np.ravel(found)
    numbers = ~(np.isnan(expected) & np.isnan(found))
    bits = f"u{expected.itemsize}"
    np.testing.assert_array_equal(
        found[numbers].view(bits), expected[numbers].view(bits), err_msg=name
    )


def update_bytes(variant):
    """What the update moves for each element: without what stages of sums read."""
    own = sum(p.storage.bytes_per_element() for p in variant.parts)
    filled = len([n for n in variant.rule.filled if n in variant.rule.slots])
    return own + variant.gradient.bytes_per_element(), own - filled * variant.dtype.itemsize


def compare(case, dtype, *, wide=False, sizes=SIZES):
    rng = np.random.default_rng(0)
    starts = [hard(rng, n, dtype) for n in sizes]
    with np.errstate(all="ignore"):
        theirs, ours = ([p.copy() for p in starts] for _ in range(2))
        cpu = case.cls(theirs, **case.hyperparameters)
        ptx = case.cls(ours, **case.hyperparameters)
        if cpu._workspace.tables[0].variant.has_lines:
            pytest.skip("no kernels for rows and columns yet")
        update = PtxUpdate(ptx, cpu, wide=wide)
        for _ in range(STEPS):
            grads = [hard(rng, n, dtype) for n in sizes]
            if isinstance(cpu, fastopt.NAG):
                cpu.lookahead()
                for own, p in zip(ours, theirs, strict=True):
                    own[...] = p
            cpu.step(grads, **inputs_of(case.cls, cpu.steps_taken))
            traffic = update.step(grads)
            for own, p in zip(ours, theirs, strict=True):
                assert_same_bits(p, own, "parameter")
            for own, slots in zip(ptx._workspace.slots, cpu._workspace.slots, strict=True):
                for name in slots:
                    assert_same_bits(slots[name].read(), own[name].read(), name)
    loaded, stored = (sum(sizes) * b for b in update_bytes(cpu._workspace.tables[0].variant))
    assert traffic[1] == stored
    assert traffic[0] <= loaded  # what a branch does not need is not read


each_case = pytest.mark.parametrize(
    "case", [ordinary(c, when=c == cases_of(c.cls)[0]) for c in CASES if c.cls in CLASSES], ids=str
)


@each_case
def test_bits(case):
    compare(case, np.float32)


OTHERS = [(np.float32, True), (np.float64, False), (np.float64, True)]
SHAPES = (fastopt.SGD, fastopt.AdamW, fastopt.Rprop, fastopt.LAMB, fastopt.ScheduleFreeAdamW)


@pytest.mark.parametrize(("dtype", "wide"), OTHERS, ids=lambda v: getattr(v, "__name__", str(v)))
@pytest.mark.parametrize("cls", [ordinary(c, when=c in SHAPES) for c in CLASSES])
def test_bits_of_other_kernels(cls, dtype, wide):
    # the places of slots that are not divisible by 16 have scalar kernels
    compare(cases_of(cls)[0], dtype, wide=wide, sizes=(1029,) if wide else SIZES)


class EveryFunction(fastopt.Optimizer):
    """Takes all of `fastopt.scalar` of its gradient, as it comes."""

    slots = {name: fastopt.Slot() for name in ("root", "cube", "ends", "rest")}

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

    @staticmethod
    def coefficients(h, t):
        return h["lr"], 0.7 + 0.1 * t

    @staticmethod
    def update(c, p, g, s):
        lr, real = c
        _, _, ends, rest = s
        size = scalar.abs(g)
        ends = scalar.maximum(g, p) - scalar.minimum(g, ends) + scalar.clamp(g, -lr, lr)
        rest = scalar.where(g > rest, g / p, rest) + scalar.power(size, 3) + scalar.sign(g)
        return p - lr * g, (
            scalar.sqrt(size),
            scalar.cbrt(g),
            ends,
            rest + scalar.power(size, real),
        )


@pytest.mark.parametrize("wide", [False, True])
def test_functions_of_rules(wide):
    compare(case(EveryFunction, None), np.float32, wide=wide, sizes=(1029,))
