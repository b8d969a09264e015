"""A storage that only tests use: 16-bit codes and a scale per block of 256 elements."""

from __future__ import annotations

from functools import cache

import numba
import numpy as np

from fastopt.drivers.machine import pointer
from fastopt.storage import Column, Storage

BLOCK = 256
MOST = np.float32(32767)


def open_packed(offset, n, scratch, codes, scales):
    q = numba.carray(pointer(codes + 2 * offset, numba.int16), n)
    s = numba.carray(pointer(scales + offset // 64, numba.float32), (n + 255) // 256)
    for i in range(n):
        scratch[i] = numba.float32(q[i]) * s[i // 256]
    return scratch


def close_packed(offset, n, tile, codes, scales):
    q = numba.carray(pointer(codes + 2 * offset, numba.int16), n)
    s = numba.carray(pointer(scales + offset // 64, numba.float32), (n + 255) // 256)
    for block in range((n + 255) // 256):
        first, last = 256 * block, min(256 * block + 256, n)
        largest = numba.float32(0)
        for i in range(first, last):
            largest = max(largest, abs(tile[i]))
        s[block] = largest / MOST
        for i in range(first, last):
            code = tile[i] / s[block] if largest > 0 else numba.float32(0)
            q[i] = numba.int16(np.rint(code))


@cache
def packed(dtype):
    assert dtype == np.float32
    columns = (Column(np.dtype(np.int16)), Column(np.dtype(np.float32), BLOCK))
    return Storage("packed16", np.dtype(np.float32), columns, open_packed, close_packed)
