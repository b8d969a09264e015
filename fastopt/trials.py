"""What the checks of `fastopt.contract` do with an optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastopt.optimizer import Optimizer


def shaped(cls: type[Optimizer], numbers: np.ndarray) -> np.ndarray:
    """The numbers, with as many dimensions as the class wants."""
    if cls.dimensions is None:
        return numbers
    n = numbers.size
    rows = max((r for r in range(1, math.isqrt(n) + 1) if n % r == 0), default=1)
    last = (n,) if cls.dimensions == 1 else (rows, n // rows)
    return numbers.reshape((1,) * (cls.dimensions - 2) + last)


def take_step(opt: Any, grads: Any, value: float = 2.0) -> None:
    """A step with what the class asks for besides: a look-ahead, inputs, which are all taken for the function's value."""
    if hasattr(opt, "lookahead"):
        opt.lookahead()
    opt.step(grads, **dict.fromkeys(opt.inputs, value))


def take_steps(opt: Optimizer, arrays: list[np.ndarray], count: int, seed: int = 3) -> None:
    """Steps with random gradients of these parameters, and what the class folds in besides."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        total = rng.normal(size=sum(a.size for a in arrays))
        grads, start = [], 0
        for a in arrays:
            grads.append(total[start : start + a.size].reshape(a.shape).astype(a.dtype))
            start += a.size
        single = opt._forest.structures[0].single
        take_step(opt, grads[0] if single else grads)
        for name in opt.folds:
            others = [g * np.abs(g) for g in grads]
            opt._fold(name, others[0] if single else others, name)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have the same bytes."""
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


def other_values(value: Any, choices: tuple[str, ...]) -> Iterator[list[Any]]:
    """Values to try instead, any of which may show; for a tuple, of each of its numbers."""
    if isinstance(value, bool):
        yield [not value]
    elif value is None and choices:
        yield list(choices)
    elif isinstance(value, str):
        yield from ([choice] for choice in choices if choice != value)
    elif isinstance(value, tuple):
        for i, v in enumerate(value):
            yield [(*value[:i], new, *value[i + 1 :]) for new in _numbers(v)]
    else:
        yield _numbers(value)


def _numbers(value: float) -> list[float]:
    # a limit that 50 steps do not come near, or a number of steps, shows only when it is small
    return [value / 2 if value else 0.1, 0.001, 5.0, *([value + 1] if type(value) is int else [])]


def shows(
    cls: type[Optimizer], values: dict[str, Any], name: str, value: Any, dtype: type[np.generic]
) -> bool:
    """Whether name=value changes a run with these values; False where they do not go together."""
    outcomes = []
    for h in (values, {**values, name: value}):
        p = shaped(cls, np.linspace(-1, 1, 12, dtype=dtype))
        try:
            opt = cls(p, **h)
        except ValueError:
            return False
        take_steps(opt, [p], 50)
        state = [(n, np.asarray(v).tobytes()) for n, v in opt.state[0].items()]
        outcomes.append((p.tobytes(), state))
    return outcomes[0] != outcomes[1]
