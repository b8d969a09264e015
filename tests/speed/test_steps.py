"""Steps of one array, beside their twins."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fastopt.bench import statistics
from fastopt.bench.cases import Case, Subject
from fastopt.bench.statistics import Rounds

# Short turns, of which the shortest in each row of five counts: others use these cores too.
ROUNDS, ROW = 75, 5

#: Steps of a turn, by the number of elements.
STEPS = {1 << 10: 400, 1 << 14: 150, 1 << 17: 30, 1 << 20: 4}

CASES = [
    Case(name, elements, "float32")
    for name in ("SGD", "AdamW", "Lion", "LAMB")
    for elements in STEPS
]


def several(call, loops):
    def turn():
        for _ in range(loops):
            call()

    return turn


def timed(turn):
    start = time.perf_counter()
    turn()
    return time.perf_counter() - start


def shortest(times):
    return np.reshape(times, (-1, ROW)).min(axis=1)


def slowdown(before, now):
    (own, twin), (new_own, new_twin) = np.array(before), now
    return statistics.ratio(Rounds((new_own,), (new_twin,)), Rounds((twin,), (own,)))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.optimizer}-{c.elements}")
def test_step(case, benchmark, saved, rows, pytestconfig):
    subject = Subject(case)
    step, adding = subject.calls["own"], subject.calls["twin"]
    step(), adding()
    loops = STEPS[case.elements]
    own, twin, twins = several(step, loops), several(adding, loops), []
    benchmark.group = f"{case.elements:,} elements, {loops} steps"
    with np.errstate(all="ignore"):
        benchmark.pedantic(
            own, setup=lambda: twins.append(timed(twin)), rounds=ROUNDS, warmup_rounds=1
        )
        times = [shortest(benchmark.stats.stats.data), shortest(twins[-ROUNDS:])]
        own_times, twin_times = times
        benchmark.extra_info.update(case=case.name, times=[t.tolist() for t in times])
        fraction = statistics.ratio(Rounds((twin_times,), (own_times,)))
        figures = [f"{statistics.typical(own_times) / loops * 1e6:.1f}", f"{fraction.value:.3f}"]
        if case.name in saved:
            limit = pytestconfig.option.slower
            ratio = slowdown(saved[case.name]["times"], times)
            if once := ratio.beyond(limit):
                turns = np.array([(timed(own), timed(twin)) for _ in range(ROUNDS)])
                ratio = slowdown(saved[case.name]["times"], [shortest(t) for t in turns.T])
            figures.append(f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})")
        rows.append((case.name, *figures))
        if case.name in saved:
            assert not (once and ratio.beyond(limit)), f"twice slower than {limit:g} times: {ratio}"
