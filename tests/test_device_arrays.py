"""Arrays on a device where nothing for devices is installed; where it is, see tests/cuda."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from devices import ByDLPack, OnDevice

import fastopt


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is not None, reason="it is installed")
@pytest.mark.parametrize("kind", [OnDevice, ByDLPack])
def test_says_what_to_install(kind):
    with pytest.raises(ImportError, match=r"pip install 'fastopt\[cuda13\]'"):
        fastopt.SGD({"w": kind(np.ones(3, np.float32))}, lr=0.1)


def test_gradients_on_a_device_do_not_fit_parameters_in_host_memory():
    w = np.ones(3, np.float32)
    opt = fastopt.SGD(w, lr=0.1)
    with pytest.raises(TypeError, match="gradient of params is on a CUDA device, the parameter in"):
        opt.step(OnDevice(np.ones(3, np.float32)))
    with pytest.raises(TypeError, match="stream is 0; parameters in host memory have none"):
        opt.step(np.ones(3, np.float32), stream=0)
    np.testing.assert_array_equal(w, 1)
