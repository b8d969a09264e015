"""How fast every optimizer moves its arrays, compared with a loop that moves the same ones and only adds."""

from __future__ import annotations

import fastopt
from benchmarks import steps

from .measured import ALL, DTYPES, EVERY_OPTIMIZER, SIZES, THREADS, AgainstTwin


class EveryOptimizer(AgainstTwin):
    """A matrix, back to back, for each of them."""

    param_names = ["optimizer", "elements", "dtype", "threads"]
    params = [
        EVERY_OPTIMIZER,
        SIZES if ALL else [1 << 14, 1 << 24],
        DTYPES if ALL else ["float32"],
        THREADS if ALL else THREADS[-1:],
    ]

    def measure(self, optimizer: str, elements: int, dtype: str, threads: int) -> dict[str, float]:
        steps.require_traffic(optimizer, elements)
        fastopt.set_num_threads(threads)
        return steps.against_twin(optimizer, elements, dtype, rounds=7 if ALL else 5)
