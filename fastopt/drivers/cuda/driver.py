"""Memory, streams and launches on a CUDA device, by the driver's own interface; `simulated` has the same names.

Addresses are whole numbers. A stream is the number of its handle, 0 for the default stream. Everything but
`download` and `finish` returns at once.
"""

from __future__ import annotations

import threading
import weakref
from functools import cache
from typing import Any

import numpy as np
from cuda.bindings import driver

from fastopt.drivers.cuda.kernels import Kernel
from fastopt.libraries import room_on_device as room_on_device  # one of the names


class Memory:
    """Zeros on a device, given back when nothing refers to them any more."""

    def __init__(self, nbytes: int, device: int) -> None:
        enter(device)
        self.address = int(_done(driver.cuMemAlloc(max(nbytes, 1))))
        weakref.finalize(self, _free, device, self.address)
        _done(driver.cuMemsetD8(self.address, 0, max(nbytes, 1)))
        _done(driver.cuStreamSynchronize(0))  # before any stream that does not wait for this one


def _free(device: int, address: int) -> None:
    driver.cuCtxSetCurrent(_context(device))  # answers nobody can act on any more
    driver.cuMemFree(address)


def device_of(address: int) -> int:
    """The number of the device that the memory at an address belongs to.

    Raises
    ------
    ValueError
        If it is no device memory.
    """
    _initialised()
    wanted = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    error, ordinal = driver.cuPointerGetAttribute(wanted, address)
    if error != driver.CUresult.CUDA_SUCCESS:
        raise ValueError(f"the memory at {address:#x} belongs to no CUDA device")
    return int(ordinal)


def enter(device: int) -> None:
    """Let this thread's calls be about a device: in the context that all libraries share."""
    _done(driver.cuCtxSetCurrent(_context(device)))


def upload(address: int, array: np.ndarray, stream: int = 0) -> None:
    """Copy a contiguous array to the device, in the order of the stream."""
    if array.nbytes:
        _done(driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, stream))


def download(array: np.ndarray, address: int, stream: int = 0) -> None:
    """Copy into a contiguous array what the device has after all that was asked of the stream; waits for it."""
    if array.nbytes:
        _done(driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
    finish(stream)


def finish(stream: int = 0) -> None:
    """Wait for all that was asked of the stream."""
    _done(driver.cuStreamSynchronize(stream))


def copy(to: int, address: int, nbytes: int, stream: int = 0) -> None:
    """Copy within the device, in the order of the stream."""
    if nbytes:
        _done(driver.cuMemcpyDtoDAsync(to, address, nbytes, stream))


def clear(address: int, nbytes: int, stream: int = 0) -> None:
    """Write zeros, in the order of the stream."""
    if nbytes:
        _done(driver.cuMemsetD8Async(address, 0, nbytes, stream))


def launch(
    kernel: Kernel,
    exact: bool,
    device: int,
    grid: tuple[int, int],
    arguments: tuple[int, ...],
    stream: int = 0,
) -> None:
    """Start a kernel."""
    if 0 in grid:
        return
    values, places = _frame(len(arguments))
    values[:] = arguments
    function, threads = _function(kernel, exact, device), kernel.threads
    # gridDim, blockDim, shared memory beside the kernel's own, stream, arguments
    _done(driver.cuLaunchKernel(function, *grid, 1, threads, 1, 1, 0, stream, places, 0))


class _Frames(threading.local):
    """A thread's room for the arguments of kernels, which are read before a launch returns."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[np.ndarray, int, np.ndarray]] = {}


_frames = _Frames()


def _frame(count: int) -> tuple[np.ndarray, int]:
    """Room for so many arguments, and the address of their addresses."""
    if count not in _frames.of:
        values = np.zeros(count, np.int64)
        places = values.ctypes.data + 8 * np.arange(count, dtype=np.int64)
        _frames.of[count] = values, places.ctypes.data, places
    return _frames.of[count][:2]


@cache
def _function(kernel: Kernel, exact: bool, device: int) -> Any:
    from fastopt.drivers.cuda import offline

    enter(device)
    code = offline.compiled(kernel, _capability(device), exact)
    module = _done(driver.cuModuleLoadData(code.cubin))
    return _done(driver.cuModuleGetFunction(module, code.entry.encode()))


@cache
def _capability(device: int) -> tuple[int, int]:
    attribute = driver.CUdevice_attribute
    handle = _done(driver.cuDeviceGet(device))
    major = _done(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle)
    )
    minor = _done(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle)
    )
    return int(major), int(minor)


@cache
def _context(device: int) -> Any:
    _initialised()
    return _done(driver.cuDevicePrimaryCtxRetain(_done(driver.cuDeviceGet(device))))


@cache
def _initialised() -> None:
    _done(driver.cuInit(0))


def devices() -> list[str]:
    """The devices' names and capabilities; none without a driver."""
    try:
        _initialised()
        count = int(_done(driver.cuDeviceGetCount()))
    except Exception:  # no driver, or none that starts
        return []
    found = []
    for i in range(count):
        name = bytes(_done(driver.cuDeviceGetName(256, _done(driver.cuDeviceGet(i)))))
        major, minor = _capability(i)
        found.append(f"{name.decode().split(chr(0))[0]} ({major}.{minor})")
    return found


def _done(answer: tuple[Any, ...]) -> Any:
    """What the driver answered, or its error."""
    error, *values = answer
    if error != driver.CUresult.CUDA_SUCCESS:
        raise RuntimeError(f"CUDA: {error.name}")
    return values[0] if values else None
