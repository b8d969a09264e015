"""A formula as a list of operations on numbers, each once: what is read becomes it, and the compiler gets it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

#: The largest power that is written as products.
LARGEST_POWER = 32
BINARY: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "pow": math.pow,
}


Operation = tuple[Any, ...]


class Program:
    """Operations on x, y and numbers, each written once.

    Attributes
    ----------
    operations : list of tuple
        ``("number", 1.5)``, ``("x",)``, ``("+", i, j)``, ``("sin", i)``: i and j are places in this list, and
        stand before.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._places: dict[Operation, int] = {}

    def add(self, *operation: Any) -> int:
        """The place of an operation; of numbers alone, that of the resulting number."""
        name, *operands = operation
        if name != "number" and operands:
            numbers = [self.number(i) for i in operands]
            if None not in numbers:
                operation = ("number", _folded(name, numbers))
        if operation not in self._places:
            self._places[operation] = len(self.operations)
            self.operations.append(operation)
        return self._places[operation]

    def number(self, place: int) -> float | None:
        """The number at a place, None if something else is there."""
        name, *operands = self.operations[place]
        return operands[0] if name == "number" else None

    def power(self, base: int, exponent: int) -> int:
        """Base to a power: whole ones by products, halves by roots."""
        n = self.number(exponent)
        if n is None or (2 * n) % 1 != 0 or abs(n) > 2 * LARGEST_POWER:
            return self.add("pow", base, exponent)
        whole, factors = int(abs(n)), []
        square = base
        while whole:
            if whole & 1:
                factors.append(square)
            whole >>= 1
            if whole:
                square = self.add("*", square, square)
        if n % 1 != 0:
            factors.append(self.add("sqrt", base))
        if not factors:
            return self.add("number", 1.0)
        result = factors[0]
        for factor in factors[1:]:
            result = self.add("*", result, factor)
        return result if n > 0 else self.add("/", self.add("number", 1.0), result)

    def lines(self, results: Sequence[int]) -> tuple[list[str], dict[str, float]]:
        """The body of a function of x and y that returns the results, and the numbers that it names."""
        needed = set(results)
        for place in reversed(range(len(self.operations))):
            name, *operands = self.operations[place]
            if place in needed and name != "number":
                needed.update(operands)
        found, numbers = [], {}
        for place in sorted(needed):
            name, *operands = self.operations[place]
            own = [f"v{i}" for i in operands] if name != "number" else []
            if name == "number":
                numbers[f"v{place}"] = operands[0]
            elif name in ("x", "y"):
                found.append(f"v{place} = {name}")
            elif name in ("+", "-", "*", "/") and len(own) == 2:
                found.append(f"v{place} = {own[0]} {name} {own[1]}")
            elif name == "-":
                found.append(f"v{place} = -{own[0]}")
            else:
                found.append(f"v{place} = {name}({', '.join(own)})")
        found.append("return " + ", ".join(f"v{i}" for i in results))
        return found, numbers


def _folded(name: str, numbers: Sequence[Any]) -> float:
    try:
        if len(numbers) == 2:
            value = BINARY[name](*numbers)
        elif name == "-":
            value = -numbers[0]
        elif name == "abs":
            value = abs(numbers[0])
        elif name == "sign":
            value = math.copysign(1.0, numbers[0]) if numbers[0] else 0.0
        else:
            value = getattr(math, name)(numbers[0])
    except (ArithmeticError, ValueError) as error:
        shown = ", ".join(f"{v:g}" for v in numbers)
        raise ValueError(f"{name} of {shown} is no finite number") from error
    if not math.isfinite(value):
        shown = ", ".join(f"{v:g}" for v in numbers)
        raise ValueError(f"{name} of {shown} is no finite number")
    return float(value)
