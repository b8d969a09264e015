"""AdamW on the parameters of networks that many people train (shapes.json)."""

from __future__ import annotations

from benchmarks import steps
from benchmarks.shapes import NETWORKS

from .measured import AgainstTwin

_STEPS = {"plain": steps.OPTIONS["plain"], "whole": steps.WHOLE}


class Networks(AgainstTwin):
    """A plain step, and one with unscaling, clipping by norm, skipping, and an average of the parameters."""

    param_names = ["network", "step", "mode"]
    params = [list(NETWORKS), list(_STEPS), list(steps.MODES)]

    def measure(self, network: str, step: str, mode: str) -> dict[str, float]:
        shapes, between = NETWORKS[network], steps.MODES[mode]
        return steps.with_option(_STEPS[step], shapes, between=between, rounds=5)
