"""What a process pays once: the import, the first step, memory."""

from __future__ import annotations

import numpy as np

import fastopt
from benchmarks import fresh, steps
from fastopt.bench.cases import shape_of

from .measured import Measured


def timeraw_import() -> str:
    """``import fastopt`` in a process of its own."""
    return "import fastopt"


class FirstStep(Measured):
    """AdamW's first step in a process of its own: compiled, or loaded from the cache of kernels."""

    param_names = ["cache"]
    params = [["empty", "filled"]]
    timeout = 600.0

    def measure(self, cache: str) -> dict[str, float]:
        return fresh.starts()[cache]

    def track_first_step(self, cache: str) -> float:
        """Constructor and first step."""
        return self.results["first"]

    def track_second_step(self, cache: str) -> float:
        """The one after it."""
        return self.results["second"]

    def track_peak_memory(self, cache: str) -> float:
        """Most memory that the process had."""
        return self.results["peak"]

    track_first_step.unit = "seconds"  # type: ignore[attr-defined]
    track_second_step.unit = "seconds"  # type: ignore[attr-defined]
    track_peak_memory.unit = "bytes"  # type: ignore[attr-defined]


class PeakMemory:
    """Of a process that takes three steps, with parameters, gradients and slots."""

    param_names = ["optimizer", "elements"]
    params = [["SGD", "AdamW", "Adafactor"], [1 << 20, 1 << 24]]
    timeout = 300.0

    def setup(self, optimizer: str, elements: int) -> None:
        """Parameters and gradients."""
        shape = shape_of(elements, None)
        self.gradient = np.ones(shape, np.float32)
        self.opt = getattr(fastopt, optimizer)(np.ones(shape, np.float32))

    def peakmem_steps(self, optimizer: str, elements: int) -> None:
        """Three steps."""
        step = steps.stepper(self.opt, self.gradient)
        for _ in range(3):
            step()


class PeakOfNetworks:
    """Of a process that takes three whole steps of AdamW over GPT-2 small."""

    timeout = 300.0

    def setup(self) -> None:
        """Parameters and gradients of ones."""
        from benchmarks.shapes import NETWORKS

        shapes = NETWORKS["GPT-2 small"]
        self.grads = [np.ones(s, np.float32) for s in shapes]
        self.opt = fastopt.AdamW([np.ones(s, np.float32) for s in shapes], ema_decay=0.999)

    def peakmem_whole_steps(self) -> None:
        """Three steps with clipping."""
        for _ in range(3):
            self.opt.step(self.grads, clip_norm=1.0, skip_nonfinite=True)
