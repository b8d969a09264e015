"""`Optimizer.propose`: the update's result in other arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.pipeline import Request, decide
from fastopt.runner import Runner
from fastopt.slots import memory_order
from fastopt.tree import check_parameters
from fastopt.variant import PROPOSE
from fastopt.workspace import Workspace


def propose(
    w: Workspace, runner: Runner, leaves: Sequence[Any], out: list[Any] | None, request: Request
) -> list[np.ndarray]:
    """Write what the parameters would be into `out`, or new arrays."""
    if out is None:
        out = [np.empty_like(p) for p in w.parameters]
    check_places(w, out)
    if w.follows:
        w.follow()
    held = runner.locate(leaves)
    check_apart(w, out)
    try:
        _, _, options = decide(runner, request)
        w.outs[:] = [a.ctypes.data for a in out]
        runner.update(options | {PROPOSE}, header=w.header.copy())
    finally:
        runner.forget_request()
    del held
    for target, p, gradient in zip(out, w.parameters, leaves, strict=True):
        if gradient is None:
            target[...] = p
    return out


def check_places(w: Workspace, out: Sequence[Any]) -> None:
    """Refuse places that are not like the parameters, or share memory with them."""
    for target, p, name in zip(out, w.parameters, w.names, strict=True):
        expected = f"an array of {p.dtype.name} with shape {p.shape} in order {memory_order(p)!r}"
        if isinstance(target, np.ndarray) != isinstance(p, np.ndarray) or target.dtype != p.dtype:
            got = getattr(target, "dtype", type(target).__name__)
            raise TypeError(f"out of {name} is {got}; expected {expected}")
        ordered = target.flags.c_contiguous if memory_order(p) == "C" else target.flags.f_contiguous
        if target.shape != p.shape or not ordered:
            raise ValueError(
                f"out of {name} has shape {target.shape} and strides {target.strides}; expected {expected}"
            )
    check_parameters([*w.parameters, *out], [*w.names, *(f"out of {name}" for name in w.names)])


def check_apart(w: Workspace, out: Sequence[Any]) -> None:
    """Refuse places that meet the state or a gradient that is still to be read."""
    busy = [(int(a), int(b)) for a, b in w.occupied]
    busy += [
        (int(g), int(g) + p.nbytes) for g, p in zip(w.gradients, w.parameters, strict=True) if g
    ]
    for target, name in zip(out, w.names, strict=True):
        start, end = target.ctypes.data, target.ctypes.data + target.nbytes
        if any(max(a, start) < min(b, end) for a, b in busy):
            raise ValueError(
                f"out of {name} overlaps the memory of a gradient or of the optimizer's state; "
                "give it memory of its own"
            )
