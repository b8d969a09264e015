"""The kernel that adds up gradients of a row that is named more than once, in the order in which they were given."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastopt.drivers.cuda import words
from fastopt.drivers.cuda.kernels import Kernel, kernel

#: Numbers of a row that one block of threads works on.
PIECE = 1024


@cache
def add_up(dtype: np.dtype[Any]) -> Kernel:
    """Row by row: the entries ``starts[r]`` to ``starts[r + 1]`` of ``positions`` say where its gradients lie.

    ``gradients`` and ``sums`` are addresses of rows of `width` numbers; a row of the grid for each of the sums.
    """
    size = dtype.itemsize
    inside = [
        "total = zero",
        "for m in range(begin, end):",
        "    position = load(positions + m * 8, whole)",
        f"    total = total + load(gradients + (position * width + i) * {size}, zero)",
        f"store(sums + (block() * width + i) * {size}, total)",
        f"i += {words.THREADS}",
    ]
    lines = [
        "begin = load(starts + block() * 8, whole)",
        "end = load(starts + block() * 8 + 8, whole)",
        f"i = piece() * {PIECE} + thread()",
        f"last = min((piece() + 1) * {PIECE}, width)",
        "while i < last:",
        *(f"    {line}" for line in inside),
    ]
    arguments = ("starts", "positions", "gradients", "sums", "width")
    found = {"zero": dtype.type(0), "piece": words.piece}
    return kernel("add_up", arguments, lines, found, words.THREADS)
