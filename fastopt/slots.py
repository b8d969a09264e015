"""An optimizer's slots: their declaration, and the slabs of memory that hold them."""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.storage import Storage, count_reals
from fastopt.variant import SWITCH, VIRTUAL

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
_PAGE, _HUGE_PAGE = 1 << 12, 1 << 21  # bytes
_START = 64  # elements: tensors start here, so that no two share a cache line


@dataclass(frozen=True)
class Slot:
    """A number that an optimizer keeps for every element of a parameter, or for every row or column.

    Parameters
    ----------
    initial : callable, optional
        ``initial(h, p)`` gives the value before the first step, a number or an array shaped like the
        slot; ``p`` is the parameter, ``h`` the header row. Zero if left out.
    when : str or callable, optional
        A hyperparameter, or ``when(hyperparameters)``; where it is 0 or False, the slot is absent: the formula reads 0
        for it, what it gives back is dropped, and no memory is kept or moved. A function sees schedules as they are.
    shape : str
        ``"element"``: shaped like the parameter. ``"row"``, ``"column"``: a number for each row or column of
        the matrices of the last two dimensions, shaped (..., R, 1) or (..., 1, C); absent for parameters of fewer
        dimensions. ``"vector"``: shaped like the parameter, and absent unless that has fewer than two. Two shapes take
        no memory, and what the formula gives back for them is dropped. ``"normal"``: a number drawn anew from the
        standard normal distribution for each element and step; the optimizer needs a hyperparameter ``seed``.
        ``"switch"``: 1, for `when`: a loop of its own is compiled for the 1, so that the formula may branch on it.
    combine : callable, optional
        For rows and columns: ``combine(c, value, measured, count)`` gives the new number of a line from the old one and
        from what the `Measure` with scope ``"lines"`` found in its `count` elements, a tuple of numbers.
    seen : callable, optional
        For rows and columns: ``seen(c, before, after, mean)`` gives what later measures and `update` see; ``mean``
        is that of the new numbers in a matrix. ``after`` if left out.

    Examples
    --------
    >>> slots = {"momentum_buffer": fastopt.Slot(when="momentum")}
    """

    initial: Callable[[Any, Any], Any] | None = None
    when: str | Callable[[Mapping[str, Any]], bool] | None = None
    shape: str = "element"
    combine: Callable[..., Any] | None = None
    seen: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(
                f"Slot: shape is {self.shape!r}; expected one of {', '.join(map(repr, SHAPES))}"
            )
        for name in ("initial", "when", "combine", "seen"):
            function = getattr(self, name)
            if isinstance(function, staticmethod):
                object.__setattr__(self, name, function.__func__)
        if self.shape == SWITCH and self.when is None:
            raise ValueError(
                "Slot: when is None with shape 'switch'; expected a hyperparameter or a function of them"
            )
        if not self.stored and self.initial is not None:
            raise ValueError(
                f"Slot: initial is {self.initial!r} with shape {self.shape!r}; expected None: it keeps nothing"
            )
        if (self.combine is None) == self.of_lines:
            raise ValueError(
                f"Slot: combine is {self.combine!r} with shape {self.shape!r}; expected a function for "
                "'row' and 'column', None for others"
            )

    @property
    def of_lines(self) -> bool:
        """Whether it has a number for each row or column."""
        return self.shape in ("row", "column")

    @property
    def stored(self) -> bool:
        """Whether it takes memory."""
        return self.shape not in VIRTUAL

    def present(self, hyperparameters: Mapping[str, Any]) -> bool:
        """Whether a group with these hyperparameters keeps the slot."""
        if callable(self.when):
            return bool(self.when(hyperparameters))
        return self.when is None or bool(hyperparameters[self.when])

    def like(self, p: np.ndarray) -> np.ndarray | None:
        """An array of the slot's shape, dtype and memory order for a parameter; None where it has no such slot."""
        if self.shape == "element" or (self.shape == "vector" and p.ndim < 2):
            return p
        if self.shape in ("vector", *VIRTUAL) or p.ndim < 2:
            return None
        *batch, rows, columns = p.shape
        return np.empty((*batch, *((rows, 1) if self.shape == "row" else (1, columns))), p.dtype)

    def over(self, p: np.ndarray) -> str:
        """How it lies over a parameter's memory, as `fastopt.variant` names it."""
        if self.shape in VIRTUAL:
            return self.shape
        if not self.of_lines:
            return "element"
        return (
            self.shape if p.flags.c_contiguous else {"row": "column", "column": "row"}[self.shape]
        )


SHAPES = ("element", "row", "column", "vector", *VIRTUAL)


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
        """The slot as an array: a view, or decoded and read-only where packed."""
        count = count_reals(self.like)
        flat = self.storage.view(self.arrays, self.start, count)
        if flat is None:
            from fastopt.drivers import transfer

            flat = transfer.read(self.storage, self.addresses(), count)
            flat.flags.writeable = False
        return flat.view(self.like.dtype).reshape(self.like.shape, order=memory_order(self.like))

    def write(self, values: Any) -> None:
        """Fill the slot with a real number, for both parts of complex ones, or an array."""
        if self.like.dtype.kind == "c" and np.ndim(values) == 0 and not np.iscomplexobj(values):
            values = complex(values, values)
        if not self.storage.scratch:
            self.read()[...] = values
            return
        from fastopt.drivers import transfer

        full = np.broadcast_to(np.asarray(values, self.like.dtype), self.like.shape)
        ordered = full.ravel(memory_order(self.like)).view(self.storage.dtype)
        transfer.write(self.storage, self.addresses(), ordered)


@dataclass
class Lines(Place):
    """Where a slot with a number per row or column lies, with room for its next numbers and those that are seen."""

    renewed: np.ndarray
    seen: np.ndarray

    def addresses(self) -> list[int]:
        """Before the step, renewed, as the rule sees it."""
        return [*super().addresses(), self.renewed.ctypes.data, self.seen.ctypes.data]


def with_lines(place: Place, slot: Slot) -> Lines:
    """A place with the further room that a slot of lines needs."""
    renewed = aligned_zeros(place.like.size, place.storage.dtype)
    seen = renewed if slot.seen is None else aligned_zeros(place.like.size, place.storage.dtype)
    return Lines(place.storage, place.arrays, place.start, place.like, renewed, seen)


def slab(storage: Storage, likes: Sequence[np.ndarray]) -> list[Place]:
    """One contiguous slab for a slot of several tensors, shaped like these; it never moves or grows."""
    starts, end = _starts(storage, likes)
    arrays = tuple(aligned_zeros(-(-end // column.per), column.dtype) for column in storage.columns)
    return [Place(storage, arrays, start, p) for start, p in zip(starts, likes, strict=True)]


def _starts(storage: Storage, likes: Sequence[np.ndarray]) -> tuple[list[int], int]:
    """The first element of each tensor, and the end.

    A large tensor's slot lies half a page off the parameter's place in its page: the processor takes loads and
    stores that agree in their last 12 bits for the same memory, and waits.
    """
    step, page = max(_START, storage.block), _PAGE // storage.dtype.itemsize
    starts, position = [], 0
    for p in likes:
        position = -(-position // step) * step
        if p.nbytes >= 4 * _PAGE and not storage.scratch:
            wanted = (p.ctypes.data + _PAGE // 2) % _PAGE // _ALIGNMENT * _ALIGNMENT
            position += (wanted // storage.dtype.itemsize - position) % page
        starts.append(position)
        position += count_reals(p)
    return starts, position


def memory_order(array: np.ndarray) -> Any:
    """``"C"`` or ``"F"``, whichever a contiguous array is in."""
    return "C" if array.flags.c_contiguous else "F"
