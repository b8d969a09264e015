"""Many threads, forks, layers, and how many threads there are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastopt
from fastopt.drivers import threads

LAYERS = ("tbb", "omp", "workqueue")


def run(code, **environment):
    """The output of a fresh process; layers and forks are chosen once per process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def skip_without(layer):
    if (
        layer == "tbb"
        and run("from fastopt.drivers import threads; print(threads.layer())") != "tbb"
    ):
        pytest.skip("tbb does not load (extra: tbb)")
    if layer == "omp" and sys.platform != "linux":
        pytest.skip("GNU OpenMP is Linux's layer")


EIGHT_THREADS = """
import threading, numpy as np, fastopt
def train(seed, together):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=1 << 20).astype(np.float32)
    opt = fastopt.AdamW(p, lr=0.01)
    opt._runner.force_shares(2)
    if together:
        together.wait()
    for _ in range(5):
        opt.step(rng.normal(size=1 << 20).astype(np.float32))
    results[seed, together is not None] = p
results = {}
for seed in range(8):
    train(seed, None)
barrier = threading.Barrier(8)
workers = [threading.Thread(target=train, args=(seed, barrier)) for seed in range(8)]
for w in workers: w.start()
for w in workers: w.join()
assert all(np.array_equal(results[s, True], results[s, False]) for s in range(8))
from fastopt.drivers import threads
print(threads.layer())
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_eight_threads_step_eight_optimizers(layer):
    skip_without(layer)
    assert run(EIGHT_THREADS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == layer


FORK = """
import os, numpy as np, fastopt
p = np.ones(1 << 21, np.float32)
g = np.full_like(p, 0.5)
opt = fastopt.AdamW(p, lr=0.01)
opt._runner.force_shares(None)
threads = fastopt.get_num_threads()
opt.step(g)
expected = p.copy()
twin = fastopt.AdamW(expected, lr=0.01)
twin.load_state_dict(opt.state_dict())
twin.step(g)
def child(depth):
    pid = os.fork()
    if pid == 0:
        q = np.ones(1 << 21, np.float32)
        fresh = fastopt.AdamW(q, lr=0.01)
        fresh.step(g); fresh.step(g)
        ok = np.array_equal(q, expected)
        if depth:
            ok = ok and child(depth - 1) == 0
        os._exit(0 if ok else 1)
    return os.waitpid(pid, 0)[1]
assert child(2) == 0
opt.step(g)
assert np.array_equal(p, expected)
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("layer", LAYERS)
def test_children_and_grandchildren_of_a_fork_go_on(layer):
    skip_without(layer)
    assert run(FORK, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == "fine"


def test_the_same_optimizer_from_two_threads():
    p = np.ones(1 << 20, np.float32)
    g = np.ones_like(p)
    opt = fastopt.AdamW(p)
    opt.step(g)
    refused, done = [], threading.Event()

    def keep_stepping():
        while not done.is_set():
            try:
                opt.step(g)
            except RuntimeError as error:
                refused.append(str(error))

    workers = [threading.Thread(target=keep_stepping) for _ in range(2)]
    for worker in workers:
        worker.start()
    done.wait(0.5)
    done.set()
    for worker in workers:
        worker.join()
    assert refused
    assert "another thread" in refused[0]
    opt.step(g)  # and it goes on


def test_threads_do_not_spin_after_a_step():
    """A pool that spins keeps a core busy while the process sleeps."""
    pytest.importorskip(
        "rich", reason="the command line's libraries are not installed (extra: cli)"
    )
    code = "from fastopt.cli.doctor import spinning_share; print(min(spinning_share() for _ in range(5)))"
    for layer in LAYERS:
        if layer == "tbb":
            continue  # sleeps by itself, after a moment
        assert float(run(code, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")) < 0.5


def test_environment_is_put_back():
    code = """
import os, fastopt
before = dict(os.environ)
from fastopt.drivers import threads
threads.layer()
assert dict(os.environ) == before
print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""
    assert run(code, NUMBA_THREADING_LAYER="omp") == "None None"
    assert run(code, NUMBA_THREADING_LAYER="omp", OMP_WAIT_POLICY="active") == "None active"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NUMBA_NUM_THREADS": "1"}, "1"),
        ({"OMP_NUM_THREADS": "1"}, "1"),
        ({"OMP_NUM_THREADS": "1,4"}, "1"),
        ({"NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}, "2"),
    ],
)
def test_count_from_environment(environment, expected):
    assert run("import fastopt; print(fastopt.get_num_threads())", **environment) == expected


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks"
)
def test_count_from_affinity():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import fastopt; print(fastopt.get_num_threads())"
    assert run(code) == "1"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_count_from_cgroup(tmp_path):
    assert threads.cgroup_quota(tmp_path) is None
    write(tmp_path / "proc/self/cgroup", "0::/outer/inner\n")
    assert threads.cgroup_quota(tmp_path) is None
    write(tmp_path / "sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n")
    assert threads.cgroup_quota(tmp_path) is None
    write(tmp_path / "sys/fs/cgroup/outer/cpu.max", "150000 100000\n")
    assert threads.cgroup_quota(tmp_path) == 1.5
    write(tmp_path / "proc/self/cgroup", "7:cpu,cpuacct:/job\n")
    write(tmp_path / "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n")
    write(tmp_path / "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n")
    assert threads.cgroup_quota(tmp_path) == 3.0


def test_small_steps_stay_serial(monkeypatch):
    monkeypatch.setattr(threads, "_count", 2)
    monkeypatch.setattr(threads, "layer", lambda: "tbb")
    assert threads.shares(1000) == 1
    assert threads.shares(20e6) == 2
    monkeypatch.setattr(threads, "_forked_from_openmp", True)
    assert threads.shares(1e9) == 1


def test_large_steps_are_cut_finer(monkeypatch):
    monkeypatch.setattr(threads, "_count", 3)
    monkeypatch.setattr(threads, "layer", lambda: "tbb")
    share = threads._SHARE_BYTES
    assert [threads.shares(3 * share * n) for n in (1, 1.99, 2, 8, 1000)] == [3, 3, 6, 24, 24]


TURNS = """
import numba, numpy as np, fastopt
from fastopt.drivers import threads
fastopt.set_num_threads(2)
assert threads.layer()
@numba.njit(parallel=True)
def kernel(used, x):
    for share in numba.prange(32):
        used[share] = numba.get_thread_id()
        for _ in range(200):
            x[share] += np.sqrt(x[share]).sum()
numba.set_parallel_chunksize(5)
used, x = np.zeros(32, np.int64), np.zeros((32, 1000))
with threads.taking_turns():
    assert (numba.get_parallel_chunksize(), numba.get_num_threads()) == (1, 2)
    for _ in range(5):
        kernel(used, x)
        assert len(np.unique(used)) <= 2, used
assert (numba.get_parallel_chunksize(), numba.get_num_threads()) == (5, 4)
p, g = np.ones(1 << 22, np.float32), np.ones(1 << 22, np.float32)
opt = fastopt.Adam(p)
info = opt.step(g)
(call,) = opt._runner._prepared(frozenset())
assert call.shares == 14, call.shares
assert (numba.get_parallel_chunksize(), numba.get_num_threads()) == (5, 4)
try:
    with threads.taking_turns():
        raise KeyError
except KeyError:
    assert (numba.get_parallel_chunksize(), numba.get_num_threads()) == (5, 4)
print("fine")
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_shares_by_turns_keep_to_the_number_of_threads(layer):
    skip_without(layer)
    assert run(TURNS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="4") == "fine"


def test_set_num_threads_reaches_optimizers_that_are_there():
    p = np.ones(1 << 22, np.float32)
    opt = fastopt.SGD(p, lr=0.1)
    most = fastopt.get_num_threads()
    for n in (1, most):
        fastopt.set_num_threads(n)
        opt.step(p.copy())
        (call,) = opt._runner._prepared(frozenset())
        assert call.shares % n == 0
        assert (call.shares == 1) == (n == 1)
