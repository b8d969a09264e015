"""What a step does to the gradients before the update: unscale, clip, skip."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.drivers import cpu
from fastopt.runner import Runner
from fastopt.variant import CLIP_VALUE, ZERO_GRADS


@dataclass(frozen=True)
class Request:
    """The options of one step, checked.

    Attributes
    ----------
    scale, clip_norm, clip_norm_each, clip_value, skip_nonfinite, zero_grads
        See `Optimizer.step`.
    """

    scale: float = 1.0
    clip_norm: float | None = None
    clip_norm_each: float | None = None
    clip_value: float | None = None
    skip_nonfinite: bool = False
    zero_grads: bool = False

    def __post_init__(self) -> None:
        _require("scale", self.scale, -math.inf, "a finite number")
        for name in ("clip_norm", "clip_norm_each", "clip_value"):
            if getattr(self, name) is not None:
                _require(name, getattr(self, name), 0.0, "a finite number >= 0, or None")
        for name in ("skip_nonfinite", "zero_grads"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"step: {name} is {value!r}; expected True or False")
        if self.clip_norm is not None and self.clip_norm_each is not None:
            raise ValueError(
                f"step: clip_norm is {self.clip_norm!r} and clip_norm_each is {self.clip_norm_each!r}; "
                "expected one of them at most"
            )

    @property
    def options(self) -> frozenset[str]:
        """Those that change the loop."""
        chosen = {CLIP_VALUE: self.clip_value is not None, ZERO_GRADS: self.zero_grads}
        return frozenset(name for name, asked in chosen.items() if asked)

    @property
    def needs_norm(self) -> bool:
        """Whether the gradients must be read before the update."""
        return self.skip_nonfinite or self.limit is not None

    @property
    def limit(self) -> float | None:
        """The norm that gradients are held to, all together or each."""
        return self.clip_norm if self.clip_norm_each is None else self.clip_norm_each


def _require(name: str, value: Any, low: float, expected: str) -> None:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not real:
        raise TypeError(f"step: {name} is {value!r}; expected {expected}")
    if not (low <= value and math.isfinite(value)):
        raise ValueError(f"step: {name} is {value!r}; expected {expected}")


def decide(runner: Runner, request: Request) -> tuple[float | None, bool]:
    """The norm of the scaled gradients if it is needed, and whether to step.

    Writes each tensor's factor and limit, which its gradient is multiplied by and clamped to.
    """
    w = runner.workspace
    w.gains[:, 0] = request.scale
    w.gains[:, 1] = math.inf if request.clip_value is None else request.clip_value
    if not request.needs_norm:
        return None, True
    squares, unit, finite = _squares(runner, float(request.scale))
    limit = math.inf if request.limit is None else float(request.limit)
    each = request.clip_norm_each is not None
    norm = unit * cpu.decide()(
        squares, w.gradients, w.gains, float(request.scale), limit / unit, each
    )
    return norm, finite or not request.skip_nonfinite


def _squares(runner: Runner, scale: float) -> tuple[np.ndarray, float, bool]:
    """Each tensor's sum of squares in units of unit^2, and whether all gradients are finite.

    A sum that overflowed, or came near to nothing, is taken again in a unit near the largest gradient.
    """
    squares = runner.measure_gradients(scale)
    total = float(squares.sum())
    if runner.least_square * 1e12 < total < math.inf:
        return squares, 1.0, True
    largest = float(runner.measure_gradients(scale, largest=True).max(initial=0.0))
    if not math.isfinite(largest):
        return squares, 1.0, False
    if largest == 0.0:
        return squares, 1.0, True
    unit = 2.0 ** math.floor(math.log2(largest))
    return runner.measure_gradients(scale / unit), unit, True
