"""Packed slots to plain arrays and back, by the same `open` and `close` that the loops use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from fastopt.drivers.compile import Compiled, compiled, standalone
from fastopt.storage import Storage


def read(storage: Storage, addresses: Sequence[int], n: int) -> np.ndarray:
    """The n numbers that lie packed at these addresses."""
    values = np.empty(n, storage.dtype)
    _transfer(storage)[0](values, _scratch(storage), *addresses)
    return values


def write(storage: Storage, addresses: Sequence[int], values: np.ndarray) -> None:
    """Pack numbers to these addresses."""
    _transfer(storage)[1](np.ascontiguousarray(values), _scratch(storage), *addresses)


def _scratch(storage: Storage) -> np.ndarray:
    return np.zeros(storage.block, storage.dtype)


@cache
def _transfer(storage: Storage) -> tuple[Compiled, Compiled]:
    assert storage.close is not None
    open, close = compiled(storage.open), compiled(storage.close)
    block = storage.block

    def read(values: Any, scratch: Any, *addresses: Any) -> None:
        for offset in range(0, values.size, block):
            n = min(block, values.size - offset)
            tile = open(offset, n, scratch, *addresses)
            for i in range(n):
                values[offset + i] = tile[i]

    def write(values: Any, scratch: Any, *addresses: Any) -> None:
        for offset in range(0, values.size, block):
            n = min(block, values.size - offset)
            tile = scratch[:n]
            for i in range(n):
                tile[i] = values[offset + i]
            close(offset, n, tile, *addresses)

    return standalone(read), standalone(write)
