"""`Optimizer.jit_step`: a step that compiled code can call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.drivers import cpu

if TYPE_CHECKING:
    from fastopt.workspace import Workspace


def jit_step(w: Workspace) -> tuple[Any, tuple[Any, ...]]:
    """The kernel and the state of a workspace with one parameter."""
    if len(w.parameters) != 1:
        raise ValueError(
            f"jit_step: the optimizer has {len(w.parameters)} parameters; expected one array "
            "(fastopt.FlatBuffer makes one of many)"
        )
    if w.scheduled.names:
        names = ", ".join(w.scheduled.names)
        raise ValueError(
            f"jit_step: {names} is a Python callable, which compiled code cannot call; expected a number "
            "or one of fastopt.schedules"
        )
    (table,) = w.tables
    # Gradients and addresses of its own: the kernel notes there where the arrays lie that it is called with.
    known = {
        "gradients": np.zeros(1, np.int64), "gains": w.gains, "header": w.header,
        "tensors": table.tensors, "tiles": table.tiles, "addresses": table.addresses.copy(),
        "coefficients": table.coefficients, "scratch": table.scratch(1), "sums": table.sums(1),
        "blocks": table.blocks, "totals": w.totals, "strips": table.strips, "grids": table.grids,
        "partials": table.partials, "words": w.words, "counters": w.counters, "plan": w.scheduled.plan,
    }  # fmt: skip
    held = tuple(array for place in w.slots[0].values() for array in place.arrays)
    state = (
        *(known[name] for name in cpu.embedded_state(table.variant)),
        (*w.scheduled.tables, *held),
    )
    return cpu.embedded(table.variant), state
