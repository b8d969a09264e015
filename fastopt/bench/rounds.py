"""Interleaved timing: what is compared runs in turn, in one process, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Call = Callable[[], object]

# Long enough for the threads of what ran before to stop spinning (GNU OpenMP's default in torch), and then for
# the scheduler to have put this call's threads on cores of their own.
_PAUSE, _WARM = 0.02, 0.01


def interleaved(
    calls: Mapping[str, Call],
    *,
    rounds: int = 9,
    loops: int | Mapping[str, int] = 1,
    slices: int = 1,
    between: Call | None = None,
) -> dict[str, np.ndarray]:
    """Seconds of each call, round by round.

    Parameters
    ----------
    calls : mapping of callables
        What is compared. Each is called twice before anything is timed, so that nothing is compiled then.
    rounds : int
        How often they all take their turn.
    loops : int, or mapping of ints
        How many calls one turn has, or with `slices` a slice of it.
    slices : int
        Into how many slices a turn is cut, of which the shortest counts: what other programs take is never
        negative.
    between : callable, optional
        Runs before every call, untimed: what trainers do between steps. Turns have no slices then.

    Returns
    -------
    dict of arrays, (rounds,)
        Mean seconds of a call in each turn, or in its shortest slice; with `between` the median, since every call is timed by itself.

    Examples
    --------
    >>> from fastopt.bench.rounds import interleaved
    >>> a = np.ones(1000)
    >>> times = interleaved({"sum": a.sum, "copy": a.copy}, rounds=3, loops=10)
    >>> times["sum"].shape, bool((times["copy"] > 0).all())
    ((3,), True)
    """
    times = {name: np.empty(rounds) for name in calls}
    counts = dict.fromkeys(calls, loops) if isinstance(loops, int) else loops
    for call in calls.values():
        call()
        call()
    for turn in range(rounds):
        for name, call in calls.items():
            if between is None:
                _settle(call)
                times[name][turn] = min(_in_a_row(call, counts[name]) for _ in range(slices))
            else:
                times[name][turn] = np.median([_after(between, call) for _ in range(counts[name])])
    return times


def loops_lasting(call: Call, seconds: float) -> int:
    """How many calls last so long."""
    once = min(_in_a_row(call, 1) for _ in range(3))
    return max(1, round(seconds / max(once, 1e-7)))


def _in_a_row(call: Call, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def _after(between: Call, call: Call) -> float:
    between()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _settle(call: Call) -> None:
    time.sleep(_PAUSE)
    start = time.perf_counter()
    while time.perf_counter() - start < _WARM:
        call()


def matmul(size: int) -> Call:
    """A float32 matrix product, as trainers do between steps."""
    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    b, out = a.T.copy(), np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
