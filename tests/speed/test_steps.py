"""Steps of one array, beside their twins."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fastopt.bench import statistics
from fastopt.bench.cases import Case, Subject

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


def fractions(own, twin):
    """Of the twin's speed, one for each row of turns."""
    own, twin = (np.reshape(times, (-1, ROW)).min(axis=1) for times in (own, twin))
    return twin / own


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
        times = benchmark.stats.stats.data
        found = fractions(times, twins[-ROUNDS:])
        benchmark.extra_info.update(case=case.name, steps=loops, fractions=found.tolist())
        figures = [f"{min(times) / loops * 1e6:.1f}", f"{np.median(found):.3f}"]
        slower = ""
        if case.name in saved:
            before, limit = np.array(saved[case.name]["fractions"]), pytestconfig.option.slower
            ratio = statistics.of_medians(before, found)
            if ratio.beyond(limit):  # once more
                turns = np.array([(timed(twin), timed(own)) for _ in range(ROUNDS)])
                ratio = statistics.of_medians(before, fractions(turns[:, 1], turns[:, 0]))
                slower = f"twice slower than {limit:g} times"
            figures.append(f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})")
            rows.append((case.name, *figures))
            assert not (slower and ratio.beyond(limit)), f"{case.name}: {slower}: {ratio}"
        else:
            rows.append((case.name, *figures, ""))
