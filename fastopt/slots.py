"""An optimizer's slots: their declaration, and the slabs of memory that hold them."""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.storage import Storage

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
_PAGE, _HUGE_PAGE = 1 << 12, 1 << 21  # bytes
_START = 64  # elements: tensors start here, so that no two share a cache line


@dataclass(frozen=True)
class Slot:
    """A number that an optimizer keeps for every element of a parameter.

    Parameters
    ----------
    initial : callable, optional
        ``initial(h, p)`` gives the value before the first step, a number or an array shaped like the
        parameter ``p``; ``h`` is the header row. Zero if left out.
    when : str, optional
        A hyperparameter; where it is 0 or False, the slot is absent: the formula reads 0 for it,
        what it gives back is dropped, and no memory is kept or moved.

    Examples
    --------
    >>> slots = {"momentum_buffer": fastopt.Slot(when="momentum")}
    """

    initial: Callable[[Any, Any], Any] | None = None
    when: str | None = None

    def present(self, hyperparameters: Mapping[str, Any]) -> bool:
        """Whether a group with these hyperparameters keeps the slot."""
        return self.when is None or bool(hyperparameters[self.when])


def aligned_zeros(count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """A 1-D array of zeros that starts at a cache line; untouched pages take no memory."""
    size = count * dtype.itemsize
    if size >= _HUGE_PAGE and sys.platform == "linux":
        # NumPy asks for huge pages only where it does not zero; private, so that a fork copies it
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(memory, dtype)
    alignment = _PAGE if size >= 4 * _PAGE else _ALIGNMENT
    raw = np.zeros(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size].view(dtype)


@dataclass
class Place:
    """Where one tensor's slot lies: n elements from `start` in the arrays of a slab."""

    storage: Storage
    arrays: tuple[np.ndarray, ...]
    start: int
    like: np.ndarray

    def addresses(self) -> list[int]:
        """One per column of the storage."""
        return self.storage.addresses(self.arrays, self.start)

    def read(self) -> np.ndarray:
        """The slot shaped like the parameter: a view, or decoded and read-only where packed."""
        flat = self.storage.view(self.arrays, self.start, self.like.size)
        if flat is None:
            from fastopt.drivers import transfer

            flat = transfer.read(self.storage, self.addresses(), self.like.size)
            flat.flags.writeable = False
        return flat.reshape(self.like.shape, order=memory_order(self.like))

    def write(self, values: Any) -> None:
        """Fill the slot with a number or an array shaped like the parameter."""
        flat = self.storage.view(self.arrays, self.start, self.like.size)
        if flat is not None:
            flat.reshape(self.like.shape, order=memory_order(self.like))[...] = values
            return
        from fastopt.drivers import transfer

        full = np.broadcast_to(np.asarray(values, self.like.dtype), self.like.shape)
        transfer.write(self.storage, self.addresses(), full.ravel(memory_order(self.like)))


def slab(storage: Storage, parameters: Sequence[np.ndarray]) -> list[Place]:
    """One contiguous slab for a slot of several tensors; it never moves or grows."""
    starts, end = _starts(storage, parameters)
    arrays = tuple(aligned_zeros(-(-end // column.per), column.dtype) for column in storage.columns)
    return [Place(storage, arrays, start, p) for start, p in zip(starts, parameters, strict=True)]


def _starts(storage: Storage, parameters: Sequence[np.ndarray]) -> tuple[list[int], int]:
    """The first element of each tensor, and the end.

    A large tensor's slot lies half a page off the parameter's place in its page: the processor takes loads and
    stores that agree in their last 12 bits for the same memory, and waits.
    """
    step, page = max(_START, storage.block), _PAGE // storage.dtype.itemsize
    starts, position = [], 0
    for p in parameters:
        position = -(-position // step) * step
        if p.nbytes >= 4 * _PAGE and not storage.scratch:
            wanted = (p.ctypes.data + _PAGE // 2) % _PAGE // _ALIGNMENT * _ALIGNMENT
            position += (wanted // p.itemsize - position) % page
        starts.append(position)
        position += p.size
    return starts, position


def memory_order(array: np.ndarray) -> Any:
    """``"C"`` or ``"F"``, whichever a contiguous array is in."""
    return "C" if array.flags.c_contiguous else "F"
