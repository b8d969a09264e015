"""Steps and their twins, as they are compared everywhere: by asv, by the page of results, by the tables of ``make bench``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import fastopt
from benchmarks.timing import Call, interleaved, matmul
from fastopt import measure

Shape = tuple[int, ...]

#: What happens before every call: nothing, or what a trainer does.
MODES: dict[str, Call | None] = {"back to back": None, "between matmuls": matmul(256)}


def arrays(shapes: Iterable[Shape], seed: int, dtype: str = "float32", size: float = 1.0) -> list:
    """Normal numbers times `size`."""
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(s, dtype) * np.dtype(dtype).type(size)) for s in shapes]


def square(elements: int) -> Shape:
    """The shape of a matrix of a power of two elements, square or nearly."""
    width = 1 << ((elements.bit_length()) // 2)
    return (elements // width, width) if elements >= width else (1, elements)


def optimizer(name: str, params: Any, **hyperparameters: Any) -> Any:
    """One by its name, at a rate that leaves numbers what they are."""
    opt = getattr(fastopt, name)(params, **{"lr": 1e-6, **hyperparameters})
    if hasattr(opt, "_require_ahead"):  # the look-ahead belongs to the gradient
        opt._require_ahead = lambda *_: None
    return opt


def is_bound_by_products(name: str) -> bool:
    """Whether matrix products, not traffic, are its time."""
    return any(stage.whole is not None for stage in getattr(fastopt, name).measures)


def stepper(opt: Any, grads: Any, **options: Any) -> Call:
    """A step with these gradients."""
    inputs = dict.fromkeys(getattr(opt, "inputs", ()), 1.0)
    return lambda: opt.step(grads, **inputs, **options)


def with_new_arrays(opt: Any, grads: Sequence[np.ndarray], sets: int) -> Call:
    """A step with other gradient arrays than the one before."""
    copies = itertools.cycle([[g.copy() for g in grads] for _ in range(sets)])
    if len(grads) == 1:
        return lambda: opt.step(next(copies)[0])
    return lambda: opt.step(next(copies))


def loops(elements: int) -> int:
    """How often to call what is measured at once."""
    return max(1, min(300, (1 << 23) // elements))


def against_twin(
    name: str,
    elements: int,
    dtype: str = "float32",
    *,
    between: Call | None = None,
    rounds: int = 7,
    others: Callable[[np.ndarray], dict[str, Call]] | None = None,
    **hyperparameters: Any,
) -> dict[str, float]:
    """Seconds of a step, ``time``, and of its ``twin``, and the ``bytes`` moved; and of `others` with that gradient."""
    shape = square(elements)
    gradient = arrays([shape], 1, dtype, 1e-3)[0]
    opt = optimizer(name, arrays([shape], 0, dtype)[0], **hyperparameters)
    calls = {"time": stepper(opt, gradient), "twin": stepper(measure.Twin(opt), gradient)}
    calls |= others(gradient) if others else {}
    found = interleaved(calls, rounds=rounds, loops=loops(elements), between=between)
    return found | {"bytes": float(opt._workspace.tables[0].bytes)}


class Reading:
    """The twin of a step that takes a norm first: reads the gradients, then moves what the update moves."""

    def __init__(self, opt: fastopt.Optimizer) -> None:
        self._twin = measure.Twin(opt)
        self._runner = opt._runner

    def step(self, grads: Any) -> None:
        """Read the gradients, then add them to all that the step would touch."""
        self._runner.measure_gradients(np.ones(len(self._runner.workspace.parameters)))
        self._twin.step(grads)
