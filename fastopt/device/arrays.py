"""Arrays in device memory: others', taken by their interfaces and never copied, and slots of our own."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastopt.drivers.cuda import runtime
from fastopt.slots import memory_order
from fastopt.tree import on_device


class _Flags(NamedTuple):
    c_contiguous: bool
    f_contiguous: bool
    writeable: bool
    aligned: bool

    @property
    def forc(self) -> bool:
        return self.c_contiguous or self.f_contiguous


class _Place(NamedTuple):
    data: int


class DeviceArray:
    """An array in device memory, which it keeps alive; other libraries take it by ``__cuda_array_interface__``.

    Attributes
    ----------
    shape, dtype, strides, flags, ndim, size, nbytes, itemsize
        As of a NumPy array.
    device : int
        The number of its device.
    stream : int
        That of the last step which changed it; the default stream for others' arrays.
    """

    def __init__(
        self,
        owner: Any,
        address: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int] | None = None,
        writeable: bool = True,
        order: str = "C",
        follows: Any = None,
    ) -> None:
        self.owner, self.dtype, self._follows = owner, dtype, follows
        self.shape: tuple[int, ...] = tuple(map(int, shape))
        packed = _strides(self.shape, dtype.itemsize, "C")
        turned = _strides(self.shape, dtype.itemsize, "F")
        own = {"C": packed, "F": turned}[order] if strides is None else tuple(map(int, strides))
        self.strides = own
        empty = 0 in self.shape
        self.flags = _Flags(
            empty or _same(own, packed, self.shape),
            empty or _same(own, turned, self.shape),
            writeable,
            address % dtype.alignment == 0,
        )
        self.ctypes = _Place(int(address))

    @classmethod
    def of(cls, value: Any, name: str = "array") -> DeviceArray:
        """An array on a device by its interface."""
        return adopt(value, name)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def device(self) -> int:
        """The number of its device; 0 of an empty array."""
        return runtime.device_of(self.ctypes.data) if self.nbytes else 0

    @property
    def stream(self) -> int:
        """What copies wait for."""
        return 0 if self._follows is None else int(self._follows.stream)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.ctypes.data, not self.flags.writeable),
            "strides": None if self.flags.c_contiguous else self.strides,
            # as the protocol has it, 1 is the default stream
            "stream": self.stream or 1,
            "version": 3,
        }

    def copy_to_host(self) -> np.ndarray:
        """A NumPy array of the same contents, after what was asked of the stream."""
        made = np.empty(self.shape, self.dtype, order="C" if self.flags.c_contiguous else "F")
        if self.nbytes:
            runtime.enter(self.device)
            runtime.download(made, self.ctypes.data, self.stream)
        return made

    def fill(self, values: Any) -> None:
        """Overwrite the array, contiguous in either order, with what NumPy can broadcast to its shape."""
        order: Any = "C" if self.flags.c_contiguous else "F"
        full = np.array(np.broadcast_to(np.asarray(values, self.dtype), self.shape), order=order)
        if self.nbytes:
            runtime.enter(self.device)
            runtime.upload(self.ctypes.data, full, self.stream)

    def copy_from(self, other: DeviceArray) -> None:
        """Overwrite it with one of the same shape, dtype and memory order."""
        if self.nbytes:
            runtime.enter(self.device)
            runtime.copy(self.ctypes.data, other.ctypes.data, self.nbytes, other.stream)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array in device memory cannot be a NumPy array without a copy")
        made = self.copy_to_host()
        return made if dtype is None else made.astype(dtype, copy=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> DeviceArray:
        memory = runtime.Memory(self.nbytes, self.device)
        runtime.copy(memory.address, self.ctypes.data, self.nbytes, self.stream)
        order = "C" if self.flags.c_contiguous else "F"
        return DeviceArray(
            memory, memory.address, self.shape, self.dtype, order=order, follows=self._follows
        )

    def __reduce__(self) -> Any:
        return _restored, (self.copy_to_host(), self.device)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without dimensions has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray({np.asarray(self)!r}, device={self.device})"


def zeros(shape: Sequence[int], dtype: np.dtype[Any], device: int, order: str = "C") -> DeviceArray:
    """A new array on a device."""
    count = math.prod(shape)
    memory = runtime.Memory(count * dtype.itemsize, device)
    return DeviceArray(memory, memory.address, shape, dtype, order=order)


def _restored(array: np.ndarray, device: int) -> DeviceArray:
    made = zeros(array.shape, array.dtype, device, memory_order(array))
    made.fill(array)
    return made


def adopt(value: Any, name: str) -> DeviceArray:
    """An array by its interface; `name` names it in messages.

    Raises
    ------
    TypeError
        If it does not lie on a CUDA device, or its dtype is not one that NumPy has.
    """
    if isinstance(value, DeviceArray):
        return value
    described = getattr(value, "__cuda_array_interface__", None)
    if described is not None:
        for mark, view in (("conj", "conjugate"), ("neg", "negative")):
            if getattr(value, f"is_{mark}", bool)():  # torch's interface does not tell
                raise TypeError(
                    f"{name} is a {view} view; expected the numbers themselves, as of its resolve_{mark}()"
                )
        address, read_only = described["data"]
        if described.get("mask") is not None:
            raise TypeError(f"{name} is masked; expected an array without a mask")
        return DeviceArray(
            value,
            address or 0,
            described["shape"],
            np.dtype(described["typestr"]),
            described.get("strides"),
            not read_only,
        )
    if on_device(value):
        return _from_dlpack(value, name)
    where = "in host memory" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    raise TypeError(f"{name} is {where}; expected an array on the CUDA device of the parameters")


def _strides(shape: tuple[int, ...], itemsize: int, order: str) -> tuple[int, ...]:
    found, step = [], itemsize
    for n in reversed(shape) if order == "C" else shape:
        found.append(step)
        step *= n
    return tuple(reversed(found) if order == "C" else found)


def _same(own: tuple[int, ...], other: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether strides are the same along all axes of more than one element."""
    return all(a == b for a, b, n in zip(own, other, shape, strict=True) if n > 1)


# ---- DLPack -------------------------------------------------------------------------------------


class _Device(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("number", ctypes.c_int32)]


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_KINDS = {0: "i", 1: "u", 2: "f", 5: "c"}


def _from_dlpack(value: Any, name: str) -> DeviceArray:
    capsule = value.__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = _Tensor.from_address(get(capsule, b"dltensor"))
    kind = _KINDS.get(tensor.dtype.code)
    if kind is None or tensor.dtype.lanes != 1:
        raise TypeError(
            f"{name} has a dtype that NumPy lacks; expected float32, float64 or complex"
        )
    dtype = np.dtype(f"{kind}{tensor.dtype.bits // 8}")
    shape = tensor.shape[: tensor.ndim]
    strides = (
        [s * dtype.itemsize for s in tensor.strides[: tensor.ndim]] if tensor.strides else None
    )
    address = (tensor.data or 0) + tensor.byte_offset
    # the capsule, which nobody else consumes, keeps the memory until it goes
    return DeviceArray((value, capsule), address, shape, dtype, strides)
