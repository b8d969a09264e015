"""Plain float32 and float64: a tile is the memory itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from fastopt.drivers.machine import pointer


@cache
def open_native(dtype: np.dtype[Any]) -> Callable[..., Any]:
    """The `open` of a storage that keeps numbers of this dtype as they are."""
    element, itemsize = numba.from_dtype(dtype), dtype.itemsize

    def open(offset: int, n: int, scratch: Any, address: int) -> Any:
        return numba.carray(pointer(address + offset * itemsize, element), n)

    return open
