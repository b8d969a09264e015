"""A rule's functions for the device: the very same code objects, with `fastopt.scalar` as the device has it."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from fastopt import scalar
from fastopt.drivers import arithmetic, machine
from fastopt.drivers.compile import references
from fastopt.drivers.cuda import words
from fastopt.drivers.real_power import real_power


@cache
def scalars(dtype: np.dtype[Any]) -> dict[str, Any]:
    """The functions of `fastopt.scalar` by name, for numbers of this dtype."""
    element: Any = dtype.type
    own = arithmetic.functions(element, words.PRIMITIVES)
    found = {name: words.device(function) for name, function in own.items() if name != "power"}
    whole = words.device(own["power"])
    real = words.device(real_power(element, words.PRIMITIVES))
    select, is_real, as_whole = words.select, words.is_real, words.as_whole

    def where(condition, x, y):  # type: ignore[no-untyped-def]
        return select(condition != 0, x, y)

    def power(x, n):  # type: ignore[no-untyped-def]
        if is_real(n):
            return real(x, element(n))
        return whole(x, as_whole(n))

    found |= {"where": words.device(where), "power": words.device(power)}
    limits = {name: found[name] for name in ("minimum", "maximum")}
    found["clamp"] = words.device(_with(scalar.clamp, limits))
    return found


@cache
def linked(function: Callable[..., Any], dtype: np.dtype[Any]) -> Any:
    """One of a rule's functions, or of fastopt's own, as a part of kernels that compute in this dtype."""
    if isinstance(function, Dispatcher):
        function = function.py_func
    own = {}
    for name, value in references(function):
        if isinstance(value, types.FunctionType) and value.__module__ == scalar.__name__:
            own[name] = scalars(dtype)[value.__name__]
        elif isinstance(value, types.FunctionType | Dispatcher):
            own[name] = linked(value, dtype)
        elif value is machine.reinterpret:
            own[name] = words.reinterpret
        elif value is scalar:  # of an enclosing function, as in scalar.sqrt(x)
            own[name] = _module(dtype)
    for name in function.__code__.co_names:
        if function.__globals__.get(name) is scalar:
            own[name] = _module(dtype)
    return words.device(_with(function, own))


def _module(dtype: np.dtype[Any]) -> types.ModuleType:
    """`fastopt.scalar` for numbers of this dtype."""
    module = types.ModuleType(scalar.__name__)
    vars(module).update(scalars(dtype))
    return module


def _with(function: Any, own: dict[str, Any]) -> types.FunctionType:
    """A copy of a function that finds other things under some of its global and enclosing names."""
    cells, names = function.__closure__ or (), function.__code__.co_freevars
    closure = tuple(
        types.CellType(own[n]) if n in own else cell for n, cell in zip(names, cells, strict=True)
    )
    return types.FunctionType(
        function.__code__,
        {**function.__globals__, **own},
        function.__name__,
        function.__defaults__,
        closure,
    )
