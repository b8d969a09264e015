"""Multiplication and addition with one rounding."""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np


def fma(x, y, z):
    """x * y + z, rounded once."""
    x, y, z = np.broadcast_arrays(x, y, z)
    return _fma32(x, y, z) if x.dtype == np.float32 else _fma64(x, y, z)


def _fma32(x, y, z):
    # The product of two single-precision numbers is exact in double precision. The sum is rounded to odd: then its
    # 53 digits, more than twice 24, round to single precision as the exact sum would.
    product, z = np.float64(x) * np.float64(y), np.float64(z)
    total = product + z
    virtual = total - product
    lost = (product - (total - virtual)) + (z - virtual)  # what rounding took, exactly
    bits = total.view(np.int64)
    even = (bits & 1) == 0
    away = np.where(
        (lost > 0) == (total > 0), 1, -1
    )  # the odd neighbour is further from zero, or nearer
    inexact = np.isfinite(total) & (lost != 0)
    return np.where(inexact & even, bits + away, bits).view(np.float64).astype(np.float32)


_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.fma.restype = ctypes.c_double
_libm.fma.argtypes = [ctypes.c_double] * 3
_each = np.frompyfunc(_libm.fma, 3, 1)


def _fma64(x, y, z):
    return np.asarray(_each(x, y, z), np.float64)
