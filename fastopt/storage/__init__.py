"""How the numbers of one parameter, gradient or slot lie in memory.

A `Storage` turns a tile (a run of elements, a multiple of `block` from the start of the tensor) into an
array that arithmetic can run over, and back. It knows neither rules nor loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.storage.native import open_native


@dataclass(frozen=True)
class Column:
    """One of the arrays that a storage keeps: an entry of `dtype` for every `per` elements."""

    dtype: np.dtype[Any]
    per: int = 1


@dataclass(frozen=True)
class Storage:
    """A storage format.

    Attributes
    ----------
    name : str
        Part of the compiled kernels' names.
    dtype : numpy.dtype
        What arithmetic sees: float32 or float64.
    columns : tuple of Column
        The arrays in memory. A block is the largest `per`; tensors and tiles start at whole blocks.
    open : callable
        ``open(offset, n, scratch, *addresses)`` gives an array of n numbers: elements offset to
        offset + n of the tensor whose columns start at these addresses. Compiled into every loop.
    close : callable or None
        ``close(offset, n, tile, *addresses)`` writes the tile back; None where `open` gave the
        memory itself.
    """

    name: str
    dtype: np.dtype[Any]
    columns: tuple[Column, ...]
    open: Callable[..., Any]
    close: Callable[..., None] | None = None

    @property
    def block(self) -> int:
        """Elements that cannot be separated."""
        return max(column.per for column in self.columns)

    @property
    def scratch(self) -> bool:
        """Whether `open` needs room for an unpacked tile."""
        return self.close is not None

    def view(self, arrays: tuple[np.ndarray, ...], start: int, n: int) -> np.ndarray | None:
        """Elements start to start + n as an array that shares memory, or None where packed."""
        return None if self.scratch else arrays[0][start : start + n]

    def addresses(self, arrays: tuple[np.ndarray, ...], start: int) -> list[int]:
        """Where element `start` (at a whole block) lies in each column."""
        return [
            array.ctypes.data + start // column.per * column.dtype.itemsize
            for array, column in zip(arrays, self.columns, strict=True)
        ]

    def bytes_per_element(self) -> float:
        """Memory that an element takes, its share of block-wise columns included."""
        return sum(column.dtype.itemsize / column.per for column in self.columns)


def native(dtype: np.dtype[Any]) -> Storage:
    """The numbers themselves: float32 or float64, nothing to unpack."""
    return Storage(dtype.name, dtype, (Column(dtype),), open_native(dtype))


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What a number of this dtype consists of: complex ones are pairs of reals."""
    real: np.dtype[Any] = dtype.type(0).real.dtype
    return real


def count_reals(array: np.ndarray) -> int:
    """How many real numbers an array consists of."""
    return array.nbytes // real_dtype(array.dtype).itemsize
