"""Hyperparameters: what values they may take, and the groups that hold them."""

from __future__ import annotations

import math
import numbers
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fastopt.schedules import Schedule


@dataclass(frozen=True)
class Interval:
    """The finite numbers from `low` to `high`.

    Parameters
    ----------
    low, high : float
        The ends.
    below, above : bool
        Whether values must be below `high`, above `low`: whether that end is open.
    floats : bool
        Whether a whole number in a tuple must be written as a float.
    infinite : bool
        Whether infinities count too, and None stands for them in a pair of bounds.
    whole : bool
        Whether only whole numbers count, which are ints then and follow no schedule.
    """

    low: float = -math.inf
    high: float = math.inf
    below: bool = False
    above: bool = False
    floats: bool = False
    infinite: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        excluded = (self.above and value == self.low) or (self.below and value == self.high)
        return (
            (self.infinite or math.isfinite(value))
            and (not self.whole or value == round(value))
            and self.low <= value <= self.high
            and not excluded
        )

    def __str__(self) -> str:
        if self.infinite:
            return "a number or None"
        if self.high == math.inf:
            end = f" {'>' if self.above else '>='} {self.low:g}" if self.low > -math.inf else ""
            return f"a {'whole' if self.whole else 'finite'} number{end}"
        return f"a {'whole ' if self.whole else ''}number in {'[('[self.above]}{self.low:g}, {self.high:g}{'])'[self.below]}"


ANY = Interval()
NONNEGATIVE = Interval(0)
FRACTION = Interval(0, 1)
DECAY = Interval(0, 1, below=True)

Domain = Interval | tuple[Interval, ...]  # a tuple: one for each value of a hyperparameter

#: What the customary names mean wherever a class does not say otherwise.
DOMAINS = {
    "lr": NONNEGATIVE,
    "betas": DECAY,
    "eps": NONNEGATIVE,
    "eps_root": NONNEGATIVE,
    "weight_decay": NONNEGATIVE,
    "momentum": NONNEGATIVE,
    "ema_decay": FRACTION,
    "bounds": Interval(infinite=True),
}

#: What any optimizer takes besides its own hyperparameters, with values of the right kind.
OPTIONS = {"ema_decay": 0.999, "bounds": (-math.inf, math.inf)}

# A float, int, bool, tuple of floats, or a name out of several; None where that is the default; schedules of floats.
Value = Any


def fields(name: str, default: Value) -> list[tuple[str, str]]:
    """The header fields (name, NumPy type) that hold a hyperparameter.

    ``betas=(b1, b2)`` becomes ``beta1`` and ``beta2``; a name out of several becomes its index.
    """
    if isinstance(default, bool):
        return [(name, "?")]
    if isinstance(default, str):
        return [(name, "i8")]
    if isinstance(default, tuple):
        return [(f"{name.removesuffix('s')}{i + 1}", "f8") for i in range(len(default))]
    return [(name, "f8")]


def field_names(header: np.dtype[Any], name: str, numbers: tuple[Any, ...]) -> list[str]:
    """The header fields of a hyperparameter that consists of these numbers."""
    if name in (header.names or ()):
        return [name]
    return [f"{name.removesuffix('s')}{i + 1}" for i in range(len(numbers))]


def as_numbers(value: Value, choices: tuple[str, ...]) -> tuple[Any, ...]:
    """A hyperparameter's value as its header fields hold it: None is NaN there."""
    if isinstance(value, str):
        return (choices.index(value),)
    values = value if isinstance(value, tuple) else (value,)
    return tuple(math.nan if v is None else v for v in values)


def check(
    owner: str, name: str, value: Any, default: Value, domain: Domain, choices: tuple[str, ...]
) -> Value:
    """The value in its plain Python type, or an error that says what would be right."""
    if isinstance(default, bool):
        if not isinstance(value, bool | np.bool_):
            _refuse(TypeError, owner, name, value, "True or False")
        return bool(value)
    if choices:
        if value is None and default is None:
            return None
        if not isinstance(value, str) or value not in choices:
            known = [repr(choice) for choice in choices] + ["None"] * (default is None)
            _refuse(ValueError, owner, name, value, "one of " + ", ".join(known))
        return str(value)
    if isinstance(default, tuple):
        domains = domain if isinstance(domain, tuple) else (domain,) * len(default)
        each = f", each {domain}" if domain is not domains else ": " + ", ".join(map(str, domains))
        expected = f"{len(default)} values{each}"
        if isinstance(value, str) or not isinstance(value, Iterable):
            _refuse(TypeError, owner, name, value, expected)
        values = tuple(value)
        if len(values) != len(default):
            _refuse(ValueError, owner, name, value, expected)
        if domains[0].infinite:  # a pair of bounds: None leaves a side open
            open_sides = (-math.inf, math.inf)
            values = tuple(o if v is None else v for o, v in zip(open_sides, values, strict=True))
        for v, d in zip(values, domains, strict=True):
            if d.floats and isinstance(v, int) and not isinstance(v, bool):
                _refuse(ValueError, owner, name, value, f"floats: {expected}")
        return tuple(
            _number(owner, name, v, kind, d)
            for v, kind, d in zip(values, default, domains, strict=True)
        )
    assert isinstance(domain, Interval)
    return _number(owner, name, value, default, domain)


def _number(owner: str, name: str, value: Any, default: Value, domain: Interval) -> Any:
    if value is None and default is None:
        return None
    if domain.whole and callable(value):
        _refuse(TypeError, owner, name, value, f"{domain}, which follows no schedule")
    if isinstance(value, Schedule):
        _check_extent(owner, name, value, domain)
        return value
    expected = f"None or {domain}" if default is None else str(domain)
    if callable(value):
        try:
            number_at(owner, name, value, 0, domain)
        except Exception as error:
            wanted = f"{expected}, or a callable that gives one for the number of steps taken"
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"{owner}: {name} is {value!r}; expected {wanted} ({error})") from error
        return value
    scalar = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    if not (isinstance(value, numbers.Real) or scalar) or isinstance(value, bool | np.bool_):
        _refuse(TypeError, owner, name, value, expected)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number not in domain:
        _refuse(ValueError, owner, name, value, expected)
    return int(number) if domain.whole else number


def _check_extent(owner: str, name: str, schedule: Schedule, domain: Interval) -> None:
    """All that a schedule can ever be; it may grow without end where the domain has none."""
    high = min(schedule.high, np.finfo(float).max) if domain.high == math.inf else schedule.high
    if schedule.low not in domain or high not in domain:
        extent = f"{schedule!r} with values from {schedule.low:g} to {schedule.high:g}"
        raise ValueError(f"{owner}: {name} is {extent}; expected {domain}")


def number_at(owner: str, name: str, value: Any, count: int, domain: Interval) -> float | None:
    """A number, or what a schedule gives after `count` steps; checked if it is a callable's."""
    if value is None or isinstance(value, float | int):
        return value
    if isinstance(value, Schedule):
        return float(value(count))
    given = value(count)
    if callable(given):
        _refuse(TypeError, owner, f"{name}({count})", given, str(domain))
    return float(_number(owner, f"{name}({count})", given, 0.0, domain))


def _refuse(error: type[Exception], owner: str, name: str, value: Any, expected: str) -> NoReturn:
    raise error(f"{owner}: {name} is {value!r}; expected {expected}")


class Group(dict[str, Any]):
    """One of `Optimizer.param_groups`: hyperparameters and, under ``"params"``, the arrays they hold for.

    Values are checked when they are assigned and hold from the next step on. Keys are fixed.
    """

    def __init__(
        self, values: Mapping[str, Any], assign: Callable[[Group, dict[str, Any]], None]
    ) -> None:
        super().__init__(values)
        self._assign = weakref.WeakMethod(assign)  # a cycle would keep all slots until collected

    def update(self, *args: Any, **values: Any) -> None:
        """Assign several values, all or none."""
        new = dict(*args, **values)
        for name in new:
            if name == "params" or name not in self:
                known = ", ".join(key for key in self if key != "params")
                raise ValueError(f"param_groups: cannot assign {name!r}; assignable are {known}")
        assign = self._assign()
        if assign is None:
            raise RuntimeError("param_groups: the optimizer of this group is gone")
        assign(self, new)

    def hyperparameters(self) -> dict[str, Any]:
        """The values without the arrays."""
        return {name: value for name, value in self.items() if name != "params"}

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __ior__(self, values: Any) -> Group:  # type: ignore[override, misc]
        self.update(values)
        return self

    def _fixed(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("param_groups: the keys of a group are fixed; only values can be assigned")

    __delitem__ = pop = popitem = clear = _fixed

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value; a name that is not there is an error, as in assignment."""
        if name not in self:
            self.update({name: default})
        return self[name]

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __deepcopy__(self, memo: Any) -> Any:
        from copy import deepcopy

        return deepcopy(dict(self), memo)
