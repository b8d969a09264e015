"""The gains of units, for the elements of a block: see fastopt/unit_gains.py."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from fastopt.drivers.compile import Compiled, compiled
from fastopt.drivers.machine import pointer


@cache
def gains(dtype: np.dtype[Any]) -> Compiled:
    """``gains(start, m, room, address, width, by_row)``: those of m elements of a tensor, from element `start` on.

    The tensor lies in memory as a matrix of this width; its units are the rows, or else the columns.
    """
    element = numba.from_dtype(dtype)

    def gains(start, m, room, address, width, by_row):  # type: ignore[no-untyped-def]
        row = start // width
        column, done = start - row * width, 0
        while done < m:
            n = min(m - done, width - column)
            if by_row:
                gain = numba.carray(pointer(address, element), row + 1)[row]
                for i in range(n):
                    room[done + i] = gain
            else:
                own = numba.carray(pointer(address, element), width)[column : column + n]
                for i in range(n):
                    room[done + i] = own[i]
            done += n
            column, row = 0, row + 1
        return room

    return compiled(gains)
