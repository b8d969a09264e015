"""``fastopt doctor``: what fastopt found on this machine."""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from fastopt import measure
from fastopt.drivers import compile, threads


def run() -> None:
    """Print a table of findings."""
    console = Console()
    table = Table(title=f"fastopt {fastopt.__version__}", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    with console.status("Measuring"):
        for name, value in findings():
            table.add_row(name, value)
    console.print(table)


def findings() -> Iterator[tuple[str, str]]:
    """Name and finding, in the order of the table."""
    yield "Python", f"{platform.python_version()} on {platform.platform()}"
    yield (
        "libraries",
        f"numpy {np.__version__}, numba {numba.__version__}, llvmlite {llvmlite.__version__}",
    )
    yield "processor", f"{llvmlite.binding.get_host_cpu_name()} ({platform.machine()})"
    yield "cores", _cores()
    yield "threads of a large step", str(fastopt.get_num_threads())
    yield "threading layer", _layer()
    yield "SIMD in a fresh AdamW kernel", _simd()
    yield "cache folder", _cache(compile.cache_folder())
    yield "CUDA", _cuda()
    one, every = measure.copy_bandwidth()
    yield "copy bandwidth", f"{one / 1e9:.1f} GB/s by one thread, {every / 1e9:.1f} GB/s by all"


def _cores() -> str:
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "unknown"
    quota = threads.cgroup_quota(Path("/"))
    limit = "no cgroup quota" if quota is None else f"cgroup quota of {quota:g}"
    return f"{os.cpu_count()}, affinity mask of {affinity}, {limit}"


def _layer() -> str:
    layer = threads.layer()
    spin = spinning_share()
    verdict = "its threads sleep after a step" if spin < 0.5 else "its threads SPIN after a step"
    return f"{layer}; {verdict} ({spin:.0%} of a core busy while idle)"


def spinning_share() -> float:
    """How much of a core the pool keeps busy in the 50 ms after a parallel step."""
    p, g = np.ones(1 << 20, np.float32), np.ones(1 << 20, np.float32)
    opt = measure.Copy(p)
    opt._runner.force_shares(max(2, fastopt.get_num_threads()))
    for _ in range(3):
        opt.step(g)
    wall, cpu = time.perf_counter(), time.process_time()
    time.sleep(0.05)
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def _simd() -> str:
    opt = fastopt.AdamW(np.ones(1, np.float32))
    bits = measure.vector_bits(measure.step_assembly(opt._workspace.variant(0)))
    return f"{bits} bits, {bits // 32} float32 at once" if bits else "[red]none[/red]"


def _cache(folder: Path) -> str:
    entries = list(folder.glob("*.nbc")) if folder.is_dir() else []
    size = 0
    for entry in entries:
        with contextlib.suppress(OSError):
            size += entry.stat().st_size
    can = (
        "writable"
        if compile.is_writable(folder)
        else "[red]not writable: kernels are compiled anew[/red]"
    )
    return f"{folder}: {can}, {len(entries)} kernels, {size / 1e6:.1f} MB"


def _cuda() -> str:
    driver = "driver found" if ctypes.util.find_library("cuda") else "no driver found"
    try:
        package = f"numba-cuda {importlib.metadata.version('numba-cuda')}"
    except importlib.metadata.PackageNotFoundError:
        return f"{driver}, numba-cuda not installed (pip install 'fastopt\\[cuda13]', or cuda12)"
    from fastopt.drivers.cuda import runtime

    devices = ", ".join(runtime.devices()) or "no device that answers"
    return f"{driver}, {package}, {devices}"
