"""The words of kernels: the device's, or under Numba's simulator their twins in plain Python."""

from __future__ import annotations

import os

from numba import cuda as cuda  # what the text of kernels calls by this name

#: Whether Numba's simulator stands for a device (``NUMBA_ENABLE_CUDASIM=1``).
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")

if SIMULATED:
    from fastopt.drivers.cuda import simulated as words
else:
    from fastopt.drivers.cuda import target as words  # type: ignore[no-redef]

PRIMITIVES, device = words.PRIMITIVES, words.device
THREADS, SUMMING, FEW = words.THREADS, words.SUMMING, words.FEW
thread, block, piece, wait = words.thread, words.block, words.piece, words.wait
load, store, row_of = words.load, words.store, words.row_of
load_wide, store_wide = words.load_wide, words.store_wide
select, reinterpret = words.select, words.reinterpret
quotient = words.quotient
is_real, as_whole = words.is_real, words.as_whole
