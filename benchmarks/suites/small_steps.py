"""What a step costs beyond its memory: few numbers, new arrays, many tensors, other work in between."""

from __future__ import annotations

from benchmarks import steps

from .measured import ALL, Measured


class SmallSteps(Measured):
    """AdamW, a whole call of `step`."""

    param_names = ["tensors", "mode"]
    params = [list(steps.SMALL), list(steps.MODES)]

    def measure(self, tensors: str, mode: str) -> dict[str, float]:
        return steps.small(steps.SMALL[tensors], between=steps.MODES[mode], rounds=15 if ALL else 9)

    def track_same_arrays(self, *case: str) -> float:
        """With the gradient arrays of the step before."""
        return self.results["same"]

    def track_new_arrays(self, *case: str) -> float:
        """With other gradient arrays than the step before."""
        return self.results["new"]

    track_same_arrays.unit = "seconds"  # type: ignore[attr-defined]
    track_new_arrays.unit = "seconds"  # type: ignore[attr-defined]
