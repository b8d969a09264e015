"""These tests need numba-cuda and its simulator, in a process of their own: ``make test-cuda``."""

import importlib.util
import os

simulated = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
if importlib.util.find_spec("numba_cuda") is None or not simulated:
    collect_ignore_glob = ["test_*.py"]
