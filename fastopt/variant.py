"""A variant: what one compiled kernel is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastopt.measures import Measure
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
    coefficients, update, advance, moves, folds, measures
        See `fastopt.Optimizer`.
    slots : tuple of str
        All slots, in the order in which `update` sees them.
    lines : tuple of (combine, seen) or None
        For each slot that has a number per row or column, how it is renewed and seen.
    running, shared : tuple of str
        Header fields that `advance` renews; those of them that are the same for all tensors.
    """

    name: str
    header: np.dtype[Any]
    slots: tuple[str, ...]
    coefficients: Callable[..., Any]
    update: Callable[..., Any]
    advance: Callable[..., Any] | None
    running: tuple[str, ...]
    moves: tuple[tuple[str, Callable[..., Any]], ...] = ()
    folds: tuple[tuple[str, Callable[..., Any]], ...] = ()
    measures: tuple[Measure, ...] = ()
    lines: tuple[tuple[Callable[..., Any], Callable[..., Any] | None] | None, ...] = ()
    shared: tuple[str, ...] = ()

    def functions(self) -> list[Callable[..., Any]]:
        """Everything that belongs into the digest of a kernel."""
        optional = [
            self.advance,
            *(function for _, function in (*self.moves, *self.folds)),
            *(measure.function for measure in self.measures),
            *(f for line in self.lines if line is not None for f in line),
        ]
        return [self.coefficients, self.update, *(f for f in optional if f is not None)]

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
    def filled(self) -> frozenset[str]:
        """The slots that a stage fills anew in every step: scratch, not state."""
        return frozenset(measure.into for measure in self.measures if measure.into)

    @property
    def label(self) -> str:
        """The class as messages name it."""
        return self.name.partition("-")[0]


# What a step may be asked for that changes its loop.
CLIP_VALUE, ZERO_GRADS, MONITOR, PROPOSE = "clip_value", "zero_grads", "monitor", "propose"

#: Each unit's gradient is multiplied by a gain of its own: see fastopt/unit_gains.py.
CLIP_ADAPTIVE = "clip_adaptive"

#: Tiles are rows anywhere in the tensors, and those to come are asked for by the driver, not by the loop.
ROWS = "rows"

#: The factor of the gradient is too small a number for its dtype, and multiplied in two parts.
TWO_FACTORS = "two_factors"

#: Elements that a loop goes through at once, and accumulators that its sums have (fastopt/drivers/tile.py).
BLOCK = 128

#: First columns of a row of coefficients: what multiplies the gradient, the limit it is clamped to, the bounds of
#: parameters, what a new parameter weighs in their average, a second factor. The rule's own follow.
FACTOR, LIMIT, LOW, HIGH, FRESH, SECOND, LEADING = range(7)

# How a slot lies over a tensor's memory, seen as a batch of matrices: a number per element, or per line.
ELEMENT, MEMORY_ROW, MEMORY_COLUMN = "element", "row", "column"

#: Slots without memory: what the rule reads for them is computed in the loop.
VIRTUAL = NORMAL, SWITCH = "normal", "switch"

#: Address columns of a slot with a number per line: before the step, renewed, and as `update` sees it.
BEFORE_STEP, RENEWED, SEEN = range(3)


class Part(NamedTuple):
    """An array, or several columns of one, that a loop walks over.

    Attributes
    ----------
    name : str
        ``p`` the parameter, ``s0``, ``s1``, ... the slots by number, ``e`` the average of parameters.
    column : int
        The first of its columns in the table of addresses.
    """

    name: str
    storage: Storage
    column: int
    over: str = ELEMENT

    @property
    def columns(self) -> int:
        """How many columns of addresses it has."""
        return len(self.storage.columns) if self.over == ELEMENT else 3


@dataclass(frozen=True)
class Variant:
    """A rule over given storages; a slot whose storage is None is absent.

    The formula reads an absent slot as 0, and what it gives back for it is dropped: so momentum 0
    or no AMSGrad need no formula of their own and move fewer bytes.

    Attributes
    ----------
    over : tuple of str
        How each slot lies over the tensor; of those without memory, what stands for them.
    average : Storage or None
        That of the average of parameters, if there is one.
    bounded : bool
        Whether parameters are projected onto a box.
    options : frozenset of str
        What this step is asked for, of those options that change the loop.
    """

    rule: Rule
    parameter: Storage
    gradient: Storage
    slots: tuple[Storage | None, ...]
    over: tuple[str, ...]
    average: Storage | None = None
    bounded: bool = False
    options: frozenset[str] = frozenset()

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the kernel computes in."""
        return self.parameter.dtype

    @property
    def name(self) -> str:
        """A stable name for files and messages."""
        kept = [
            over if over in VIRTUAL else "none" if storage is None else storage.name
            for storage, over in zip(self.slots, self.over, strict=True)
        ]
        parts = [self.rule.name, self.parameter.name, *kept]
        if self.has_lines:
            parts.append("".join(over[0] for over in self.over))
        parts += [f"average_{self.average.name}"] if self.average else []
        return "-".join([*parts, *(["bounded"] if self.bounded else []), *sorted(self.options)])

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parameter, slots and average, those that are present."""
        found = [Part("p", self.parameter, 0)]
        present = [
            (f"s{i}", storage, over)
            for i, (storage, over) in enumerate(zip(self.slots, self.over, strict=True))
            if storage is not None
        ]
        present += [] if self.average is None else [("e", self.average, ELEMENT)]
        for name, storage, over in present:
            found.append(Part(name, storage, found[-1].column + found[-1].columns, over))
        return tuple(found)

    @property
    def has_lines(self) -> bool:
        """Whether a slot has a number per row or column."""
        return any(part.over != ELEMENT for part in self.parts)

    @property
    def columns(self) -> int:
        """Columns of addresses; with lines, two more for height and width of the matrices."""
        last = self.parts[-1]
        return last.column + last.columns + (2 if self.has_lines else 0)

    @property
    def arrays(self) -> int:
        """Arrays in a tile's loop: the parts, and the gradient."""
        return 1 + len(self.parts)

    @property
    def draws(self) -> bool:
        """Whether the rule sees noise."""
        return NORMAL in self.over

    @property
    def keys(self) -> int:
        """The column of coefficients where the key of the noise begins."""
        return LEADING + self.rule.count_coefficients()

    @property
    def unit_columns(self) -> range:
        """Address columns behind all others, with `CLIP_ADAPTIVE`: where a tensor's gains are, and how its units lie."""
        return range(self.columns, self.columns + 3 * (CLIP_ADAPTIVE in self.options))

    @property
    def address_columns(self) -> int:
        """Columns of addresses, with those of units."""
        return self.columns + len(self.unit_columns)

    @property
    def scratch(self) -> bool:
        """Whether any tile must be unpacked into scratch memory."""
        return self.gradient.scratch or any(part.storage.scratch for part in self.parts)

    @property
    def block(self) -> int:
        """Tiles must be multiples of this many elements."""
        return max(self.gradient.block, *(part.storage.block for part in self.parts))

    @property
    def stages(self) -> int:
        """Stages of sums before the update; over touched rows there are none, whose sums are taken on the way."""
        return 0 if ROWS in self.options else len(self.rule.measures)

    @property
    def results(self) -> int:
        """Numbers per tile that the sums of its stages need at most."""
        return max((len(m.results) for m in self.rule.measures), default=0)

    def reads(self, stage: int) -> frozenset[str]:
        """The names of the parts, and ``g``, that a stage depends on."""
        measure = self.rule.measures[stage]
        return measure.reads(self.rule.count_coefficients(), len(self.rule.slots))

    def line_numbers(self) -> int:
        """How many numbers are measured for each row and column."""
        sizes = self.rule.count_coefficients(), len(self.rule.slots)
        found = [m.count(*sizes) for m in self.rule.measures if m.scope == "lines"]
        return found[0] if found and self.has_lines else 0

    def bytes_per_element(self) -> float:
        """Bytes a step moves: parts read and written, the gradient read, what stages read again."""
        own = {p.name: p.storage.bytes_per_element() for p in self.parts if p.over == ELEMENT}
        own["g"] = self.gradient.bytes_per_element()
        again = sum(
            own.get(name, 0) for i in range(len(self.rule.measures)) for name in self.reads(i)
        )
        return 2 * sum(own.values()) - own["g"] + again
