"""Facts about speed that no noise can change: what loops consist of, what a step calls, compiles and moves."""

from __future__ import annotations

import platform
import sys

import loops
import numpy as np
import pytest
from kinds import every_class
from numba.core import event
from references import make, plain_step

import fastopt

# An element-wise rule of each kind, and the updates of rules with sums.
ORDINARY = ["SGD", "Adam", "AdamW", "Lion", "RMSprop", "LAMB", "Adafactor"]


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="counts code of x86-64"
)
@pytest.mark.parametrize(
    "names",
    [ORDINARY, pytest.param(fastopt.optimizers.__all__, marks=pytest.mark.full)],
    ids=["ordinary", "all"],
)
def test_loops_are_as_stored(names):
    """On purpose changed? ``python tests/loops.py`` writes the table anew; look at what it changes."""
    counted = loops.counted(list(names))
    for name, row in counted.items():
        assert row["scalar"] == 0, (name, row)
        assert row["elements"] in (8, 16, 32, 64), (name, row)  # whole vectors
    compiler, stored = loops.stored()
    if compiler != loops.compiler():
        pytest.skip(f"tests/loops.csv is of {compiler}, this is {loops.compiler()}")
    assert counted == {name: stored[name] for name in names}


def test_bytes_of_each_element_are_as_stored():
    _, stored = loops.stored()
    names = fastopt.optimizers.__all__
    moved = {name: loops.variant_of(name).bytes_per_element() for name in names}
    assert moved == {name: row["bytes"] for name, row in stored.items()}


@every_class
def test_a_step_is_one_compiled_call_and_compiles_once(cls):
    p = np.ones(5000, np.float32)
    opt = make(cls, [p])
    plain_step(opt, [np.ones_like(p)])
    calls = []
    parts = opt._runner._ordinary
    opt._runner._ordinary = [
        lambda arrays, part=part: calls.append(1) or part(arrays) for part in parts
    ]
    whole = sum(m.whole is not None for m in cls.measures)  # in Python, between two calls
    with event.install_recorder("numba:compile") as recorder:
        plain_step(opt, [np.ones_like(p)])
        assert len(calls) == (1 + 2 * whole if not opt.inputs else 0)  # those go another way
        group = opt.param_groups[0]
        for name in {"lr", "weight_decay"} & set(group):
            if group[name]:
                group[name] = 0.5 * group[name]
        plain_step(opt, [np.ones_like(p)])
        plain_step(opt, [np.ones(10_000, np.float32)[::2]])
        assert not [record for _, record in recorder.buffer if record.is_start]
