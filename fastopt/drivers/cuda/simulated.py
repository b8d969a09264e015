"""The same names as `target` and `driver` in plain Python, for Numba's simulator: device memory is the host's.

What is simulated is what the kernels do, by blocks and threads. 128-bit loads are loads of several numbers here, so
wide kernels' instructions are proved by their PTX only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import cuda

from fastopt.drivers.arithmetic import Primitives
from fastopt.libraries import DeviceRoom

if TYPE_CHECKING:
    from fastopt.drivers.cuda.kernels import Kernel

#: Fewer than on a device: each is a thread of Python's.
THREADS = SUMMING = FEW = 4

# ---- words --------------------------------------------------------------------------------------


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part of kernels is a function."""
    return function


def thread() -> int:
    """The number of the thread in its block."""
    return int(threading.current_thread().threadIdx.x)  # type: ignore[attr-defined]


def block() -> int:
    """The number of the block along the first axis of the grid."""
    return int(threading.current_thread().blockIdx.x)  # type: ignore[attr-defined]


def piece() -> int:
    """The number of the block along the second axis of the grid."""
    return int(threading.current_thread().blockIdx.y)  # type: ignore[attr-defined]


def wait() -> None:
    """Wait for the other threads of the block."""
    threading.current_thread().syncthreads()  # type: ignore[attr-defined]


_C_TYPES: dict[np.dtype[Any], Any] = {
    np.dtype(np.float32): ctypes.c_float,
    np.dtype(np.float64): ctypes.c_double,
    np.dtype(np.int64): ctypes.c_int64,
}


def load(address: int, like: Any) -> Any:
    """The number of the type of `like` at an address."""
    return type(like)(_C_TYPES[like.dtype].from_address(int(address)).value)


def store(address: int, value: Any) -> None:
    """Write a number at an address."""
    _C_TYPES[value.dtype].from_address(int(address)).value = value


def load_wide(address: int, like: Any) -> tuple[Any, ...]:
    """As many numbers as 128 bits hold, from an address that is divisible by 16."""
    assert address % 16 == 0, address
    size = like.dtype.itemsize
    return tuple(load(address + i * size, like) for i in range(16 // size))


def store_wide(address: int, values: tuple[Any, ...]) -> None:
    """Write a tuple of numbers, 128 bits, at an address that is divisible by 16."""
    assert address % 16 == 0, address
    for i, value in enumerate(values):
        store(address + i * value.dtype.itemsize, value)


def row_of(dtype: np.dtype[Any]) -> Callable[[int], Any]:
    """``row(address)``: a structured row of this dtype, in place."""

    def row(address: int) -> Any:
        memory: Any = (ctypes.c_char * dtype.itemsize).from_address(int(address))
        return np.frombuffer(memory, dtype)[0]

    return row


def select(condition: Any, x: Any, y: Any) -> Any:
    """Either number."""
    return x if condition else y


def quotient(n: int, by: int) -> int:
    """How many times `by` > 0 goes into n >= 0."""
    return n // by


def reinterpret(x: Any, like: Any) -> Any:
    """The bits of x as a number of the type of `like`."""
    return np.asarray(x).view(np.asarray(like).dtype)[()]


def is_real(n: Any) -> bool:
    """Whether a number is of a floating-point type."""
    return isinstance(n, float | np.floating)


def as_whole(n: Any) -> int:
    """A number as an integer."""
    return int(n)


PRIMITIVES = Primitives(select, reinterpret, np.sqrt, np.fabs, device)

# ---- memory and launches ------------------------------------------------------------------------


class Memory:
    """Zeros."""

    def __init__(self, nbytes: int, device: int) -> None:
        self._bytes = np.zeros(nbytes + 64, np.uint8)
        start = self._bytes.ctypes.data
        self.address = start + -start % 64


def device_of(address: int) -> int:
    """The one device."""
    return 0


def enter(device: int) -> None:
    """There is only one."""


def upload(address: int, array: np.ndarray, stream: int = 0) -> None:
    """Copy a contiguous array to the device."""
    ctypes.memmove(address, array.ctypes.data, array.nbytes)


def download(array: np.ndarray, address: int, stream: int = 0) -> None:
    """Copy from the device into a contiguous array."""
    ctypes.memmove(array.ctypes.data, address, array.nbytes)


def finish(stream: int = 0) -> None:
    """Nothing is pending."""


def copy(to: int, address: int, nbytes: int, stream: int = 0) -> None:
    """Copy within the device."""
    ctypes.memmove(to, address, nbytes)


def clear(address: int, nbytes: int, stream: int = 0) -> None:
    """Write zeros."""
    ctypes.memset(address, 0, nbytes)


def launch(
    kernel: Kernel,
    exact: bool,
    device: int,
    grid: tuple[int, int],
    arguments: tuple[int, ...],
    stream: int = 0,
) -> None:
    """Run a kernel, block by block."""
    if 0 not in grid:
        _simulated(kernel)[grid, kernel.threads](*arguments)


@functools.cache
def _simulated(kernel: Kernel) -> Any:
    function = kernel.function

    def run(*arguments):  # type: ignore[no-untyped-def]
        with quiet():  # type: ignore[name-defined]  # noqa: F821
            body(*arguments)  # type: ignore[name-defined]  # noqa: F821

    # the simulator looks for `cuda` among the globals of what it runs, to put its own in that place
    found = function.__globals__
    found["quiet"], found["body"] = functools.partial(np.errstate, all="ignore"), function
    return cuda.jit(types.FunctionType(run.__code__, found))


class HostRoom(DeviceRoom):
    """Lends NumPy's arrays: it is the library that computes here."""

    def view(self, array: Any) -> Any:
        """See `DeviceRoom.view`."""
        address = array.__cuda_array_interface__["data"][0]
        memory: Any = (ctypes.c_char * array.nbytes).from_address(address)
        order: Any = "C" if array.flags.c_contiguous else "F"
        return np.frombuffer(memory, array.dtype).reshape(array.shape, order=order)

    def on(self, stream: int) -> contextlib.AbstractContextManager[Any]:
        """See `DeviceRoom.on`."""
        return contextlib.nullcontext()


def room_on_device(device: int, owner: str) -> DeviceRoom:
    """NumPy's."""
    return HostRoom()


def devices() -> list[str]:
    """The simulator."""
    return ["Numba's simulator"]
