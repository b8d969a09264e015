"""What arrays of PyTorch and CuPy are like, asked in these libraries' own ways.

An interface's dictionary costs many microseconds an array, which are most of a step over many small ones. So a gradient that
says the same of itself as one that was accepted before is asked for its address only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

#: Where an array lies, and all else that a gradient is accepted by; None where only its interface tells.
Description = tuple[int, Any]


@cache
def asker(cls: Hashable) -> Callable[[Any], Description]:
    """What describes arrays of a class; of others than these libraries' own, which may mean other things by the same names, nothing."""
    assert isinstance(cls, type)
    return _ASKERS.get((cls.__module__, cls.__name__), _unknown)


def _of_torch(tensor: Any) -> Description:
    try:
        return tensor.data_ptr(), (
            tensor.shape, tensor.stride(), tensor.dtype, tensor.device, tensor.requires_grad,
            tensor.is_conj(), tensor.is_neg(),
        )  # fmt: skip
    except RuntimeError:  # sparse tensors have no strides
        return 0, None


def _of_cupy(array: Any) -> Description:
    place = array.data
    return place.ptr, (array.shape, array.strides, array.dtype, place.device_id)


def _unknown(array: Any) -> Description:
    return 0, None


_ASKERS = {
    ("torch", "Tensor"): _of_torch,
    ("torch.nn.parameter", "Parameter"): _of_torch,
    ("cupy", "ndarray"): _of_cupy,
}
