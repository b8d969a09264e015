"""The arguments of schedules in their plain Python types, or errors that say what would be right."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def number(
    owner: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf
) -> float:
    """A finite number in [low, high]."""
    result = _real(owner, name, value)
    if not (low <= result <= high and math.isfinite(result)):
        raise ValueError(
            f"{owner}: {name} is {value!r}; expected a finite number{_range(low, high)}"
        )
    return result


def whole(owner: str, name: str, value: Any, low: float = -math.inf) -> int:
    """A whole number, at least `low`; 1e5 is one."""
    result = _real(owner, name, value)
    if not (result >= low and abs(result) <= 2**53 and result == math.floor(result)):
        raise ValueError(
            f"{owner}: {name} is {value!r}; expected a whole number{_range(low, math.inf)}"
        )
    return int(result)


def name_of(owner: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """One out of several names."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(map(repr, choices))
        raise ValueError(f"{owner}: {name} is {value!r}; expected one of {expected}")
    return str(value)


def scales(owner: str, value: Any) -> list[tuple[int, float]]:
    """The items of a ``boundaries_and_scales``, by boundary."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{owner}: boundaries_and_scales is {value!r}; expected a mapping of counts to factors"
        )
    return sorted(
        (
            whole(owner, "a boundary in boundaries_and_scales", boundary, 0),
            number(owner, f"boundaries_and_scales[{boundary!r}]", scale, 0),
        )
        for boundary, scale in value.items()
    )


def entries(owner: str, d: Any, names: Iterable[str]) -> dict[str, Any]:
    """These entries of a state dict."""
    if not isinstance(d, Mapping):
        raise TypeError(f"{owner}: the state is {d!r}; expected a mapping")
    missing = [name for name in names if name not in d]
    if missing:
        raise ValueError(
            f"{owner}: the state has no {', '.join(missing)}; found {', '.join(map(str, d))}"
        )
    return {name: d[name] for name in names}


def _real(owner: str, name: str, value: Any) -> float:
    scalar = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    if not (isinstance(value, numbers.Real) or scalar) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} is {value!r}; expected a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _range(low: float, high: float) -> str:
    if low == -math.inf:
        return ""
    return f" >= {low:g}" if high == math.inf else f" in [{low:g}, {high:g}]"
