"""What a step does to the gradients before the update: unscale, clip, skip."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from fastopt.drivers import cpu
from fastopt.formula import Formula
from fastopt.runner import Runner
from fastopt.variant import CLIP_ADAPTIVE, CLIP_VALUE, TWO_FACTORS, ZERO_GRADS
from fastopt.workspace import Workspace


@dataclass(frozen=True)
class Request:
    """The options of one step, checked.

    Attributes
    ----------
    scale, clip_norm, clip_norm_each, clip_value, skip_nonfinite, zero_grads, clip_adaptive
        See `Optimizer.step`.
    inputs : mapping of str to float
        See `Formula.inputs`.
    """

    scale: float = 1.0
    clip_norm: float | None = None
    clip_norm_each: float | None = None
    clip_value: float | None = None
    skip_nonfinite: bool = False
    zero_grads: bool = False
    clip_adaptive: float | tuple[float, int] | None = None
    inputs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require("scale", self.scale, -math.inf, "a finite number")
        for name in ("clip_norm", "clip_norm_each", "clip_value"):
            if getattr(self, name) is not None:
                _require(name, getattr(self, name), 0.0, "a finite number >= 0, or None")
        for name in ("skip_nonfinite", "zero_grads"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"step: {name} is {value!r}; expected True or False")
        if self.clip_adaptive is not None:
            self._check_adaptive()
        names = ("clip_norm", "clip_norm_each", "clip_adaptive")
        given = [f"{n} is {getattr(self, n)!r}" for n in names if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"step: {' and '.join(given)}; expected one of them at most")
        for name, value in self.inputs.items():
            if not (self.skip_nonfinite and overflowed(value)):
                _require(name, value, -math.inf, "a finite number")

    def _check_adaptive(self) -> None:
        value = self.clip_adaptive
        expected = "a finite number >= 0, or a pair of one and an axis, 0 or -1, or None"
        clipping, axis = value if isinstance(value, tuple) and len(value) == 2 else (value, -1)
        if isinstance(axis, bool) or axis not in (0, -1):
            raise ValueError(f"step: clip_adaptive is {value!r}; expected {expected}")
        _require("clip_adaptive", clipping, 0.0, expected)

    @property
    def adaptive(self) -> tuple[float, int] | None:
        """What fraction of its own norm a unit's gradient is held to, and along which axis the units are."""
        value = self.clip_adaptive
        if value is None:
            return None
        clipping, axis = value if isinstance(value, tuple) else (value, -1)
        return float(clipping), int(axis)

    @property
    def options(self) -> frozenset[str]:
        """Those that change the loop."""
        chosen = {
            CLIP_VALUE: self.clip_value is not None,
            CLIP_ADAPTIVE: self.clip_adaptive is not None,
            ZERO_GRADS: self.zero_grads,
        }
        return frozenset(name for name, asked in chosen.items() if asked)

    @property
    def needs_norm(self) -> bool:
        """Whether the gradients must be read before the update."""
        return self.skip_nonfinite or self.limit is not None or self.clip_adaptive is not None

    @property
    def limit(self) -> float | None:
        """The norm that gradients are held to, all together or each."""
        return self.clip_norm if self.clip_norm_each is None else self.clip_norm_each


#: What any optimizer's step takes.
OPTIONS = tuple(f.name for f in fields(Request) if f.name != "inputs")


def options_and_inputs(
    owner: type[Formula], what: str, given: Mapping[str, Any], others: Sequence[str] = OPTIONS
) -> dict[str, Any]:
    """Arguments of a request: what a class declares as its inputs, all of them, apart from other options."""
    for name in owner.inputs:
        if name not in given:
            raise TypeError(
                f"{what}: {owner.__name__} needs {name}; expected {what}(grads, {name}=...)"
            )
    options: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for name, value in given.items():
        if name not in owner.inputs and name not in others:
            raise TypeError(f"{what}: {name} is {value!r}; {owner.__name__} takes no {name}")
        (inputs if name in owner.inputs else options)[name] = value
    return {**options, "inputs": inputs}


def _require(name: str, value: Any, low: float, expected: str) -> None:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not real:
        raise TypeError(f"step: {name} is {value!r}; expected {expected}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        finite = False
    if not (finite and low <= value):
        raise ValueError(f"step: {name} is {value!r}; expected {expected}")


def overflowed(value: Any) -> bool:
    """Whether an input is a floating-point number that is not finite."""
    return isinstance(value, float | np.floating) and not math.isfinite(value)


def decide(runner: Runner, request: Request) -> tuple[float | None, bool, frozenset[str]]:
    """The norm of the scaled gradients if it is needed, whether to step, and what changes the loop.

    Writes each tensor's factor and limit, which its gradient is multiplied by and clamped to, and the inputs.
    """
    w, scale = runner.workspace, float(request.scale)
    check_scale(request, runner.single)
    set_inputs(w, request)
    w.gains[:, 0] = scale
    w.gains[:, 1] = math.inf if request.clip_value is None else request.clip_value
    if not request.needs_norm:
        return None, True, _options(runner, request)
    limit = math.inf if request.limit is None else float(request.limit)
    each = request.clip_norm_each is not None
    squares, units, finite = _squares(runner, scale, limit if each else math.inf)
    norm = cpu.decide()(squares, units, w.gradients, w.gains, scale, limit, each)
    if request.adaptive is not None:
        from fastopt.unit_gains import clip_units  # an optimizer itself

        clip_units(runner, *request.adaptive, scale, units)
    finite = finite and not any(map(overflowed, request.inputs.values()))
    return norm, finite or not request.skip_nonfinite, _options(runner, request)


def check_scale(request: Request, single: bool) -> None:
    """Refuse a scale that gradients of single precision, if there are any, cannot be multiplied by."""
    if single and abs(float(request.scale)) > _LARGEST:
        raise ValueError(
            f"step: scale is {request.scale!r}; expected a number that float32 holds, for float32 gradients"
        )


def set_inputs(w: Workspace, request: Request) -> None:
    """Write the inputs into the header rows, their sign turned where the gradient's is."""
    for name, value in request.inputs.items():
        w.settings[name] = np.where(w.settings["maximize"], -value, value)


def _options(runner: Runner, request: Request) -> frozenset[str]:
    """Those of the request, and two factors where one would not do."""
    needed = two_factors(runner.workspace.gains[:, 0], runner.least_square)
    return request.options | ({TWO_FACTORS} if needed else set())


def two_factors(factors: Any, least: float) -> bool:
    """Whether a factor would be denormal, given the least number that is not: kernels flush such numbers to zero."""
    sizes = np.abs(factors)
    return bool(((sizes > 0) & (sizes < least)).any())


_LARGEST = float(np.finfo(np.float32).max)


def _squares(runner: Runner, scale: float, least: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Each tensor's sum of squares, in units of its unit^2, and whether all gradients are finite.

    Where the sum of all overflowed or came near to nothing, or a tensor's own may have and is to be compared with a
    norm as small as `least`, they are taken again in units near each tensor's largest gradient.
    """
    units = np.ones(len(runner.workspace.parameters))
    factors = scale * units
    squares = runner.measure_gradients(factors)
    low = runner.least_square * 1e12
    with np.errstate(over="ignore"):
        total = squares.sum()
    if low < total < math.inf and least * least > 2 * low:
        return squares, units, True
    largest = runner.measure_gradients(factors, largest=True)[:, 0]
    if not np.isfinite(largest).all():
        return squares, units, False
    some = largest > 0
    # nearer to 1 than these, so that no factor is denormal or overflows
    units[some] = np.exp2(np.trunc(0.95 * np.log2(largest[some])))
    return runner.measure_gradients(factors / units), units, True
