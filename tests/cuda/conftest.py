"""Optimizers on a device, in a process of their own: Numba's simulator (``make test-cuda``), or a GPU (``make test-gpu``)."""

import importlib.util
import os

simulated = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
real = bool(os.environ.get("FASTOPT_TEST_GPU"))
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
collect_ignore_glob = []
if importlib.util.find_spec("numba_cuda") is None or simulated == real:
    collect_ignore_glob = ["test_*.py"]
elif simulated:
    collect_ignore_glob = ["test_gpu*.py"]
