"""How matrices are cut for sums over their rows and columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

#: The most rows and columns of a strip: that many lines share partial sums, and a strip's column sums stay in L1.
STRIP_ROWS, STRIP_COLUMNS = 128, 2048

#: Rows of a slice of a strip: so many are added up in the compute dtype for a column. STRIP_ROWS is a multiple.
SLICE_ROWS = 32

# Columns of a table of strips: as in a table of tiles the tensor, a number (which matrix), elements, and elements
# before; then the strip's place in its matrix, and where its sums go.
TENSOR, MATRIX, LENGTH, BEFORE, ROW, ROWS, COLUMN, COLUMNS, ROW_SUMS, COLUMN_SUMS = range(10)

# Columns of the table of grids, a row per tensor: its matrices, their shape in memory, and their strips.
MATRICES, HEIGHT, WIDTH, FIRST, BANDS, CHUNKS = range(6)


def memory_matrices(array: np.ndarray) -> tuple[int, int, int]:
    """Count, height and width of the matrices of an array's last two dimensions, as they lie in memory."""
    if array.ndim < 2:
        return 0, 0, 0
    height, width = array.shape[-2:]
    if not array.flags.c_contiguous:
        height, width = width, height
    return array.size // max(1, height * width), height, width


class Strips:
    """The strips of some tensors.

    Attributes
    ----------
    grids : int64 (tensors, 6)
    strips : int64 (strips, 10)
        By tensor, matrix, band of rows, chunk of columns.
    partials : float64
        Room for the sums of all strips, `count` numbers for each of their rows and columns.
    """

    def __init__(self, tensors: Sequence[np.ndarray], count: int) -> None:
        grids: list[tuple[int, ...]] = []
        rows: list[tuple[int, ...]] = []
        at = before = 0
        for j, array in enumerate(tensors):
            matrices, height, width = memory_matrices(array)
            bands, chunks = -(-height // STRIP_ROWS), -(-width // STRIP_COLUMNS)
            grids.append((matrices, height, width, len(rows), bands, chunks))
            places = itertools.product(
                range(matrices), range(0, height, STRIP_ROWS), range(0, width, STRIP_COLUMNS)
            )
            for matrix, row, column in places:
                high, wide = min(STRIP_ROWS, height - row), min(STRIP_COLUMNS, width - column)
                own = (row, high, column, wide, at, at + count * high)
                rows.append((j, matrix, high * wide, before, *own))
                at += count * (high + wide)
                before += high * wide
        self.grids = np.array(grids, np.int64).reshape(-1, 6)
        self.strips = np.array(rows, np.int64).reshape(-1, 10)
        self.partials = np.zeros(at)
