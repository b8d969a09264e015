"""What a program waits for once: the import and the first step, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_PROGRAM = """
import resource, time
start = time.perf_counter()
import fastopt
imported = time.perf_counter()
import numpy as np
p = np.ones(1000, np.float32)
g = p.copy()
opt = fastopt.AdamW(p)
opt.step(g)
first = time.perf_counter()
opt.step(g)
second = time.perf_counter()
print(imported - start, first - imported, second - first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def start(cache: Path) -> dict[str, float]:
    """Seconds of ``import``, of the ``first`` step of AdamW with its constructor, of the ``second``; ``peak`` bytes."""
    # where this process has its fastopt from, which need not be what a child would find first
    import fastopt

    root = str(Path(fastopt.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "FASTOPT_CACHE_DIR": str(cache), "PYTHONPATH": root},
        capture_output=True, text=True, check=True, cwd=cache,
    )  # fmt: skip
    imported, first, second, peak = map(float, done.stdout.split())
    return {"import": imported, "first": first, "second": second, "peak": peak * 1024}


def starts(times: int = 3) -> dict[str, dict[str, float]]:
    """With an ``empty`` cache of kernels, and with a ``filled`` one, the fastest of so many."""
    with tempfile.TemporaryDirectory() as folder:
        empty = start(Path(folder))
        filled = [start(Path(folder)) for _ in range(times)]
    return {"empty": empty, "filled": min(filled, key=lambda run: run["import"] + run["first"])}
