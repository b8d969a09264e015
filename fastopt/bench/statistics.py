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


def of_medians(above: np.ndarray, below: np.ndarray) -> Ratio:
    """The ratio of the medians of two independent samples, by the bootstrap.

    Examples
    --------
    >>> from fastopt.bench import statistics
    >>> slow = statistics.of_medians(np.array([2.0, 2.1, 2.0, 9.0, 2.1]), np.array([1.0, 1.1, 1.0, 1.0, 1.1]))
    >>> slow.value, slow.beyond(1.25), slow.beyond(2.0)
    (2.1, True, False)
    """
    rng = np.random.default_rng(0)
    medians = [np.median(rng.choice(s, (RESAMPLES, len(s))), axis=1) for s in (above, below)]
    return _ratio(float(np.median(above) / np.median(below)), medians[0] / medians[1])


def of_pairs(above: np.ndarray, below: np.ndarray) -> Ratio:
    """The median of the ratios of what was measured in the same round, by the bootstrap.

    Examples
    --------
    >>> from fastopt.bench import statistics
    >>> rounds = np.array([1.0, 5.0, 1.0, 1.2, 7.0])
    >>> statistics.of_pairs(1.5 * rounds, rounds)
    Ratio(value=1.5, low=1.5, high=1.5)
    """
    ratios = above / below
    chosen = np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios)))
    return _ratio(float(np.median(ratios)), np.median(chosen, axis=1))


def _ratio(value: float, resampled: np.ndarray) -> Ratio:
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [outside, 1 - outside])
    return Ratio(value, float(low), float(high))
