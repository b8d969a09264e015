"""The table that compiled code walks: which tiles there are, and where they lie.

Tiles have a fixed size, counted from the start of each tensor. Addresses stay true because parameters
and slabs are held for as long as the table is; a gradient's address is looked up at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.variant import Variant

#: Elements in a tile: 16 KiB of float32, so that unpacked tiles of packed storages stay in L1 and L2.
TILE = 4096

# Columns of `Table.tiles`.
TENSOR, OFFSET, LENGTH, BEFORE = range(4)


class Table:
    """The tensors that one kernel updates in one call.

    Attributes
    ----------
    variant : Variant
        What the kernel is made for.
    tensors : int64 (tensors,)
        Number of each tensor in the whole optimizer: its row of the header and of the gradients.
    addresses : int64 (tensors, columns)
        Where parameter and slots start.
    tiles : int64 (rows, 4)
        A row per tile: tensor (in this table), offset in it, length, elements in the rows before.
    coefficients : (tensors, 1 + coefficients) in compute dtype
        Written by `advance`, read by `update`.
    """

    def __init__(
        self,
        variant: Variant,
        tensors: Sequence[int],
        sizes: Sequence[int],
        addresses: Sequence[Sequence[int]],
        tile: int = TILE,
    ) -> None:
        self.variant = variant
        self.tensors = np.array(tensors, np.int64)
        self.addresses = np.array(addresses, np.int64).reshape(len(tensors), variant.columns)
        self.tiles = _tiles(np.array(sizes, np.int64), tile)
        width = 1 + variant.rule.count_coefficients()
        self.coefficients = np.zeros((len(tensors), width), variant.dtype)
        self.elements = int(sum(sizes))
        self.bytes = self.elements * variant.bytes_per_element()
        self._tile = tile if variant.scratch else 0
        self._scratch: dict[int, np.ndarray] = {}

    def scratch(self, shares: int) -> np.ndarray:
        """Room for the unpacked tiles of so many threads: (shares, arrays, tile)."""
        if shares not in self._scratch:
            shape = (shares, self.variant.arrays, self._tile)
            self._scratch[shares] = np.zeros(shape, self.variant.dtype)
        return self._scratch[shares]


def _tiles(sizes: np.ndarray[Any, np.dtype[np.int64]], tile: int) -> np.ndarray:
    counts = -(-sizes // tile)
    rows = np.empty((int(counts.sum()), 4), np.int64)
    rows[:, TENSOR] = np.repeat(np.arange(len(sizes)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    rows[:, OFFSET] = (np.arange(len(rows)) - first) * tile
    rows[:, LENGTH] = np.minimum(sizes[rows[:, TENSOR]] - rows[:, OFFSET], tile)
    rows[:, BEFORE] = np.cumsum(rows[:, LENGTH]) - rows[:, LENGTH]
    return rows
