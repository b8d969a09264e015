"""`fastopt.scalar` for Numba's CPU target: imported for its effect on compilation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from fastopt import scalar
from fastopt.drivers import arithmetic
from fastopt.drivers.compile import INLINED, compiled
from fastopt.drivers.machine import reinterpret, select
from fastopt.drivers.real_power import real_power

#: What the CPU brings.
CPU = arithmetic.Primitives(
    select, reinterpret, math.sqrt, math.fabs, lambda part: compiled(part, inlined=True)
)


def _implements(name: str) -> Callable[[Callable[..., Any]], Any]:
    return overload(getattr(scalar, name), jit_options=INLINED, strict=False)  # type: ignore[no-any-return]


def _of(x: Any) -> dict[str, Callable[..., Any]]:
    return arithmetic.functions(np.float32 if x == types.float32 else np.float64, CPU)


for _name in ("sqrt", "abs", "sign", "cbrt"):
    _implements(_name)(lambda x, name=_name: _of(x)[name])

for _name in ("maximum", "minimum"):
    _implements(_name)(lambda x, y, name=_name: _of(x)[name])


@_implements("where")
def _where(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, types.Boolean):
        return lambda condition, x, y: select(condition, x, y)
    return lambda condition, x, y: select(condition != 0, x, y)


register_jitable(**INLINED)(scalar.clamp)


@_implements("power")
def _power(x: Any, n: Any) -> Any:
    if isinstance(n, types.Float):
        return real_power(np.float32 if x == types.float32 else np.float64, CPU)
    return _of(x)["power"]
