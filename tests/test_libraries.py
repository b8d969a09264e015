"""The libraries that `Measure.whole` is written for, as far as they can be tried without a device."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from references_matrices import newton_schulz

from fastopt.libraries import CupyRoom, Room, TorchRoom, room_on_device
from fastopt.optimizers.muon import _orthogonalize

SHAPES = [(5, 7), (12, 5), (6, 6), (1, 4), (4, 1), (70, 130), (1, 1)]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (extra: torch)")


def row(steps, square, eps=1e-7):
    numbers = (3.4445, -4.775, 2.0315)
    named = {f"ns_coefficient{i}": value for i, value in enumerate(numbers, 1)}
    return {"ns_steps": steps, "eps": eps, "direction_sq": square, **named}


@pytest.mark.parametrize("steps", [0, 4, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_orthogonalizes_as_numpy_does(torch, dtype, steps):
    """To rounding: in both memory orders, one after the other in the same room, with a number that is no host's."""
    rooms = Room(), TorchRoom(torch, "cpu")
    for shape in SHAPES:
        for order in "CF":
            start = np.random.default_rng(0).normal(size=shape).astype(dtype)
            x = np.array(start, order=order)
            own = np.array(start, order=order)
            y = torch.from_numpy(own)
            square = np.float64((start.astype(np.float64) ** 2).sum())
            _orthogonalize(row(steps, square), x, rooms[0])
            _orthogonalize(row(steps, torch.tensor(square)), y, rooms[1])
            assert y.data_ptr() == own.ctypes.data
            np.testing.assert_allclose(own, x, rtol=0, atol=40 * np.finfo(dtype).eps)
            numbers = tuple(row(steps, 0)[f"ns_coefficient{i}"] for i in (1, 2, 3))
            wanted = newton_schulz(start.astype(np.float64), numbers, steps, 1e-7)
            np.testing.assert_allclose(own, wanted, rtol=0, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("square", [0.0, 1e-30, np.inf, np.nan])
def test_odd_norms(torch, square):
    x = np.ones((3, 4), np.float32)
    y = torch.ones((3, 4))
    with np.errstate(all="ignore"):
        _orthogonalize(row(1, np.float64(square), 1e-3), x, Room())
    _orthogonalize(
        row(1, torch.tensor(square, dtype=torch.float64), 1e-3), y, TorchRoom(torch, "cpu")
    )
    np.testing.assert_allclose(y.numpy(), x, rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (12, 5)])
def test_nothing_asks_for_a_number_that_lies_on_the_device(torch, shape):
    """Tensors of the device "meta" have none: whoever asks gets an error."""
    x = torch.empty(shape, device="meta")
    square = torch.empty((), dtype=torch.float64, device="meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(square)
    _orthogonalize(row(5, square), x, TorchRoom(torch, "meta"))


def test_tensors_of_an_inference_mode_are_changed_outside_of_it(torch):
    """As `TorchRoom.on` has it: those of the room live on."""
    room = TorchRoom(torch, "cpu")
    x = torch.ones((3, 4))
    with torch.inference_mode(), torch.inference_mode(False):
        _orthogonalize(row(1, torch.tensor(12.0)), x, room)
    _orthogonalize(row(1, torch.tensor(12.0)), x, room)
    assert not room("gram", (3, 3), x.dtype).is_inference()


@pytest.mark.parametrize("order", ["C", "F"])
def test_rooms_lend_the_same_memory_again(torch, order):
    for room in (Room(), TorchRoom(torch, "cpu")):
        dtype = room.xp.float32
        big, small = room("a", (4, 3, 2), dtype, order), room("a", (3, 2), dtype, order)
        assert tuple(big.shape) == (4, 3, 2)
        small[...] = 5.0
        assert (np.asarray(big).ravel(order)[:6] == 5).all()
        assert room.like("b", big).shape == big.shape
        strides = [np.asarray(a).strides for a in (room.like("b", big), big)]
        assert strides[0] == strides[1]
        assert room("a", (3, 2), room.xp.float64).dtype == room.xp.float64


def library(name, found):
    made = types.ModuleType(name)
    made.is_available = lambda: found
    made.cuda = types.SimpleNamespace(is_available=lambda: found)
    made.device = lambda text: text
    return made


@pytest.mark.parametrize(
    ("cupy", "torch", "wanted"),
    [
        (True, True, CupyRoom),
        (None, True, TorchRoom),
        (False, True, TorchRoom),
        (True, None, CupyRoom),
    ],
)
def test_which_library_computes(monkeypatch, cupy, torch, wanted):
    for name, found in (("cupy", cupy), ("torch", torch)):
        monkeypatch.setitem(sys.modules, name, None if found is None else library(name, found))
    assert type(room_on_device(0, "Muon")) is wanted


def test_none_that_computes_on_a_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "torch", library("torch", False))
    with pytest.raises(TypeError, match=r"Muon multiplies matrices .*; expected one of them"):
        room_on_device(0, "Muon")
