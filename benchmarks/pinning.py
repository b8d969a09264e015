"""The same number of threads for everybody who is compared, set before their libraries are loaded."""

from __future__ import annotations

import os
import sys

# Numba's pool, OpenMP (torch, DeepSpeed, bitsandbytes), the BLAS libraries, and XLA's pool.
_VARIABLES = (
    "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC", "NPROC",
)  # fmt: skip


def pin_threads() -> None:
    """Set what is not set to NUMBA_NUM_THREADS, or to the cores that this process may use.

    Nothing is done once Numba is loaded: libraries read these variables once.
    """
    if "numba" in sys.modules:
        return
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    count = os.environ.get("NUMBA_NUM_THREADS", str(cores))
    for name in _VARIABLES:
        os.environ.setdefault(name, count)
