"""Memory: the host's, by address; only the arrays that were registered may be touched."""

from __future__ import annotations

import ctypes

import numpy as np

from ptx.races import Races


class MemoryFault(Exception):
    """An access outside of every array, or misaligned, or two threads that race for an address."""


class Memory:
    """Arrays that a launch may read and write, by their real addresses.

    Parameters
    ----------
    arrays : numpy.ndarray
        Contiguous; read-only ones cannot be written.
    """

    def __init__(self, *arrays):
        self._held = []
        self._starts = np.zeros(0, np.uint64)
        for array in arrays:
            self.add(array)

    def add(self, array):
        """Register an array; returns its address."""
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            raise ValueError("an array is not contiguous; expected contiguous ones")
        start, size = array.ctypes.data, array.nbytes
        if size:
            for other in self._held:
                if start < other.start + other.size and other.start < start + size:
                    raise ValueError("an array overlaps another; register the whole of it once")
            self._held.append(_Region(array, start, size))
            self._held.sort(key=lambda r: r.start)
            self._starts = np.array([r.start for r in self._held], np.uint64)
        return start

    def room(self, threads, size, align):
        """Zeroed memory of so many bytes for each of some threads or blocks; their addresses."""
        stride = -(-size // align) * align
        raw = np.zeros(threads * stride + align, np.uint8)
        first = -raw.ctypes.data % align
        start = self.add(raw[first : first + threads * stride])
        return np.uint64(start) + np.arange(threads, dtype=np.uint64) * np.uint64(stride)

    def begin(self):
        """Forget who touched what: a launch begins."""
        for region in self._held:
            region.races = Races(region.size)
            region.loaded = region.stored = 0

    def traffic(self, array):
        """Bytes of an array that the last launch loaded and stored."""
        region = self._held[np.searchsorted(self._starts, array.ctypes.data, "right") - 1]
        return region.loaded, region.stored

    def load(self, addresses, dtype, threads, what=""):
        """The numbers of a dtype at these addresses, for threads (`races.Threads`)."""
        found = np.empty(addresses.shape, dtype)
        for region, chosen in self._regions(addresses, dtype.itemsize, what):
            view, first = region.view(dtype.itemsize)
            index = (addresses[chosen] - first) // np.uint64(dtype.itemsize)
            found[chosen] = view[index].view(dtype)
            region.loaded += found[chosen].nbytes
            places = (addresses[chosen] - np.uint64(region.start)).astype(np.int64)
            if region.races.read(places, dtype.itemsize, threads.some(chosen)):
                raise MemoryFault(f"a thread reads what another writes: {what}")
        return found

    def store(self, addresses, values, threads, what=""):
        """Put numbers at these addresses."""
        size = values.dtype.itemsize
        raw = values.view(f"u{size}")
        for region, chosen in self._regions(addresses, size, what):
            if not region.writable:
                raise MemoryFault(f"an array that may only be read is written: {what}")
            view, first = region.view(size)
            view[(addresses[chosen] - first) // np.uint64(size)] = raw[chosen]
            region.stored += raw[chosen].nbytes
            places = (addresses[chosen] - np.uint64(region.start)).astype(np.int64)
            if region.races.write(places, size, threads.some(chosen)):
                raise MemoryFault(f"two threads touch one address, and one writes: {what}")

    def check_alignment(self, addresses, size, what=""):
        """Refuse addresses that are not divisible by `size`."""
        if np.any(addresses % np.uint64(size)):
            raise MemoryFault(f"an address is not divisible by {size}: {what}")

    def _regions(self, addresses, size, what):
        """The arrays that the addresses are in, each with the accesses to it."""
        self.check_alignment(addresses, size, what)
        if not addresses.size:
            return
        number = np.searchsorted(self._starts, addresses, "right").astype(np.int64) - 1
        first, last = number.min(), number.max()
        for k in range(first, last + 1):
            chosen = slice(None) if first == last else np.nonzero(number == k)[0]
            own = addresses[chosen]
            if not own.size:
                continue
            region = self._held[k] if k >= 0 else None
            if region is None or int(own.max()) + size > region.start + region.size:
                where = int(own.max())
                raise MemoryFault(f"{size} bytes at {where:#x} are outside of every array: {what}")
            yield region, chosen


class _Region:
    def __init__(self, array, start, size):
        self.start, self.size, self.writable = start, size, array.flags.writeable
        self.array = array  # kept alive
        self.races, self.loaded, self.stored = Races(size), 0, 0
        self._raw = (ctypes.c_uint8 * size).from_address(start)
        self._views = {}

    def view(self, size):
        """All of it as unsigned numbers of so many bytes, from the first aligned address on, and that address."""
        if size not in self._views:
            skipped = -self.start % size
            count = max(0, self.size - skipped) // size
            view = np.frombuffer(self._raw, f"u{size}", count, skipped) if count else np.empty(0)
            self._views[size] = view, np.uint64(self.start + skipped)
        return self._views[size]
