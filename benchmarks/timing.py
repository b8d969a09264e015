"""Interleaved timing: what is compared runs in turn, in one process, and medians are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

# Long enough for the threads of what ran before to stop spinning (GNU OpenMP's default in torch), and then for
# the scheduler to have put this call's threads on cores of their own.
_PAUSE, _WARM = 0.02, 0.01

Call = Callable[[], object]


def interleaved(
    calls: Mapping[str, Call], *, rounds: int = 9, loops: int = 1, between: Call | None = None
) -> dict[str, float]:
    """Median seconds of each call; with `between`, that runs before every call, untimed."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            if between is None:
                _settle(call)
                start = time.perf_counter()
                for _ in range(loops):
                    call()
                times[name].append((time.perf_counter() - start) / loops)
            else:
                for _ in range(loops):
                    between()
                    start = time.perf_counter()
                    call()
                    times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def _settle(call: Call) -> None:
    time.sleep(_PAUSE)
    start = time.perf_counter()
    while time.perf_counter() - start < _WARM:
        call()


def matmul(size: int) -> Call:
    """A float32 matrix product, as trainers do between steps."""
    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    b, out = a.T.copy(), np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
