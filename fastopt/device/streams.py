"""CUDA streams, as the libraries that make them name them."""

from __future__ import annotations

from typing import Any


def handle_of(stream: Any) -> int:
    """The number of a stream's handle: of one with ``__cuda_stream__``, torch's, CuPy's, Numba's, or a number.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(stream, int) and not isinstance(stream, bool):
        return stream
    asked = getattr(stream, "__cuda_stream__", None)
    if asked is not None:
        return int((asked() if callable(asked) else asked)[1])
    for name in ("cuda_stream", "ptr", "handle"):
        number = getattr(stream, name, None)
        number = getattr(number, "value", number)
        if isinstance(number, int):
            return number
    raise TypeError(f"stream is {stream!r}; expected a CUDA stream, or the number of its handle")
