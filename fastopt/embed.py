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
    (table,) = w.tables
    # Addresses of its own: the kernel notes there where the arrays lie that it is called with.
    state = (
        w.header, np.zeros(1, np.int64), table.tensors, table.tiles, table.addresses.copy(),
        table.coefficients, table.scratch(1),
        tuple(array for place in w.slots[0].values() for array in place.arrays),  # held
    )  # fmt: skip
    return cpu.embedded(table.variant), state
