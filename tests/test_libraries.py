"""The libraries that `Measure.whole` is written for, as far as they can be tried without a device."""

from __future__ import annotations

import contextlib
import ctypes
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


@pytest.mark.parametrize(("stream", "wanted"), [(0, "default"), (1, "default"), (1234, 1234)])
def test_torch_works_on_the_stream_and_in_no_mode_of_the_caller(torch, monkeypatch, stream, wanted):
    """What is made in the caller's inference mode could not be changed outside of it."""
    used = []
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: "default")
    monkeypatch.setattr(torch.cuda, "ExternalStream", lambda handle, device: handle)
    monkeypatch.setattr(torch.cuda, "stream", lambda s: contextlib.nullcontext(used.append(s)))
    room = TorchRoom(torch, "cpu")
    with torch.inference_mode(), room.on(stream):
        lent = room("a", (3,), torch.float32)
        assert not torch.is_grad_enabled()
    assert not lent.is_inference()
    assert used == [wanted]


class HostCupy:
    """The calls of CuPy that `CupyRoom` makes, with its arguments in their order, over host memory."""

    class ndarray:
        def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
            memory = (ctypes.c_char * memptr.mem.size).from_address(memptr.mem.ptr)
            return np.ndarray(shape, dtype, memory, memptr.offset, strides)

    def __init__(self):
        self.entered = []
        null = self.context("null stream")
        self.cuda = types.SimpleNamespace(
            UnownedMemory=self.memory,
            MemoryPointer=lambda mem, offset: types.SimpleNamespace(mem=mem, offset=offset),
            Stream=types.SimpleNamespace(null=null),
            ExternalStream=lambda ptr, device_id=-1: self.context((ptr, device_id)),
            Device=lambda number: self.context(f"device {number}"),
        )

    def memory(self, ptr, size, owner, device_id=-1):
        return types.SimpleNamespace(ptr=ptr, size=size, owner=owner)

    @contextlib.contextmanager
    def context(self, what):
        self.entered.append(what)
        yield


class Described:
    """An array as `DeviceArray` describes itself."""

    def __init__(self, array):
        self.array, self.nbytes = array, array.nbytes
        strides = None if array.flags.c_contiguous else array.strides
        place = {"shape": array.shape, "typestr": array.dtype.str, "strides": strides}
        self.__cuda_array_interface__ = {**place, "data": (array.ctypes.data, False), "version": 3}


@pytest.mark.parametrize("array", [np.ones(()), np.ones((2, 3), np.float32), np.ones((3, 2)).T])
def test_cupy_sees_the_same_memory(array):
    array = np.array(array, order="K")
    seen = CupyRoom(HostCupy(), 0).view(Described(array))
    assert (seen.shape, seen.dtype, seen.strides) == (array.shape, array.dtype, array.strides)
    seen[...] = 5.0
    assert (array == 5).all()


@pytest.mark.parametrize(("stream", "wanted"), [(0, "null stream"), (1234, (1234, 2))])
def test_cupy_works_on_the_stream_of_the_device(stream, wanted):
    cupy = HostCupy()
    with CupyRoom(cupy, 2).on(stream):
        assert set(cupy.entered) == {"device 2", wanted}
        assert cupy.entered.index("device 2") < cupy.entered.index(wanted)


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
    made.cuda = types.SimpleNamespace(is_available=lambda: found, init=lambda: None)
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
