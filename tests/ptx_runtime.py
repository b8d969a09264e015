"""A GPU whose kernels are the emitted PTX, run by the interpreter on host memory.

Its names are those of `fastopt.drivers.cuda.runtime`, in whose place `plug` puts them.
"""

from __future__ import annotations

import ctypes
import functools
import weakref

import devices
import numpy as np
import ptx

from fastopt.drivers.cuda import offline, runtime, simulated

CAPABILITY = (9, 0)

_known: dict[int, weakref.ref] = {}


def know(array):
    """Let kernels touch an array of the host's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    if array.nbytes:
        _known[array.ctypes.data] = weakref.ref(array)


class Memory:
    """Zeros; freed when nothing refers to them any more."""

    def __init__(self, nbytes, device):
        raw = np.zeros(nbytes + 64, np.uint8)
        start = -raw.ctypes.data % 64
        self._bytes = raw
        self.address = raw.ctypes.data + start
        know(raw)


def upload(address, array, stream=0):
    ctypes.memmove(address, array.ctypes.data, array.nbytes)


def download(array, address, stream=0):
    ctypes.memmove(array.ctypes.data, address, array.nbytes)


def copy(to, address, nbytes, stream=0):
    ctypes.memmove(to, address, nbytes)


def clear(address, nbytes, stream=0):
    ctypes.memset(address, 0, nbytes)


def finish(stream=0):
    pass


def device_of(address):
    return 0


def enter(device):
    pass


launched: list[str] = []


def launch(kernel, exact, device, grid, arguments, stream=0):
    launched.append(kernel.name)
    if 0 not in grid:
        found = [(start, one()) for start, one in _known.items()]
        for start, array in found:
            if array is None:
                _known.pop(start)
        memory = ptx.Memory(*(array for _, array in found if array is not None))
        ptx.launch(_code(kernel, exact), grid, kernel.threads, arguments, memory)


@functools.cache
def _code(kernel, exact):
    code = offline.compiled(kernel, CAPABILITY, exact)
    return ptx.parse(code.ptx)[code.entry]


def plug(monkeypatch):
    """Let devices be this one, and arrays on it those of `devices.OnDevice`."""
    own = Memory, upload, download, copy, clear, finish, device_of, enter, launch
    for function in (*own, simulated.room_on_device):
        monkeypatch.setattr(runtime, function.__name__, function)
    begin = devices.OnDevice.__init__

    def known(self, array, *options, **named):
        begin(self, array, *options, **named)
        know(array)

    monkeypatch.setattr(devices.OnDevice, "__init__", known)
    launched.clear()
