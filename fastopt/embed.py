"""`Optimizer.jit_step`: a step that compiled code can call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    state = (
        w.header, w.gradients, table.tensors, table.tiles, table.addresses,
        table.coefficients, table.scratch(1),
    )  # fmt: skip
    return cpu.embedded(table.variant), state
