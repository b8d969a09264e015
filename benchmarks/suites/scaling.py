"""How a step scales with the number of elements, and with the number of threads."""

from __future__ import annotations

import fastopt
from benchmarks import steps

from .measured import ALL, DTYPES, EVERY_OPTIMIZER, SIZES, THREADS, AgainstTwin

# One that computes much, one that is all traffic.
_CHOSEN = ["AdamW", "SGD"]


class Sizes(AgainstTwin):
    """Back to back, with one thread and with all."""

    param_names = ["optimizer", "elements", "dtype", "threads"]
    params = [_CHOSEN, SIZES, DTYPES, THREADS]

    def measure(self, optimizer: str, elements: int, dtype: str, threads: int) -> dict[str, float]:
        fastopt.set_num_threads(threads)
        return steps.against_twin(optimizer, elements, dtype, rounds=5)


class BetweenMatmuls(AgainstTwin):
    """In a loop with matrix products, as in training."""

    param_names = ["optimizer", "elements"]
    params = [EVERY_OPTIMIZER if ALL else _CHOSEN, SIZES]

    def measure(self, optimizer: str, elements: int) -> dict[str, float]:
        steps.require_traffic(optimizer, elements)
        between = steps.MODES["between matmuls"]
        return steps.against_twin(optimizer, elements, between=between, rounds=5)


class Threads(AgainstTwin):
    """A step of AdamW by more and more threads, always in that many shares."""

    param_names = ["elements", "threads"]
    params = [[1 << 17, 1 << 20, 1 << 24], steps.thread_counts()]

    def measure(self, elements: int, threads: int) -> dict[str, float]:
        return steps.against_twin("AdamW", elements, shares=threads)
