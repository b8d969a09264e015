"""What a step allocates, keeps and calls."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from references import CLASSES, make, plain_step

import fastopt


# what a step takes beside gradients is an option, and options are held in Python
@pytest.mark.parametrize("cls", [c for c in CLASSES if not c.inputs], ids=lambda c: c.__name__)
def test_a_step_allocates_nothing(cls, collect):
    p, g = np.ones(5000, np.float32), np.ones(5000, np.float32)
    opt = make(cls, p)
    for _ in range(5):
        plain_step(opt, g)
    traced = np.zeros(2, np.int64)  # numbers of Python's would be traced themselves
    collect()
    tracemalloc.start()
    try:
        for _ in range(2):  # what the interpreter caches at the first traced calls
            plain_step(opt, g)
            traced[1] = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        traced[0] = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            plain_step(opt, g)
        traced[1] = tracemalloc.get_traced_memory()[0]
        assert traced[0] == traced[1]
        assert tracemalloc.get_traced_memory()[1] - traced[0] < 1024
    finally:
        tracemalloc.stop()


def test_one_compiled_call_per_step():
    p = [np.ones(n, np.float32) for n in (3, 100, 7)]
    opt = fastopt.AdamW([{"params": p[:2]}, {"params": p[2:], "lr": 0.5}])
    opt.step([[a.copy() for a in p[:2]], [p[2].copy()]])
    (step,) = opt._runner._ordinary
    calls = []
    opt._runner._ordinary = [lambda ids: calls.append(1) or step(ids)]
    opt.step([[a.copy() for a in p[:2]], [p[2].copy()]])
    assert calls == [1], "groups and tensors share a call"


def test_gradients_are_not_kept():
    p = np.ones((4, 5), np.float32)
    opt = fastopt.AdamW([p])
    for build in (
        lambda: np.ones((4, 5), np.float32),
        lambda: np.ones((8, 10), np.float32)[::2, ::2],
    ):
        g = build()
        opt.step([g])
        alive = weakref.ref(g)
        del g
        assert alive() is None


def test_slots_are_aligned_contiguous_and_stay():
    params = [np.ones(n, np.float32) for n in (3, 100, 7)]
    opt = fastopt.Adam(params)
    views = [opt.state[k]["exp_avg"] for k in opt.state]
    assert all(v.ctypes.data % 64 == 0 for v in views)
    opt.add_param_group({"params": np.ones(1000, np.float32)})
    opt.step([[np.ones_like(p) for p in params], np.ones(1000, np.float32)])
    assert all(v[0] != 0 for v in views), "views handed out stay true"


PEAK = """
import resource, sys
import numpy as np, fastopt
n = 1 << 25
fastopt.AdamW(np.ones(1 << 22, np.float32)).step(np.ones(1 << 22, np.float32))  # compiled
p = np.ones(n, np.float32)
g = np.ones(n, np.float32)
del g
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
opt = fastopt.AdamW(p)
base = peak()  # params and one set of gradients have been there
for _ in range(4):
    g = np.full(n, 0.5, np.float32)
    opt.step(g)
    del g
print((peak() - base) / n, (peak() - base - 8 * n) / 1e6)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_peak_memory_is_two_slots():
    done = subprocess.run(
        [sys.executable, "-c", PEAK],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    beyond = float(done.stdout.split()[1])
    assert beyond <= 64, f"{beyond} MB beyond parameters, gradients and two slots"
