"""`Optimizer.accumulate`: sums of gradients, by the same drivers as steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer
from fastopt.scalar import where
from fastopt.slots import aligned_zeros, memory_order


class Accumulator(Optimizer):
    """Its parameters are sums of gradients; a sum's first gradient overwrites what was there."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        """Whether there is something to add to."""
        return (1.0 if t > 1 else 0.0,)

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        """The sum so far, if there is one, and the gradient."""
        (begun,) = c
        return where(begun, p + g, g), ()

    def add(self, gradients: list[Any]) -> None:
        """Add one gradient, or None, to each sum."""
        self._runner.step(gradients)

    @property
    def pending(self) -> bool:
        """Whether there is any sum."""
        return bool(self._workspace.header["step"].any())

    def sums(self) -> list[Any]:
        """The sums; None where nothing was added."""
        w = self._workspace
        return [
            p if begun else None for p, begun in zip(w.parameters, w.header["step"], strict=True)
        ]

    def clear(self) -> None:
        """Begin new sums."""
        self._workspace.header["step"] = 0


def extended(sums: Any, parameters: Sequence[np.ndarray], names: Sequence[str]) -> Accumulator:
    """An accumulator for all of these parameters: the given one, or one that takes its place and its sums."""
    done = 0 if sums is None else len(sums._workspace.parameters)
    if done < len(parameters):
        buffers = [_buffer(p) for p in parameters[done:]]
        if sums is None:
            sums = Accumulator(buffers)
        else:
            sums.add_param_group({"params": buffers})
        sums._workspace.names = list(names)
    return sums  # type: ignore[no-any-return]


def _buffer(p: Any) -> Any:
    if not isinstance(p, np.ndarray):
        from fastopt.device.arrays import zeros

        return zeros(p.shape, p.dtype, p.device, memory_order(p))
    return aligned_zeros(p.size, p.dtype).reshape(p.shape, order=memory_order(p))
