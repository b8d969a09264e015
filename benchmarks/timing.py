"""Interleaved timing: what is compared runs in turn, in one process, and medians are compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastopt.bench import rounds as _rounds
from fastopt.bench.rounds import Call, matmul

__all__ = ["Call", "interleaved", "matmul"]


def interleaved(
    calls: Mapping[str, Call], *, rounds: int = 9, loops: int = 1, between: Call | None = None
) -> dict[str, float]:
    """Median seconds of each call; with `between`, that runs before every call, untimed."""
    times = _rounds.interleaved(calls, rounds=rounds, loops=loops, between=between)
    return {name: float(np.median(values)) for name, values in times.items()}
