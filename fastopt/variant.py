"""A variant: what one compiled kernel is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.storage import Storage


@dataclass(frozen=True)
class Rule:
    """An optimizer's mathematics: the functions of its class, without the class.

    Attributes
    ----------
    name : str
        Module and name of the class.
    header : numpy.dtype
        The fields of a tensor's header row.
    coefficients, update, advance, moves
        See `fastopt.Optimizer`.
    slots : tuple of str
        All slots, in the order in which `update` sees them.
    running : tuple of str
        Header fields that `advance` renews.
    """

    name: str
    header: np.dtype[Any]
    slots: tuple[str, ...]
    coefficients: Callable[..., Any]
    update: Callable[..., Any]
    advance: Callable[..., Any] | None
    running: tuple[str, ...]
    moves: tuple[tuple[str, Callable[..., Any]], ...]

    def functions(self) -> list[Callable[..., Any]]:
        """Everything that belongs into the digest of a kernel."""
        optional = [] if self.advance is None else [self.advance]
        return [self.coefficients, self.update, *optional, *(move for _, move in self.moves)]

    def count_coefficients(self) -> int:
        """How many numbers `coefficients` returns."""
        row = np.ones(1, self.header)[0]
        with np.errstate(all="ignore"):
            numbers = self.coefficients(row, 1)
        if not isinstance(numbers, tuple):
            raise TypeError(
                f"{self.label}.coefficients returns {numbers!r}; expected a tuple of numbers"
            )
        return len(numbers)

    @property
    def label(self) -> str:
        """The class as messages name it."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Variant:
    """A rule over given storages; a slot whose storage is None is absent.

    The formula reads an absent slot as 0, and what it gives back for it is dropped: so momentum 0
    or no AMSGrad need no formula of their own and move fewer bytes.
    """

    rule: Rule
    parameter: Storage
    gradient: Storage
    slots: tuple[Storage | None, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the kernel computes in."""
        return self.parameter.dtype

    @property
    def name(self) -> str:
        """A stable name for files and messages."""
        storages = [self.parameter, *(s for s in self.slots)]
        return "-".join([self.rule.name, *("none" if s is None else s.name for s in storages)])

    @property
    def arrays(self) -> int:
        """Arrays in a tile's loop: parameter, gradient, and every slot that is present."""
        return 2 + sum(s is not None for s in self.slots)

    @property
    def columns(self) -> int:
        """Address columns: the parameter's and those of the slots that are present."""
        return sum(len(s.columns) for s in [self.parameter, *self.slots] if s is not None)

    @property
    def scratch(self) -> bool:
        """Whether any tile must be unpacked into scratch memory."""
        return any(s.scratch for s in [self.parameter, self.gradient, *self.slots] if s is not None)

    @property
    def block(self) -> int:
        """Tiles must be multiples of this many elements."""
        return max(s.block for s in [self.parameter, self.gradient, *self.slots] if s is not None)

    def bytes_per_element(self) -> float:
        """Bytes a step moves: parameter and slots read and written, gradient read."""
        kept = [self.parameter, *(s for s in self.slots if s is not None)]
        return 2 * sum(s.bytes_per_element() for s in kept) + self.gradient.bytes_per_element()
