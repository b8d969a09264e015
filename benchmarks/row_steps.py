"""Steps of some rows of a table, and their twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

import fastopt
from benchmarks.timing import Call, compared
from fastopt.drivers import threads


class Touched(NamedTuple):
    """So many rows of a table."""

    height: int
    width: int
    touched: int

    def __str__(self) -> str:
        return f"{self.touched:,} of {self.height:,} x {self.width}"


TABLES = [Touched(100_000, 64, 1_000), Touched(1_000_000, 64, 20_000)]
LARGEST = Touched(10_000_000, 64, 1_000_000)
TINY = Touched(1_000, 64, 100)


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def twin(rows, grads, p, m, v):  # type: ignore[no-untyped-def]
    """Three rows read and written for each row of gradients that is read."""
    for i in numba.prange(rows.size):
        row = rows[i]
        for d in range(grads.shape[1]):
            g = grads[i, d]
            p[row, d] += g
            m[row, d] += g
            v[row, d] += g


def ids(height: int, touched: int, duplicates: float) -> np.ndarray:
    """Random rows, of which a fraction is named again."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(height)[:touched]
    again = rng.permutation(touched)[: int(duplicates * touched)]
    rows[again] = rows[rng.integers(0, touched, len(again))]
    return rows


def compare(
    name: str,
    table: Touched,
    duplicates: float = 0.0,
    *,
    between: Call | None = None,
    rounds: int = 9,
    others: Callable[[np.ndarray, np.ndarray], dict[str, Call]] | None = None,
) -> dict[str, float]:
    """Seconds of a step of some rows of a table, ``time``, and of its ``twin``; its ``bytes``; and of `others`."""
    height, width, touched = table
    p, grads = np.zeros((height, width), np.float32), np.ones((touched, width), np.float32)
    opt = getattr(fastopt, name)(p)
    slots = [slot for slot in opt.state[0].values() if isinstance(slot, np.ndarray)]
    m, v = (slots * 2)[:2] if slots else (p, p)
    rows = ids(height, touched, duplicates)
    threads.layer()  # or the twin would start another one, whose threads spin
    calls: dict[str, Call] = {
        "twin": lambda: twin(rows, grads, p, m, v),
        "time": lambda: opt.step_rows(rows, grads),
    }
    calls |= others(rows, grads) if others else {}
    found = compared(calls, rounds=rounds, between=between)
    return found | {"bytes": 28.0 * grads.size}
