"""Steps and their twins, as they are compared everywhere: by asv, by the page of results, by tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastopt
from benchmarks.timing import Call, compared, matmul
from fastopt import measure
from fastopt.bench.cases import make, shape_of

Shape = tuple[int, ...]

#: What happens before every call: nothing, or what a trainer does.
MODES: dict[str, Call | None] = {"back to back": None, "between matmuls": matmul(256)}


def arrays(shapes: Iterable[Shape], seed: int, dtype: str = "float32", size: float = 1.0) -> list:
    """Numbers in [0, size): positive, since twins add them to second moments, whose roots steps go on to take."""
    rng = np.random.default_rng(seed)
    return [rng.random(s, dtype) * np.dtype(dtype).type(size) for s in shapes]


def one_or_all(arrays: Sequence[np.ndarray]) -> Any:
    """A single array by itself, as users give it."""
    return arrays[0] if len(arrays) == 1 else arrays


def require_traffic(name: str, elements: int) -> None:
    """Refuse sizes at which matrix products are the time of a step, and take seconds."""
    if elements > 1 << 17 and any(stage.whole for stage in getattr(fastopt, name).measures):
        raise NotImplementedError(f"{name}: matrix products, not traffic, are its time")


def stepper(opt: Any, grads: Any, **options: Any) -> Call:
    """A step with these gradients."""
    inputs = dict.fromkeys(getattr(opt, "inputs", ()), 1.0)
    return lambda: opt.step(grads, **inputs, **options)


def with_new_arrays(opt: Any, grads: Sequence[np.ndarray], sets: int) -> Call:
    """A step with other gradient arrays than the one before."""
    copies = itertools.cycle([one_or_all([g.copy() for g in grads]) for _ in range(sets)])
    return lambda: opt.step(next(copies))


def against_twin(
    name: str,
    elements: int,
    dtype: str = "float32",
    *,
    between: Call | None = None,
    rounds: int = 7,
    shares: int | None = None,
    others: Callable[[np.ndarray], dict[str, Call]] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Seconds of a step, ``time``, and of its ``twin``, and the ``bytes`` moved; and of `others` with that gradient.

    Both are split into so many `shares`, or as measured.
    """
    cls = getattr(fastopt, name)
    shape = shape_of(elements, cls.dimensions)
    gradient = arrays([shape], 1, dtype, 1e-3)[0]
    opt = make(cls, arrays([shape], 0, dtype)[0], **hyperparameters or {})
    opt._runner.force_shares(shares)
    calls = {"time": stepper(opt, gradient), "twin": stepper(measure.Twin(opt), gradient)}
    calls |= others(gradient) if others else {}
    found = compared(calls, rounds=rounds, between=between)
    return found | {"bytes": float(opt._workspace.tables[0].bytes)}


def thread_counts() -> list[int]:
    """Powers of two up to all threads, and all threads."""
    most = fastopt.get_num_threads()
    return sorted({*(1 << k for k in range(most.bit_length())), most})


SMALL: dict[str, list[Shape]] = {
    "1": [(1,)],
    "1,024": [(1 << 10,)],
    "16,384": [(1 << 14,)],
    "131,072": [(1 << 17,)],
    "1,048,576": [(1 << 20,)],
    "6 of a network, 109,386": [(784, 128), (128,), (128, 64), (64,), (64, 10), (10,)],
    "100 of 100": [(100,)] * 100,
}


def small(
    shapes: Sequence[Shape],
    *,
    between: Call | None = None,
    rounds: int = 7,
    others: Callable[[list[np.ndarray]], dict[str, Call]] | None = None,
) -> dict[str, float]:
    """Seconds of AdamW's step with the ``same`` gradient arrays every time, and with ``new`` ones; and of `others`."""
    elements = sum(math.prod(s) for s in shapes)
    grads = arrays(shapes, 1, size=1e-3)
    opt = fastopt.AdamW(one_or_all(arrays(shapes, 0)))
    calls = {
        "same": stepper(opt, one_or_all(grads)),
        "new": with_new_arrays(opt, grads, max(2, min(50, 2_000_000 // elements))),
    }
    calls |= others(grads) if others else {}
    return compared(calls, rounds=rounds, between=between)


class Reading:
    """The twin of a step that takes a norm first: reads the gradients, then moves what the update moves."""

    def __init__(self, opt: fastopt.Optimizer) -> None:
        self._twin = measure.Twin(opt)
        self._runner = opt._runner

    def step(self, grads: Any) -> None:
        """Read the gradients, then add them to all that the step would touch."""
        self._runner.measure_gradients(np.ones(len(self._runner.workspace.parameters)))
        self._twin.step(grads)


class Option(NamedTuple):
    """What an optimizer is given, what its step is given, and what this adds to the traffic."""

    given: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    added: int = 0  # bytes for each float32 number
    twin: Callable[[Any], Any] | None = measure.Twin


OPTIONS = {
    "plain": Option(),
    "scale": Option({}, {"scale": 0.5}),
    "clip_value": Option({}, {"clip_value": 1.0}),
    "bounds": Option({"bounds": (-9.0, 9.0)}),
    "monitor": Option({}, {"monitor": True}),
    "clip_norm": Option({}, {"clip_norm": 1.0}, 4, Reading),
    "clip_norm_each": Option({}, {"clip_norm_each": 1.0}, 4, Reading),
    "clip_adaptive": Option({}, {"clip_adaptive": 0.01}, 8, None),
    "skip_nonfinite": Option({}, {"skip_nonfinite": True}, 4, Reading),
    "zero_grads": Option({}, {"zero_grads": True}, 4, None),
    "ema_decay": Option({"ema_decay": 0.999}, {}, 8),
}
#: What trainers of large networks do in every step.
WHOLE = Option(
    {"ema_decay": 0.999}, {"scale": 0.5, "clip_norm": 1.0, "skip_nonfinite": True}, 12, Reading
)


def with_option(
    option: Option,
    shapes: Sequence[Shape],
    *,
    between: Call | None = None,
    rounds: int = 7,
    others: Callable[[list[np.ndarray]], dict[str, Call]] | None = None,
) -> dict[str, float]:
    """Seconds of AdamW's step, ``time``, and of its ``twin``, NaN where there is none; its ``bytes``; and `others`."""
    elements = sum(math.prod(s) for s in shapes)
    grads = arrays(shapes, 1, size=1e-3)
    given = one_or_all(grads)
    opt = fastopt.AdamW(one_or_all(arrays(shapes, 0)), **option.given)
    asked = dict(option.asked)
    opt.monitor = asked.pop("monitor", False)
    calls = {"time": stepper(opt, given, **asked)}
    if option.twin is not None:
        calls["twin"] = stepper(option.twin(opt), given)
    calls |= others(grads) if others else {}
    found = compared(calls, rounds=rounds, between=between)
    return {"twin": math.nan} | found | {"bytes": float((28 + option.added) * elements)}
