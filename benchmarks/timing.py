"""Interleaved timing: what is compared runs in turn, in one process, and medians are compared."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from fastopt.bench import rounds as _rounds
from fastopt.bench.rounds import Call, loops_lasting, matmul

__all__ = ["Call", "compared", "interleaved", "matmul"]

# A turn lasts at least so long, cut into slices of which the shortest counts, unless a call takes longer.
_SECONDS, _SLICES, _LONG = 0.002, 3, 0.02
# Rounds beyond the third are left out when they would take longer, all together.
_PATIENCE, _LEAST = 10.0, 3


def interleaved(
    calls: Mapping[str, Call], *, rounds: int = 9, loops: int = 1, between: Call | None = None
) -> dict[str, float]:
    """Median seconds of each call; with `between`, that runs before every call, untimed."""
    times = _rounds.interleaved(calls, rounds=rounds, loops=loops, between=between)
    return {name: float(np.median(values)) for name, values in times.items()}


def compared(
    calls: Mapping[str, Call], *, rounds: int = 7, between: Call | None = None
) -> dict[str, float]:
    """The same, each called as often as its own time asks for."""
    for call in calls.values():  # compiles, and touches all memory
        call()
    loops = {name: loops_lasting(call, _SECONDS) for name, call in calls.items()}
    once = {name: _SECONDS / count for name, count in loops.items()}
    for name in [name for name, count in loops.items() if count == 1]:
        once[name] = _seconds(calls[name])
    slices = 1 if max(once.values()) > _LONG else _SLICES
    if between is not None:
        loops = {name: min(count, 30) for name, count in loops.items()}
    turns = slices * sum(loops[name] * once[name] for name in calls)
    rounds = min(rounds, max(_LEAST, int(_PATIENCE / turns)))
    times = _rounds.interleaved(calls, rounds=rounds, loops=loops, slices=slices, between=between)
    return {name: float(np.median(values)) for name, values in times.items()}


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
