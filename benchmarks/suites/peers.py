"""AdamW by others, on the same numbers as fastopt's in the same process."""

from __future__ import annotations

from benchmarks import contenders, steps

from .measured import ALL, SIZES, Measured


class Peers(Measured):
    """A step; skipped, with the reason, where the library is absent."""

    param_names = ["who", "elements", "mode"]
    params = [
        [name for name in contenders.CONTENDERS if name != "fastopt"],
        SIZES if ALL else [1 << 10, 1 << 17, 1 << 24],
        list(steps.MODES),
    ]
    timeout = 900.0  # DeepSpeed compiles itself when it is first used

    def measure(self, who: str, elements: int, mode: str) -> dict[str, float]:
        try:
            return contenders.measure_all(["fastopt", who], elements, mode)
        except contenders.Absent as why:
            raise NotImplementedError(f"{who}: {why}") from why

    def track_time(self, who: str, elements: int, mode: str) -> float:
        """A step of theirs."""
        return self.results[who]

    def track_fastopt_by_this(self, who: str, elements: int, mode: str) -> float:
        """Time of fastopt's step, divided by that of theirs in the same run."""
        return self.results["fastopt"] / self.results[who]

    track_time.unit = "seconds"  # type: ignore[attr-defined]
    track_fastopt_by_this.unit = "of their time"  # type: ignore[attr-defined]
