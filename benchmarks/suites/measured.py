"""The base of all suites: one measurement for each case, of which asv tracks several numbers."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import fastopt

#: Everything, instead of a choice that takes less than half an hour on two cores.
ALL = os.environ.get("FASTOPT_BENCH_ALL", "0") not in ("", "0")

SIZES = [1 << k for k in (10, 14, 17, 20, 24, 26)]
DTYPES = ["float32", "float64"]
EVERY_OPTIMIZER = sorted(fastopt.optimizers.__all__, key=str.lower)
THREADS = list(dict.fromkeys([1, fastopt.get_num_threads()]))


class Measured(ABC):
    """Benchmarks whose numbers are taken together, interleaved in one process.

    A subclass has `params`, `param_names`, ``measure(*case) -> dict of numbers``, and a ``track_...(*case)`` with a
    `unit` for each number that it shows. asv runs each of these in a process of its own; what the first
    has measured is kept in the folder that they share.
    """

    timeout = 300.0

    def setup_cache(self) -> None:  # noqa: B027
        """Nothing is prepared, but with this asv lets all cases run in one folder."""

    def setup(self, *case: Any) -> None:
        """Measure this case, or read what was measured."""
        kept = Path("-".join([type(self).__name__, *map(str, case)]) + ".json")
        if not kept.exists():
            kept.write_text(json.dumps(self.measure(*case)))
        self.results: dict[str, float] = json.loads(kept.read_text())

    @abstractmethod
    def measure(self, *case: Any) -> dict[str, float]:
        """All numbers of a case; NotImplementedError, with the reason, where it is skipped."""


class AgainstTwin(Measured):
    """Suites that compare a step with its traffic twin: results ``time``, ``twin`` and ``bytes``.

    asv takes an increase of a number for a loss, so `track_time` and `track_time_by_twin` are what regressions are
    looked for in (asv.conf.json); the others are for reading.
    """

    def track_time(self, *case: Any) -> float:
        """A step."""
        return self.results["time"]

    def track_time_by_twin(self, *case: Any) -> float:
        """Its time, divided by that of the twin in the same run."""
        return self.results["time"] / self.results["twin"]

    def track_fraction(self, *case: Any) -> float:
        """Its speed, divided by that of the twin."""
        return self.results["twin"] / self.results["time"]

    def track_rate(self, *case: Any) -> float:
        """Bytes moved."""
        return self.results["bytes"] / self.results["time"] / 1e9

    track_time.unit = "seconds"  # type: ignore[attr-defined]
    track_time_by_twin.unit = "of the twin's time"  # type: ignore[attr-defined]
    track_fraction.unit = "of the twin's speed"  # type: ignore[attr-defined]
    track_rate.unit = "GB/s"  # type: ignore[attr-defined]
