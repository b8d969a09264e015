"""Measuring a case: its step, its twin and the yardsticks in turn, and what that says."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastopt.bench import against, statistics
from fastopt.bench.cases import Case, Subject
from fastopt.bench.rounds import interleaved, loops_lasting, matmul
from fastopt.bench.statistics import Ratio, Rounds

#: What a twin must reach of the speed of a plain copy to be a yardstick.
REACHED = 0.9

_SLICES = 5


@dataclass(frozen=True)
class Settings:
    """How cases are measured.

    Attributes
    ----------
    between : str
        "nothing": steps back to back; "matmul": a 256 x 256 float32 matrix product before every step.
    rounds : int
        How often everything takes its turn.
    seconds : float
        How long a slice of a turn is at least, of one call; of five slices the shortest counts.
    peers : tuple of str
        Whose steps are measured beside it: "torch".
    """

    between: str = "nothing"
    rounds: int = 15
    seconds: float = 0.002
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What was measured of a case.

    Attributes
    ----------
    moved, copied : float
        Bytes that the step moves, and that the plain copy moves.
    shares : int
        By how many threads the step runs.
    times : mapping of arrays, (rounds,)
        Seconds of a call in each round: of ``own``, ``twin``, ``copy``, ``numpy`` and the peers.
    skipped : mapping of str
        Peers that were not measured, and why.
    """

    case: Case
    moved: float
    copied: float
    shares: int
    times: Mapping[str, np.ndarray]
    skipped: Mapping[str, str]

    def seconds(self, name: str = "own") -> float:
        """The typical time of a call."""
        return float(statistics.typical(self.times[name]))

    def rate(self, name: str = "own") -> float:
        """Bytes per second, of what the step moves; of ``copy``, of what that moves."""
        return (self.copied if name == "copy" else self.moved) / self.seconds(name)

    @property
    def fraction(self) -> Ratio:
        """The step's speed as a fraction of the twin's."""
        return statistics.ratio(Rounds((self.times["twin"],), (self.times["own"],)))

    @property
    def reached(self) -> float:
        """The twin's speed as a fraction of a plain copy's."""
        return self.rate("twin") / self.rate("copy")

    @property
    def void(self) -> bool:
        """Whether the twin was too slow, for whatever reason, to say how far a step is from the limit."""
        return self.reached < REACHED


def measured(case: Case, settings: Settings) -> Result:
    """Measure a case; once more if the twin turns out void.

    Raises
    ------
    NotMeasured
        If the case has no traffic twin, or its arrays do not fit into memory.
    """
    first = _measured(case, settings)
    if not first.void:
        return first
    again = _measured(case, settings)
    return again if again.reached > first.reached else first


def _measured(case: Case, settings: Settings) -> Result:
    gc.collect()  # the arrays of the case before
    subject = Subject(case)
    calls, skipped = dict(subject.calls), {}
    for peer in settings.peers:
        given = case.optimizer, subject.parameter, subject.gradient
        found = against.PEERS[peer](*given, **subject.hyperparameters)
        if isinstance(found, str):
            skipped[peer] = found
        else:
            calls[peer] = found
    for call in calls.values():  # compiles, and touches all memory
        call()
    loops = {name: loops_lasting(call, settings.seconds) for name, call in calls.items()}
    between = matmul(256) if settings.between == "matmul" else None
    if between is not None:
        loops = {name: min(count, 50) for name, count in loops.items()}
    with np.errstate(all="ignore"):
        times = interleaved(
            calls, rounds=settings.rounds, loops=loops, slices=_SLICES, between=between
        )
    return Result(case, subject.moved, subject.copied, subject.shares, times, skipped)
