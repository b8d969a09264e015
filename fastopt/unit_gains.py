"""Adaptive gradient clipping: each unit's gradient is held to a fraction of the unit's own norm.

A unit is what feeds one output of a layer: a column of a dense kernel, a filter of a convolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.runner import Runner
from fastopt.scalar import maximum, sqrt, where
from fastopt.slots import Slot, memory_order
from fastopt.storage import real_dtype
from fastopt.variant import RENEWED

#: Units with a smaller norm are clipped as if theirs was this, as in optax: those that start at 0 can leave it.
LEAST_NORM = 1e-3


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return p * p, g * g


def _gain(c: Any, value: Any, measured: Any, count: Any) -> Any:
    clipping, least, unit, inverse = c
    most, norm = clipping * maximum(sqrt(measured[0]), least), sqrt(measured[1])
    return where(norm <= inverse * most, unit, most / norm)


class UnitGains(Optimizer):
    """Its parameters are another optimizer's, as matrices whose rows or columns are units; they are only measured.

    Both are, so that one kernel does for all.
    """

    slots = {
        "row_gain": Slot(shape="row", combine=_gain),
        "col_gain": Slot(shape="column", combine=_gain),
    }
    measures = (Measure(_squares, scope="lines"),)
    domains = {"clipping": NONNEGATIVE}

    def __init__(self, params: Any, clipping: float = 0.01, unit: float = 1.0) -> None:
        super().__init__(params, clipping=clipping, unit=unit)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        """What gradients are held to; they are measured in units of `unit`."""
        return h["clipping"], LEAST_NORM, h["unit"], 1.0 / h["unit"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        """Nothing."""
        return p, s

    def columns(self, k: int, by_row: bool) -> tuple[int, int, bool]:
        """Where the gains of a tensor are, and how its units lie in memory: `Variant.unit_columns`."""
        w = self._workspace
        gains = w.slots[k]["row_gain" if by_row else "col_gain"].addresses()
        return gains[RENEWED], w.parameters[k].shape[1], by_row

    def point(self, runner: Runner, by_row: Sequence[bool]) -> None:
        """Let a runner's tables have these columns."""
        for table in runner.all_tables():
            for places, k in zip(table.with_units(), table.tensors, strict=True):
                places[-3:] = self.columns(k, by_row[k])

    def measure(self, runner: Runner, clipping: float, units: np.ndarray) -> None:
        """Find the gains of a runner's gradients, whose factors make them smaller by `units`."""
        w = self._workspace
        w.gradients[:], w.gains[:] = runner.workspace.gradients, runner.workspace.gains
        w.header["clipping"], w.header["unit"] = clipping, units
        if self._runner.forced_shares != runner.forced_shares:
            self._runner.force_shares(runner.forced_shares)
        self._runner.measure()


def clip_units(runner: Runner, clipping: float, axis: int, scale: float, units: np.ndarray) -> None:
    """Let every unit's gradient have its gain; it is taken in the tensor's unit of these, so that it can be squared."""
    w = runner.workspace
    if axis not in runner.unit_gains:
        named = zip(w.parameters, w.names, strict=True)
        matrices, by_row = zip(*(_matrix_of_units(p, axis, name) for p, name in named), strict=True)
        runner.unit_gains[axis] = UnitGains(matrices), by_row
    own, by_row = runner.unit_gains[axis]
    if runner.unit_axis != axis:
        own.point(runner, by_row)
        runner.unit_axis = axis
    w.gains[:, 0] = scale / units
    own.measure(runner, clipping, units)


def _matrix_of_units(p: np.ndarray, axis: int, name: str) -> tuple[np.ndarray, bool]:
    """A parameter's memory as `shape_of_units` says."""
    shape, dtype, by_row = shape_of_units(p, axis, name)
    return p.reshape(-1, order=memory_order(p)).view(dtype).reshape(shape), by_row


def shape_of_units(
    p: np.ndarray, axis: int, name: str
) -> tuple[tuple[int, int], np.dtype[Any], bool]:
    """A parameter's memory as a matrix of real numbers, and whether its rows are the units along an axis, or its columns.

    Along axis 0, as in torch, whatever the dimensions; along axis -1 those of optax: a vector, whatever its axes of
    length 1, is one unit, and of 3 dimensions (in, heads, out) the last two number the units.
    """
    vector = p.ndim < 2 or (axis == -1 and sum(n != 1 for n in p.shape) < 2)
    leading = 0 if vector or not p.size else p.ndim - 1 if axis == -1 and p.ndim > 3 else 1
    height, width = math.prod(p.shape[:leading]), math.prod(p.shape[leading:])
    by_row = not leading or (axis == 0) == p.flags.c_contiguous
    if not p.flags.c_contiguous and leading:
        height, width = width, height
    if p.dtype.kind == "c":
        if not by_row:
            raise TypeError(
                f"step: clip_adaptive has axis {axis}, and parameter {name} is of {p.dtype}; complex numbers of a unit "
                "must lie together in memory"
            )
        width *= 2
    return (height, width), real_dtype(p.dtype), by_row
