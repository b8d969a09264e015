"""How many threads a step uses, and Numba's pool behind them.

The pool's threads must not spin after a step, or the caller's next matrix product pays for it
(docs/decisions/0002-threads-that-sleep.md). So fastopt starts Numba's pool itself, in this order unless the user chose a layer:
tbb where it loads, GNU OpenMP with spinning off, workqueue behind a lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numba
from numba.np.ufunc import parallel as pool

# What waking the sleeping threads costs, in seconds, by layer, and what one core moves per second while data
# is in its cache: measured by benchmarks/threshold.py on a virtual machine with 2 cores, where waking is dear.
# tbb's threads sleep only after a moment and its work can be stolen back from a thread that is slow to wake.
_LAUNCH = {"tbb": 25e-6, "omp": 100e-6, "workqueue": 150e-6}
_BYTES_PER_SECOND = 50e9

# Steps that stream from memory are cut finer than into a share per thread, and threads take one share after the
# other: a core that others keep busy, as a BLAS library does after a product, holds up none but its own
# (docs/decisions/0025). A share moves so many bytes at least; a thread has so many shares at most.
_SHARE_BYTES = 8 << 20
_SHARES_EACH = 8

_count: int | None = None
_forked_from_openmp = False
_one_at_a_time = threading.Lock()
_starting = threading.Lock()

#: Raised by one whenever `shares` may answer differently than before.
generation = 0


def get_num_threads() -> int:
    """Threads that a large step uses.

    At first NUMBA_NUM_THREADS or OMP_NUM_THREADS, else the cores that the affinity mask and the
    cgroup's quota leave to this process.

    Examples
    --------
    >>> fastopt.get_num_threads() >= 1
    True
    """
    global _count
    if _count is None:
        _count = max(1, min(_default_count(os.environ), _most()))
    return _count


def set_num_threads(n: int) -> None:
    """Let steps use n threads, in the whole process; results do not depend on it.

    Parameters
    ----------
    n : int
        From 1 to the number that Numba's pool has (NUMBA_NUM_THREADS, by default one per core of the
        affinity mask).

    Examples
    --------
    >>> fastopt.set_num_threads(1)
    >>> fastopt.get_num_threads()
    1
    """
    global _count, generation
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: n is {n!r}; expected an int from 1 to {_most()}")
    if not 1 <= n <= _most():
        raise ValueError(f"set_num_threads: n is {n}; expected 1 to {_most()} (NUMBA_NUM_THREADS)")
    _count = n
    generation += 1


def shares(bytes_moved: float) -> int:
    """Into how many shares a step that moves so many bytes should be split."""
    count = get_num_threads()
    if count == 1 or _forked_from_openmp:
        return 1
    saved = bytes_moved / _BYTES_PER_SECOND * (1 - 1 / count)
    if saved < min(_LAUNCH.values()) or saved < _LAUNCH[layer()]:
        return 1
    finer = int(bytes_moved / (count * _SHARE_BYTES))
    return count * max(1, min(finer, _SHARES_EACH))


@contextlib.contextmanager
def taking_turns() -> Iterator[None]:
    """While this lasts, launches by this thread are of more shares than threads: each is taken by who is free."""
    size, threads = numba.get_parallel_chunksize(), numba.get_num_threads()
    numba.set_parallel_chunksize(1)
    numba.set_num_threads(min(threads, get_num_threads()))
    try:
        yield
    finally:
        numba.set_num_threads(threads)
        numba.set_parallel_chunksize(size)


def launch_lock() -> threading.Lock | None:
    """What a parallel launch must hold, if anything; who does not get it takes the serial kernel.

    Numba's workqueue layer aborts the process when two threads launch at once. The bits are the same.
    """
    return _one_at_a_time if layer() == "workqueue" else None


def layer() -> str:
    """The name of Numba's threading layer, started if it was not: tbb, omp or workqueue."""
    if not pool._is_initialized:
        with _starting:
            _find_tbb()
            with _sleeping_openmp(os.environ):
                pool._launch_threads()
    return str(numba.threading_layer())


def _find_tbb() -> None:
    """Load the tbb wheel's library: it lies where the system's loader does not look."""
    folder, name = {
        "linux": ("lib", "libtbb.so.12"),
        "darwin": ("lib", "libtbb.12.dylib"),
        "win32": ("Library/bin", "tbb12.dll"),
    }.get(sys.platform, ("", ""))
    for prefix in dict.fromkeys([sys.prefix, sys.base_prefix]):
        library = Path(prefix, folder, name)
        if name and library.is_file():
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
                return


@contextlib.contextmanager
def _sleeping_openmp(environ: os._Environ[str]) -> Iterator[None]:
    """GNU OpenMP reads its environment once, when it is loaded: tell it not to spin, then put things back."""
    if "GOMP_SPINCOUNT" in environ or "OMP_WAIT_POLICY" in environ:  # the user's word
        yield
        return
    environ["GOMP_SPINCOUNT"] = "0"
    try:
        yield
    finally:
        del environ["GOMP_SPINCOUNT"]


def _most() -> int:
    return int(numba.config.NUMBA_NUM_THREADS)


def _default_count(environ: os._Environ[str] | dict[str, str]) -> int:
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        first = environ.get(name, "").split(",")[0].strip()
        if first.isdigit() and int(first) > 0:
            return int(first)
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cgroup_quota(Path("/"))
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cgroup_quota(root: Path) -> float | None:
    """Cores' worth of time that the control groups of this process allow, None if unlimited."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root / "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            base, names = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        own = base / path.lstrip("/")
        for folder in [own, *own.parents]:
            if not folder.is_relative_to(base):
                break
            with contextlib.suppress(OSError, ValueError):
                quota, period = " ".join((folder / name).read_text() for name in names).split()
                if quota not in ("max", "-1"):
                    limits.append(float(quota) / float(period))
    return min(limits, default=None)


def _after_fork() -> None:
    """A child of a process that has run GNU OpenMP dies at its first parallel launch: stay serial."""
    global _forked_from_openmp, generation, _one_at_a_time, _starting
    _one_at_a_time, _starting = threading.Lock(), threading.Lock()
    generation += 1
    if pool._is_initialized and numba.threading_layer() == "omp" and sys.platform == "linux":
        _forked_from_openmp = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
