"""The words of kernels: those of the device, or under Numba's simulator their twins in plain Python."""

import os

if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
    from fastopt.drivers.cuda.simulated import *  # noqa: F403
else:
    from fastopt.drivers.cuda.target import *  # noqa: F403
