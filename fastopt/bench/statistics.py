"""How sure a ratio of measured times is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.99


class Ratio(NamedTuple):
    """A ratio, and the interval in which it lies with 99% confidence as far as the spread between rounds tells."""

    value: float
    low: float
    high: float

    def beyond(self, limit: float) -> bool:
        """Whether the whole interval is above a limit."""
        return self.low > limit


def typical(times: np.ndarray) -> np.ndarray:
    """The lower quartile along the last axis: what other programs take is never negative, and may hit every other round."""
    found: np.ndarray = np.quantile(times, 0.25, axis=-1)
    return found


class Rounds(NamedTuple):
    """Times measured in the same rounds: what stands above the line of a ratio, and what below."""

    above: tuple[np.ndarray, ...]
    below: tuple[np.ndarray, ...]


def ratio(*runs: Rounds) -> Ratio:
    """The product of the runs' ratios of typical times, by the bootstrap: rounds are drawn anew, each run's by themselves.

    A typical time is that of one thing by itself: a round in which one of two was interrupted would spoil their ratio.

    Examples
    --------
    >>> from fastopt.bench.statistics import Rounds, ratio
    >>> slow, fast = np.array([2.0, 2.1, 2.0, 9.0, 2.1]), np.array([1.0, 1.1, 1.0, 1.0, 1.1])
    >>> found = ratio(Rounds((slow,), (fast,)))
    >>> found.value, found.beyond(1.25), found.beyond(2.0)
    (2.0, True, False)
    """
    rng = np.random.default_rng(0)
    value, resampled = 1.0, np.ones(RESAMPLES)
    for run in runs:
        rounds = len(run.above[0])
        chosen = rng.integers(rounds, size=(RESAMPLES, rounds))
        for times in run.above:
            value *= float(typical(times))
            resampled *= typical(times[chosen])
        for times in run.below:
            value /= float(typical(times))
            resampled /= typical(times[chosen])
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [outside, 1 - outside])
    return Ratio(value, float(low), float(high))
