"""The loop behind `fastopt.smoothing`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastopt.drivers.compile import digest, kernel


def _average(y: Any, beta: Any, from_first: Any, correct: Any, out: Any) -> None:
    for j in range(y.shape[1]):
        smooth = 0.0
        weight = 1.0  # beta to the power t
        for t in range(len(y)):
            if from_first and t == 0:
                smooth = np.float64(y[t, j])
            else:
                smooth = beta * smooth + (1.0 - beta) * y[t, j]
            weight *= beta
            out[t, j] = smooth / (1.0 - weight) if correct else smooth


average = kernel(_average, "fastopt.smoothing", digest(_average), check=lambda: None)
