"""These tests need numba-cuda, and those of the simulator a process of their own: ``make test-cuda``."""

import importlib.util
import os

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")

if importlib.util.find_spec("numba_cuda") is None:
    collect_ignore_glob = ["test_*.py"]
elif SIMULATED:
    collect_ignore_glob = ["test_offline*.py"]
else:
    collect_ignore_glob = ["test_simulated*.py"]
