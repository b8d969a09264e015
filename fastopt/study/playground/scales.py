"""Scales of sliders: from a slider's place to a hyperparameter's value and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from fastopt.hyperparameters import Interval

Kind = Literal["linear", "log", "decay", "whole"]

#: How far from its default a value on a logarithmic scale can be moved, in decades.
DECADES = 4
#: What a logarithmic scale reaches where the default, 0, does not say it.
SMALLEST, LARGEST = -8.0, 0.0
#: Decays are shown as 1 - 10^-place: 0.9, 0.99 and 0.999 lie equally far apart.
NINES = 5.0
#: JavaScript that writes a number of steps, whose logarithm is the place.
COUNT = "return String(Math.round(10 ** tick))"


@dataclass(frozen=True)
class Scale:
    """The places from `start` to `end` of a slider, and the values they stand for.

    Parameters
    ----------
    kind : {"linear", "log", "decay", "whole"}
        The value is place, 10^place, 1 - 10^-place, or the whole number place.
    start, end, step : float
        Places.
    floor : float or None, optional
        What the first place stands for where it is not the formula's value: 0, or None for "the default".
    floored : bool
        Whether it does.
    """

    kind: Kind
    start: float
    end: float
    step: float
    floor: float | None = None
    floored: bool = False

    def value(self, place: float) -> Any:
        """The value at a place, in as many digits as the step needs.

        Examples
        --------
        >>> from fastopt.study.playground.scales import Scale
        >>> Scale("log", -5, 1, 0.01).value(-2.5), Scale("decay", 0, 5, 0.01).value(3)
        (0.00316, 0.999)
        """
        if self.floored and place <= self.start + self.step / 2:
            return self.floor
        if self.kind == "whole":
            return round(place)
        if self.kind == "log":
            return float(f"{10**place:.3g}")
        if self.kind == "decay":
            return round(1 - float(f"{10**-place:.3g}"), 9)
        return float(f"{place:.6g}")

    def place(self, value: float | None) -> float:
        """The place of a value; the nearest one if it lies beyond an end."""
        if value is None or (self.floored and value == self.floor):
            return self.start
        if self.kind == "log":
            place = math.log10(value) if value > 0 else self.start
        elif self.kind == "decay":
            place = -math.log10(1 - value) if value < 1 else self.end
        else:
            place = float(value)
        return min(max(place, self.start), self.end)

    @property
    def words(self) -> str:
        """JavaScript that writes the value at any place, named ``tick``, as `value` gives it."""
        value = {
            "whole": "Math.round(tick)",
            "log": "Number((10 ** tick).toPrecision(3))",
            "decay": "Number((1 - Number((10 ** -tick).toPrecision(3))).toFixed(9))",
        }.get(self.kind, "Number(tick.toPrecision(6))")
        least = "None" if self.floor is None else f"{self.floor:g}"
        low = f"tick <= {self.start + self.step / 2!r} ? '{least}' : " if self.floored else ""
        return f"return {low}String({value})"

    @property
    def ticks(self) -> str:
        """JavaScript that formats a place, named ``tick``, as its value; whole places where these are small powers."""
        return {
            "log": "return tick < -2.5 ? `1e${Math.round(tick)}` : Number((10 ** tick).toPrecision(3)).toString()",
            "decay": "return Number((1 - 10 ** -tick).toPrecision(6)).toString()",
        }.get(self.kind, "return Number(tick.toPrecision(6)).toString()")


def scale_of(name: str, default: Any, interval: Interval) -> Scale:
    """The scale for a number: from what it may be, and from its default where that leaves it open.

    Examples
    --------
    >>> from fastopt.hyperparameters import DECAY, NONNEGATIVE
    >>> from fastopt.study.playground.scales import scale_of
    >>> scale_of("lr", 0.001, NONNEGATIVE).kind, scale_of("betas", 0.9, DECAY).kind
    ('log', 'decay')
    """
    low, high = interval.low, interval.high
    optional = default is None
    known = 0.0 if optional else float(default)
    if interval.whole:
        top = high - interval.below if math.isfinite(high) else max(4 * known, low + 10)
        return Scale("whole", low, top, 1.0)
    if name.endswith("_steps"):
        return Scale("whole", low, max(4 * known, 200.0), 1.0)
    if _is_decay(name, known, interval):
        first = 0.01 * interval.above
        return Scale("decay", first, NINES, 0.01, None if optional else 0.0, not interval.above)
    if _is_log(name, known, interval):
        middle = math.log10(known) if known > 0 else None
        start = SMALLEST if middle is None else math.floor(middle) - DECADES
        end = LARGEST if middle is None else math.ceil(middle) + DECADES
        if name == "lr":
            start, end = max(start, -6.0), min(max(end, 0.0), 2.0)
        if high == 1:
            end = -0.01 * interval.below
        floored = optional or (0.0 in interval)
        return Scale("log", start - 0.01 * floored, end, 0.01, None if optional else 0.0, floored)
    reach = max(1.0, 2 * abs(known))
    step = 0.01
    start = low + step * interval.above if math.isfinite(low) else min(known - reach, -reach)
    end = high - step * interval.below if math.isfinite(high) else max(known + reach, start + 2.0)
    if math.isfinite(low) and not math.isfinite(high):
        end = max(2 * known, low + 2.0)
    if math.isfinite(high) and not math.isfinite(low):
        start = min(2 * known, high - 2.0)
    return Scale("linear", start, end, step, None, optional)


def _is_decay(name: str, default: float, interval: Interval) -> bool:
    """Fractions near 1, and momenta: what counts is their distance from 1."""
    if interval.low < 0 or interval.high < 1:
        return False
    fraction = interval.high == 1
    return name == "momentum" or 0.5 < default < 1 or (fraction and default == 0)


def _is_log(name: str, default: float, interval: Interval) -> bool:
    """Small or large numbers without an upper end, small fractions; learning rates always."""
    if interval.high == 1 and 0 < default < 0.1:
        return True
    if interval.high != math.inf or interval.low > 0:
        return False
    if interval.low == 0 and (name == "lr" or default == 0):
        return True
    return 0 < default < 0.5 or default >= 10
