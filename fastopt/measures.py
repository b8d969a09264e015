"""What a rule must know of a tensor, all tensors, or the lines of a matrix, before it can update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SCOPES = ("tensor", "all", "lines")
REDUCTIONS = ("sum", "max")


@dataclass(frozen=True)
class Measure:
    """A stage of a step: numbers of every element, reduced before the rule updates.

    Parameters
    ----------
    function : callable
        ``function(c, p, g, s) -> (a, ...)`` for one element: what is to be reduced. It sees what `Optimizer.update`
        sees and changes nothing.
    scope : str
        ``"tensor"``: a total for each tensor. ``"all"``: one over all tensors that have a gradient.
        ``"lines"``: one for every row and every column of each matrix, for slots of those shapes.
    results : tuple of str
        Names of the totals, for the scopes "tensor" and "all": float64 fields of the header row that
        `coefficients` and `advance` read; 0 until they are measured.
    reduce : str
        ``"sum"``, or ``"max"`` of numbers that are not negative.
    into : str, optional
        A slot that the first of the function's numbers is written to instead of being reduced, for the scopes
        "tensor" and "all". Such a slot is scratch: later stages and `update` see it, but it is neither shown nor saved.
    whole : callable, optional
        ``whole(h, x, room)`` in Python, after a stage of the scope "tensor": it changes x in place, the slot `into` of one
        tensor as an array shaped like the parameter. ``h`` is the tensor's header row, with the totals;
        ``room(name, shape, dtype, order)``, or ``room.like(name, x)``, lends an array for intermediate results. ``room.xp`` is
        the library of all these arrays: NumPy, and on a CUDA device CuPy or PyTorch, where totals are arrays without dimensions.

    Notes
    -----
    Stages run in the order of `Optimizer.measures`, each with the coefficients that follow from the totals before it.
    Sums run over fixed blocks in a fixed order: the same bits for any number of threads.

    Examples
    --------
    Gradient descent with a gradient of length 1 for each tensor:

    >>> from fastopt.scalar import sqrt
    >>> class UnitGD(fastopt.Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, lr=lr)
    ...     @staticmethod
    ...     def squares(c, p, g, s):
    ...         return (g * g,)
    ...     measures = (fastopt.Measure(squares, scope="tensor", results=("grad_sq",)),)
    ...     @staticmethod
    ...     def coefficients(h, t):
    ...         return (h["lr"] / sqrt(h["grad_sq"]) if h["grad_sq"] > 0 else 0.0,)
    ...     @staticmethod
    ...     def update(c, p, g, s):
    ...         (rate,) = c
    ...         return p - rate * g, s
    >>> w = np.zeros(2)
    >>> info = UnitGD(w, lr=0.5).step(np.array([3.0, 4.0]))
    >>> w
    array([-0.3, -0.4])
    """

    function: Callable[..., Any]
    scope: str
    results: tuple[str, ...] = ()
    reduce: str = "sum"
    into: str = ""
    whole: Callable[..., None] | None = None

    def __post_init__(self) -> None:
        for name in ("function", "whole"):
            function = getattr(self, name)
            if isinstance(function, staticmethod):
                object.__setattr__(self, name, function.__func__)
        if self.scope not in SCOPES:
            raise ValueError(
                f"Measure: scope is {self.scope!r}; expected one of {', '.join(map(repr, SCOPES))}"
            )
        if self.reduce not in REDUCTIONS:
            raise ValueError(f"Measure: reduce is {self.reduce!r}; expected 'sum' or 'max'")
        object.__setattr__(self, "results", tuple(self.results))
        if bool(self.results) != (self.scope != "lines"):
            raise ValueError(
                f"Measure: results is {self.results!r}; expected names of the totals for the scopes "
                "'tensor' and 'all', none for 'lines'"
            )
        if self.into and self.scope == "lines":
            raise ValueError(
                f"Measure: into is {self.into!r}; expected none with the scope 'lines'"
            )
        if self.whole is not None and not (self.into and self.scope == "tensor"):
            raise ValueError(
                f"Measure: whole is {self.whole!r} with scope {self.scope!r} and into {self.into!r}; "
                "expected the scope 'tensor' and a slot"
            )

    def count(self, coefficients: int, slots: int) -> int:
        """How many numbers the function gives."""
        return len(self._try(coefficients, dict.fromkeys(_inputs(slots), 1.0)))

    def reads(self, coefficients: int, slots: int) -> frozenset[str]:
        """Which of ``p``, ``g``, ``s0``, ``s1``, ... the function depends on.

        Found by giving it a NaN in the place of each: what it does not read need not be asked of memory.
        """
        names = _inputs(slots)
        plain = dict(zip(names, np.linspace(1.0, 2.0, len(names)), strict=True))

        def result(**changed: float) -> bytes:
            return np.array(self._try(coefficients, {**plain, **changed}), float).tobytes()

        return frozenset(
            name
            for name in names
            if any(result(**{name: v}) != result() for v in (float("nan"), -plain[name]))
        )

    def _try(self, coefficients: int, x: dict[str, float]) -> tuple[Any, ...]:
        c = tuple(np.linspace(0.5, 0.9, coefficients))
        numbers = {name: np.float64(value) for name, value in x.items()}
        slots = tuple(v for name, v in numbers.items() if name not in ("p", "g"))
        with np.errstate(all="ignore"):
            result = self.function(c, numbers["p"], numbers["g"], slots)
        wanted = len(self.results) + bool(self.into)
        if not isinstance(result, tuple) or (self.results and len(result) != wanted):
            slot = f"the slot {self.into!r} and " if self.into else ""
            raise TypeError(
                f"{self.function.__name__} returns {result!r}; expected a tuple of numbers, one for {slot}each "
                f"of the results {self.results!r}"
            )
        return result


def _inputs(slots: int) -> list[str]:
    return ["p", "g", *(f"s{i}" for i in range(slots))]
