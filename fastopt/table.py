"""The table that compiled code walks: which tiles there are, and where they lie.

Tiles have a fixed size, counted from the start of each tensor. Addresses stay true because parameters
and slabs are held for as long as the table is; a gradient's address is looked up at every step.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.drivers.noise import KEYS
from fastopt.storage import count_reals
from fastopt.strips import STRIP_COLUMNS, Strips
from fastopt.variant import BLOCK, Variant

#: Elements in a tile: 16 KiB of float32, so that unpacked tiles of packed storages stay in L1 and L2.
TILE = 4096

# Columns of `Table.tiles`.
TENSOR, OFFSET, LENGTH, BEFORE, SHIFT = range(5)


class Table:
    """The tensors that one kernel updates in one call.

    Attributes
    ----------
    variant : Variant
        What the kernel is made for.
    tensors : int64 (tensors,)
        Number of each tensor in the whole optimizer: its row of the header and of the gradients.
    addresses : int64 (tensors, columns)
        Where parameter and slots start; with slots of lines, height and width of the matrices.
    tiles : int64 (rows, 5)
        A row per tile: tensor (in this table), offset in it, length, elements in the rows before, and by how many bytes
        its gradient lies elsewhere than at this offset in the tensor's (fastopt/touched.py).
    coefficients : (tensors, leading columns, the rule's and the key of its noise) in compute dtype
        Written by `advance`, read by `update`.
    blocks : float64 (rows, results)
        Sums of each tile.
    """

    def __init__(
        self,
        variant: Variant,
        tensors: Sequence[int],
        parameters: Sequence[np.ndarray],
        addresses: Sequence[Sequence[int]],
        tile: int = TILE,
    ) -> None:
        self.variant = variant
        self.tensors = np.array(tensors, np.int64)
        self.addresses = np.array(addresses, np.int64).reshape(len(tensors), variant.columns)
        sizes = np.array([count_reals(p) for p in parameters], np.int64)
        self.tiles = _tiles(sizes, tile)
        width = variant.keys + (KEYS if variant.draws else 0)
        self.coefficients = np.zeros((len(tensors), width), variant.dtype)
        self.blocks = np.zeros((len(self.tiles), max(2, variant.results)))
        self.elements = int(sizes.sum())
        self.bytes = self.elements * variant.bytes_per_element()
        self._numbers = variant.line_numbers()
        cut = Strips(parameters if variant.has_lines else [], self._numbers)
        self.strips, self.grids, self.partials = cut.strips, cut.grids, cut.partials
        self._tile = tile if variant.scratch else 0
        self._kept: dict[Any, np.ndarray] = {}

    def over(self, tiles: np.ndarray) -> Table:
        """The same tensors, and only these tiles of them."""
        other = copy.copy(self)
        other.tiles = tiles
        other.blocks = np.zeros((len(tiles), self.blocks.shape[1]))
        other.elements = int(tiles[-1, BEFORE] + tiles[-1, LENGTH]) if len(tiles) else 0
        other.bytes = other.elements * self.variant.bytes_per_element()
        return other

    def with_tensors(self, tensors: Sequence[int], like: Sequence[int]) -> Table:
        """Other tensors at the same places: each at that of one of this table's."""
        other = copy.copy(self)
        other.tensors = np.array(tensors, np.int64)
        other.addresses = self.addresses[like]
        other.coefficients = np.zeros(
            (len(tensors), self.coefficients.shape[1]), self.variant.dtype
        )
        return other

    def with_units(self) -> np.ndarray:
        """The addresses, and columns for `Variant.unit_columns`: always the same array."""
        if "units" not in self._kept:
            more = np.zeros((len(self.tensors), 3), np.int64)
            self._kept["units"] = np.hstack([self.addresses, more])
        return self._kept["units"]

    def scratch(self, shares: int, units: bool = False) -> np.ndarray:
        """Room for the unpacked tiles of so many threads, and a block of gains of units: (shares, arrays, tile)."""
        width = max(self._tile, BLOCK, self.variant.block) if units else self._tile
        return self._room("scratch", (shares, self.variant.arrays + units, width))

    def sums(self, shares: int) -> np.ndarray:
        """Accumulators of so many threads: (shares, results, elements of a block or columns of a strip)."""
        rows = max(2, self.variant.results, 2 * self._numbers)
        width = max(BLOCK, self.variant.block, STRIP_COLUMNS if self._numbers else 0)
        return self._room("sums", (shares, rows, width))

    def _room(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if (name, shape) not in self._kept:
            self._kept[name, shape] = np.zeros(shape, self.variant.dtype)
        return self._kept[name, shape]


def _tiles(sizes: np.ndarray[Any, np.dtype[np.int64]], tile: int) -> np.ndarray:
    counts = -(-sizes // tile)
    rows = np.zeros((int(counts.sum()), 5), np.int64)
    rows[:, TENSOR] = np.repeat(np.arange(len(sizes)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    rows[:, OFFSET] = (np.arange(len(rows)) - first) * tile
    rows[:, LENGTH] = np.minimum(sizes[rows[:, TENSOR]] - rows[:, OFFSET], tile)
    rows[:, BEFORE] = np.cumsum(rows[:, LENGTH]) - rows[:, LENGTH]
    return rows
