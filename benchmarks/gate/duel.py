"""Two sides measured in turn, and what that says."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.gate.sides import Side, Worker
from fastopt.bench import statistics
from fastopt.bench.statistics import Ratio, Rounds

# An element-wise rule that computes as well as it moves, one that only moves, one with sums, one with sums by
# rows and columns; a size that the call costs most of, one in the cache, one by all threads.
CASES: dict[str, dict[str, Any]] = {
    f"{name}, {rows * columns:,}, {'one thread' if serial else 'all threads'}": {
        "optimizer": name, "given": given, "shape": [rows, columns], "serial": serial,
    }
    for name, given, rows, columns, serial in (
        ("AdamW", {}, 32, 32, True),
        ("AdamW", {}, 128, 128, True),
        ("AdamW", {}, 1024, 1024, False),
        ("SGD", {"momentum": 0.9}, 32, 32, True),
        ("SGD", {"momentum": 0.9}, 128, 128, True),
        ("LAMB", {}, 128, 128, True),
        ("Adafactor", {}, 128, 128, True),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How long and how often: seconds of a slice of a turn, rounds."""

    seconds: float = 0.0015
    rounds: int = 31


@dataclass(frozen=True)
class Finding:
    """How many times as long the second side's step takes as the first's: by time, and by its twin.

    Both are judged. The twin takes out what befell a whole process, but also what changed in the drivers, through
    which the twin runs too; so time by itself counts as well, which here is measured under the same conditions.
    """

    case: str
    time: Ratio
    by_twin: Ratio

    def slower(self, limit: float) -> bool:
        """Whether either lies beyond the limit with its whole interval."""
        return self.time.beyond(limit) or self.by_twin.beyond(limit)


def measure(base: Side, head: Side, names: list[str], effort: Effort) -> list[Finding]:
    """Each case measured in turn by two new processes, round by round, first one and then the other first."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(side)) for side in (base, head)]
        for name in names:
            for worker in workers:  # both compile at once
                worker.send(do="open", case=name, made=CASES[name])
            for worker in workers:
                worker.receive()
        loops = {n: workers[0].ask(do="count", case=n, seconds=effort.seconds) for n in names}
        times: Mapping[str, list[list[dict[str, float]]]] = {name: [] for name in names}
        for turn in range(effort.rounds):
            order = workers if turn % 2 == 0 else workers[::-1]
            for name in names:
                turns = [w.ask(do="time", case=name, loops=loops[name]) for w in order]
                times[name].append(turns if turn % 2 == 0 else turns[::-1])
    return [_finding(name, times[name]) for name in names]


def _finding(name: str, rounds: list[list[dict[str, float]]]) -> Finding:
    (own, twin), (new_own, new_twin) = (
        [np.array([turns[side][what] for turns in rounds]) for what in ("own", "twin")]
        for side in (0, 1)
    )
    time = statistics.ratio(Rounds((new_own,), (own,)))
    return Finding(name, time, statistics.ratio(Rounds((new_own, twin), (own, new_twin))))


def compare(base: Side, head: Side, limit: float, effort: Effort) -> list[list[Finding]]:
    """Measure all cases, and those that look slower once more; slower is what the last list still finds so."""
    first = measure(base, head, list(CASES), effort)
    suspected = [found.case for found in first if found.slower(limit)]
    return [first, measure(base, head, suspected, effort)] if suspected else [first]


def slower(measurements: list[list[Finding]], limit: float) -> list[str]:
    """The cases that were slower in both measurements."""
    if len(measurements) < 2:
        return []
    return [found.case for found in measurements[1] if found.slower(limit)]
