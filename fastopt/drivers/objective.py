"""Functions of a point in the plane, compiled: an expression of x and y over many points at once.

They are called from Python, and by address from the loops that follow trajectories, so that no loop is compiled anew
for another function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np
from numba import types

from fastopt import scalar
from fastopt.drivers import noise, scalars  # noqa: F401  (the functions compile only with its overloads)
from fastopt.drivers.compile import Compiled, compiled, digest, kernel
from fastopt.drivers.generate import generated
from fastopt.drivers.machine import pointer

#: ``function(x, y, u, v, n, step, scale, seed)``: addresses of n numbers each; u and v are written.
SIGNATURE = (*[types.int64] * 4, types.int64, types.int64, types.float64, types.float64)

#: No tensor has this number: the noise of a gradient is never that of an optimizer with the same seed.
_TENSOR = 1 << 40

_NAMES: dict[str, Any] = {
    **{n: getattr(math, n) for n in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh")},
    **{n: getattr(math, n) for n in ("cosh", "tanh", "exp", "log", "pow")},
    **{n: getattr(scalar, n) for n in ("sqrt", "abs", "sign")},
}


def function(
    name: str, lines: Sequence[str], numbers: Mapping[str, float], dtype: np.dtype[Any]
) -> Compiled:
    """A kernel that writes one or two results at each point, the same noise added to all points' results.

    Parameters
    ----------
    name : str
        What it is kept under on disk: another function under the same name takes its place.
    lines, numbers
        The body of a function of x and y that returns the results, and the numbers that it names.
    """
    own = {n: dtype.type(value) for n, value in numbers.items()}
    text = ["def formula(x, y):", *(f"    {line}" for line in lines)]
    formula = compiled(generated("formula", text, {**_NAMES, **own}), inlined=True)
    two = "," in lines[-1]
    element = numba.from_dtype(dtype)
    key, block_key, normal = noise.key, noise.block_key, noise.normal

    def function(x, y, u, v, n, step, scale, seed):  # type: ignore[no-untyped-def]
        xs, ys = numba.carray(pointer(x, element), n), numba.carray(pointer(y, element), n)
        us, vs = numba.carray(pointer(u, element), n), numba.carray(pointer(v, element), n)
        if two:
            for i in range(n):
                us[i], vs[i] = formula(xs[i], ys[i])
        else:
            for i in range(n):
                us[i] = formula(xs[i], ys[i])
        if scale != 0.0:
            k0, k1, k2, k3 = key(seed, step, _TENSOR)
            first, second = block_key(k0, k1, k2, k3, 0)
            across = element(scale * np.float64(normal(first, second, 0)))
            along = element(scale * np.float64(normal(first, second, 1)))
            for i in range(n):
                us[i] += across
            if two:
                for i in range(n):
                    vs[i] += along

    label = f"fastopt.study.{name}.{dtype.name}"
    return kernel(function, label, digest(function))
