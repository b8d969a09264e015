"""Where gradients lie: how a step gets the addresses of what it was given, and refuses what is wrong.

Asking Python for the address, shape, dtype and layout of each gradient would cost more than updating a
small tensor. So compiled code reads NumPy's array struct (``PyArrayObject_fields``, part of NumPy's
C interface) and compares it with the row that `layout_row` wrote for the parameter. Whatever is not
plainly right there is looked at again in Python, which accepts it, copies it into order, or says what is wrong.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

# Offsets into an array object. The object header is longer in free-threaded builds of Python.
_HEAD = object.__basicsize__
AT_TYPE = _HEAD - 8
AT_DATA = _HEAD
AT_ND = _HEAD + 8
AT_DIMS = _HEAD + 16
AT_DTYPE = _HEAD + 40
AT_FLAGS = _HEAD + 48

_C_CONTIGUOUS, _F_CONTIGUOUS, _ALIGNED = 0x1, 0x2, 0x100

# Columns of the layout: what a gradient must look like.
ND, FLAGS, DTYPE, NBYTES, ARRAY_TYPE, NONE, DIMS = range(7)

#: Stands for an array that Python has already located.
LOCATED = 0


def _struct_is_known() -> bool:
    """Whether an array's memory says at these offsets what NumPy says of it."""
    sample = np.zeros((3, 2), np.float32)

    def word(address: int) -> int:
        return ctypes.c_int64.from_address(address).value

    start = id(sample)
    return (
        sys.implementation.name == "cpython"
        and word(start + AT_TYPE) == id(np.ndarray)
        and word(start + AT_DATA) == sample.ctypes.data
        and ctypes.c_int32.from_address(start + AT_ND).value == sample.ndim
        and word(word(start + AT_DIMS) + 8) == sample.shape[1]
        and word(start + AT_DTYPE) == id(sample.dtype)
        and ctypes.c_int32.from_address(start + AT_FLAGS).value & 0x103 == _ALIGNED | _C_CONTIGUOUS
    )


#: The type that compiled code looks for; 0, which nothing has, leaves all gradients to Python.
_ARRAY_TYPE = id(np.ndarray) if _struct_is_known() else 0


def layout(parameters: Sequence[np.ndarray]) -> np.ndarray:
    """A row per parameter: what its gradient's array struct must say."""
    rows = np.zeros(
        (len(parameters), DIMS + max((p.ndim for p in parameters), default=0)), np.int64
    )
    for row, p in zip(rows, parameters, strict=True):
        order = _C_CONTIGUOUS if p.flags.c_contiguous else _F_CONTIGUOUS
        row[:DIMS] = p.ndim, order | _ALIGNED, id(p.dtype), p.nbytes, _ARRAY_TYPE, id(None)
        row[DIMS : DIMS + p.ndim] = p.shape
    return rows


def occupied(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The memory of contiguous arrays as sorted rows (start, end), touching ones merged."""
    spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in arrays if a.nbytes)
    merged: list[list[int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    return np.array(merged, np.int64).reshape(-1, 2)


def accept(
    gradient: Any,
    parameter: np.ndarray,
    name: str,
    busy: np.ndarray,
    rows: tuple[int, ...] | None = None,
) -> np.ndarray:
    """The gradient, which `name` names, as an array in its parameter's memory order: itself, or a copy.

    With `rows`, it is that of as many rows, in this shape.

    Raises
    ------
    TypeError
        If it is no array of real numbers in the parameter's dtype.
    ValueError
        If its shape differs, or it overlaps a parameter or a slot.
    """
    shape = parameter.shape if rows is None else (*rows, *parameter.shape[1:])
    expected = f"an array of {parameter.dtype.name} with shape {shape}, or None"
    if isinstance(gradient, np.generic):
        gradient = np.asarray(gradient)
    if getattr(gradient, "__cuda_array_interface__", None) is not None:
        raise TypeError(
            f"{name} is on a CUDA device, the parameter in host memory; expected {expected}"
        )
    if not isinstance(gradient, np.ndarray) or isinstance(gradient, np.ma.MaskedArray):
        raise TypeError(f"{name} is {describe(gradient)}; expected {expected}")
    if gradient.dtype != parameter.dtype:
        raise TypeError(f"{name} has dtype {gradient.dtype}; expected {expected}")
    if gradient.shape != shape:
        raise ValueError(f"{name} has shape {gradient.shape}; expected {expected}")
    low, high = np.lib.array_utils.byte_bounds(gradient)
    if gradient.size and overlaps(low, high, busy):
        raise overlapping(name)
    order = "C" if parameter.flags.c_contiguous else "F"
    return np.require(np.asarray(gradient), parameter.dtype, [order, "A"])  # type: ignore[list-item]


def overlaps(low: int, high: int, busy: np.ndarray) -> bool:
    """Whether the addresses from low to high meet any of the rows (start, end)."""
    return bool(np.any((busy[:, 0] < high) & (low < busy[:, 1])))


def overlapping(name: str) -> ValueError:
    """The error for a gradient in memory that a step writes."""
    return ValueError(
        f"{name} overlaps the memory of a parameter or of the optimizer's state; give it memory of its own"
    )


def check_writable(gradients: Sequence[Any], names: Sequence[str]) -> None:
    """Raise ValueError for gradients that cannot be set to zero one by one."""
    spans: list[tuple[int, int, str, np.ndarray]] = []
    for gradient, name in zip(gradients, names, strict=True):
        if gradient is None:
            continue
        if not isinstance(gradient, np.ndarray) or not gradient.flags.writeable:
            raise ValueError(
                f"gradient of {name} is read-only; zero_grads=True needs writable arrays"
            )
        if gradient.size:
            spans.append((*np.lib.array_utils.byte_bounds(gradient), name, gradient))
    spans.sort(key=lambda span: span[0])
    for i, (_, end, first, gradient) in enumerate(spans):
        for start, _, second, other in spans[i + 1 :]:
            if start >= end:
                break
            if np.shares_memory(
                gradient, other
            ):  # and not only alternate, as columns of a matrix do
                raise ValueError(
                    f"gradients of {first} and {second} share memory; zero_grads=True needs one for each"
                )


def describe(value: Any) -> str:
    """What a message says that there was."""
    text = repr(value)
    return f"a {type(value).__name__} ({text if len(text) < 60 else text[:57] + '...'})"
