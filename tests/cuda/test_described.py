"""Gradients of libraries whose arrays are asked for their address only, once one like them was accepted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from devices import SIMULATED, OnDevice

import fastopt


class ndarray:
    """As CuPy's."""

    asked = 0

    def __init__(self, array):
        self.array, self.device_id = array, 0

    shape = property(lambda self: self.array.shape)
    strides = property(lambda self: self.array.strides)
    dtype = property(lambda self: self.array.dtype)

    @property
    def data(self):
        return SimpleNamespace(ptr=self.array.ctypes.data, device_id=self.device_id)

    @property
    def __cuda_array_interface__(self):
        type(self).asked += 1
        return OnDevice(self.array).__cuda_array_interface__


ndarray.__module__ = "cupy"

pytestmark = pytest.mark.skipif(not SIMULATED, reason="its memory is the host's")


@pytest.fixture
def opt():
    return fastopt.SGD([OnDevice(np.ones((2, 3), np.float32)), OnDevice(np.ones(4))], lr=0.5)


def gradients(scale):
    first = np.full((2, 3), scale, np.float32)
    return [ndarray(first), ndarray(np.full(4, scale))]


def values(opt):
    return [p.array.flat[0] for p in opt.param_groups[0]["params"]]


def test_only_the_first_is_asked_for_its_interface(opt):
    opt.step(gradients(1.0))
    before = ndarray.asked
    for _ in range(2):
        opt.step(gradients(0.5))
    opt.step([None, gradients(0.5)[1]])
    assert ndarray.asked == before
    assert values(opt) == [0.0, -0.25]


def test_what_is_not_like_it_is_looked_at(opt):
    opt.step(gradients(1.0))
    good, other = gradients(1.0)
    own = opt.param_groups[0]["params"]
    wrong = {
        r"has shape \(3, 2\)": ndarray(np.ones((3, 2), np.float32)),
        "has dtype float64": ndarray(np.ones((2, 3))),
        "not copied": ndarray(np.asfortranarray(np.ones((2, 3), np.float32))),
        "gradient of 0 overlaps the memory of a parameter": ndarray(own[0].array),
    }
    for match, gradient in wrong.items():
        with pytest.raises((TypeError, ValueError), match=match):
            opt.step([gradient, other])
    overlapping = ndarray(own[1].array)
    with pytest.raises(ValueError, match="gradient of 1 overlaps"):
        opt.step([good, overlapping])
    assert values(opt) == [0.5, 0.5]
    assert opt.steps_taken == 1


def test_another_group(opt):
    opt.step(gradients(1.0))
    opt.add_param_group({"params": OnDevice(np.ones(5, np.float32)), "lr": 1.0})
    opt.step([gradients(1.0), ndarray(np.ones(5, np.float32))])
    assert values(opt) == [0.0, 0.0]
    assert opt.param_groups[1]["params"][0].array[4] == 0


@pytest.mark.parametrize(("mark", "view"), [("conj", "conjugate"), ("neg", "negative")])
def test_a_view_that_changes_signs(opt, mark, view):
    """torch keeps conjugates and negatives of complex numbers as marks, which its interface does not tell."""
    marked = type("Marked", (OnDevice,), {f"is_{mark}": lambda self: True})
    with pytest.raises(TypeError, match=rf"gradient of 0 is a {view} view.*resolve_{mark}\(\)"):
        opt.step([marked(np.ones((2, 3), np.float32)), None])
