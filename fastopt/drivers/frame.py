"""Many arrays as one: a kernel's call costs Python 50 ns for each array that it takes.

A frame lists where arrays start and their shapes. It does not hold them: whoever packs must.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numba
import numpy as np
from numba.np.numpy_support import as_dtype

from fastopt.drivers.machine import pointer


def pack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The frame of C-contiguous arrays."""
    return np.array([word for a in arrays for word in (a.ctypes.data, *a.shape)], np.int64)


def opened(arrays: Mapping[str, Any], names: dict[str, Any]) -> Iterator[str]:
    """The text that opens a `frame` again, of arrays by name and Numba type; what it calls goes into `names`."""
    names |= {"carray": numba.carray, "pointer": pointer}
    at = 0
    for name, kind in arrays.items():
        names[f"of_{name}"] = as_dtype(kind.dtype)
        shape = ", ".join(f"frame[{at + 1 + axis}]" for axis in range(kind.ndim))
        yield f"{name} = carray(pointer(frame[{at}], of_{name}), ({shape},))"
        at += 1 + kind.ndim
