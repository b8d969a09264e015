"""The value of a schedule at a count of steps, and where these values go."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types

from fastopt import segments as s
from fastopt.drivers.compile import compiled, digest, kernel, standalone
from fastopt.drivers.machine import pointer


@standalone
def evaluate(segments: Any, count: Any) -> Any:
    """The value of a schedule, for calls from ``@njit`` code and from Python.

    Parameters
    ----------
    segments : array, float64, shape (n, 6)
        `Schedule.segments`. Hand it to compiled code as an argument: of a global, compiled code keeps a copy.
    count : int
        How many steps were taken so far.

    Returns
    -------
    float
    """
    first, last = 0, len(segments)
    while last - first > 1:  # the last segment that has begun
        middle = (first + last) // 2
        if segments[middle, s.BEGIN] <= count:
            first = middle
        else:
            last = middle
    row = segments[first]
    init, end, steps, shape = row[s.INIT], row[s.END], row[s.STEPS], row[s.SHAPE]
    elapsed = max(count - row[s.BEGIN], 0.0)
    if row[s.KIND] == s.EXPONENTIAL or row[s.KIND] == s.STAIRCASE:
        times = elapsed / steps
        if row[s.KIND] == s.STAIRCASE:
            times = np.floor(times)  # in float64, also past int64
        value = init * shape**times if init != 0.0 else 0.0  # growth may overflow: no 0 * inf
        return max(value, end) if shape < 1.0 else min(value, end)
    elapsed = min(elapsed, steps)
    done, rest = elapsed / steps, (steps - elapsed) / steps
    if row[s.KIND] == s.COSINE:  # (1 + cos(pi x)) / 2 without its cancellation towards the end
        rest = math.sin(0.5 * math.pi * rest) ** (2.0 * shape)
        done = 1.0 - rest
    elif row[s.KIND] == s.MIRRORED:
        done = done**shape
        rest = 1.0 - done
    elif shape != 1.0:
        rest = rest**shape
        done = 1.0 - rest
    # from the nearer end: exact at both, never beyond either
    return init + (end - init) * done if done < 0.5 else end + (init - end) * rest


@compiled
def apply(words: Any, count: Any, plan: Any) -> None:
    """Write the values at a count into the header, seen as float64 words (tensors, words)."""
    for i in range(len(plan)):
        start = pointer(plan[i, s.ADDRESS], types.float64)
        value = evaluate(numba.carray(start, (plan[i, s.ROWS], s.COLUMNS)), count)
        for k in range(plan[i, s.FIRST], plan[i, s.LAST]):
            words[k, plan[i, s.WORD]] = value


def _sample(segments: Any, counts: Any, out: Any) -> None:
    for i in range(counts.size):
        out[i] = evaluate(segments, counts[i])


sample = kernel(_sample, "fastopt.schedule", digest(_sample), check=lambda: None)
