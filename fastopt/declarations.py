"""What an optimizer class declares, read once per optimizer: its rule, its slots, its hyperparameters."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.formula import Formula
from fastopt.hyperparameters import (
    ANY,
    DOMAINS,
    OPTIONS,
    Domain,
    Interval,
    Value,
    check,
    fields,
    number_at,
)  # fmt: skip
from fastopt.slots import Slot
from fastopt.storage import Storage
from fastopt.variant import NORMAL, Rule

# The leading fields of every header row, the same for all optimizers.
# machine_eps: of the parameter's dtype, for rules whose default epsilon it is.
_SHARED_FIELDS = [
    ("step", "i8"), ("lr", "f8"), ("weight_decay", "f8"), ("maximize", "?"), ("machine_eps", "f8"),
    ("size", "i8"), ("rows", "i8"), ("columns", "i8"),
]  # fmt: skip

#: The slot that `ema_decay` asks for, beside those that a rule declares.
AVERAGE = "ema_params"


@dataclass
class Declarations:
    """What a class declares.

    Attributes
    ----------
    optimizer : type
        The class.
    rule : Rule
        Its mathematics.
    kinds : dict
        A value of the right kind for each hyperparameter: its default where there is one.
    """

    optimizer: type[Formula]
    rule: Rule
    kinds: Mapping[str, Value]

    @property
    def slots(self) -> Mapping[str, Slot]:
        """The slots, present or not."""
        average = {AVERAGE: Slot(initial=lambda h, p: p)} if "ema_decay" in self.kinds else {}
        return {**self.optimizer.slots, **average}

    @property
    def kept(self) -> Mapping[str, Slot]:
        """The slots that are state; others are scratch."""
        return {n: slot for n, slot in self.slots.items() if n not in self.rule.filled}

    @property
    def running(self) -> Mapping[str, float]:
        """The running fields and their initial values."""
        return self.optimizer.running

    @property
    def inputs(self) -> tuple[str, ...]:
        """What steps take beside gradients."""
        return self.optimizer.inputs

    @property
    def tile(self) -> int:
        """Elements in a tile."""
        return self.optimizer.tile

    def storage(self, slot: str) -> Callable[[np.dtype[Any]], Storage] | None:
        """What makes the storage of a slot, None where it is kept as plain numbers."""
        return self.optimizer.storages.get(slot)

    def choices(self, name: str) -> tuple[str, ...]:
        """The names that a hyperparameter may be."""
        return self.optimizer.choices.get(name, ())

    def present(self, values: Mapping[str, Value], p: np.ndarray | None = None) -> set[str]:
        """The slots that a group with these hyperparameters keeps; with p, for that parameter."""
        kept = {name: slot for name, slot in self.slots.items() if slot.present(values)}
        return {n for n, slot in kept.items() if p is None or slot.like(p) is not None}

    def domain(self, name: str) -> Domain:
        """The values that a hyperparameter may take."""
        return self.optimizer.domains.get(name, DOMAINS.get(name, ANY))

    def interval(self, name: str, i: int) -> Interval:
        """The values that the i-th number of a hyperparameter may take."""
        domain = self.domain(name)
        return domain[i] if isinstance(domain, tuple) else domain

    def check(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The hyperparameters in plain types, schedules as they are, or TypeError or ValueError with the value."""
        cls = self.optimizer
        checked = {
            name: check(
                cls.__name__, name, value, self.kinds[name], self.domain(name), self.choices(name)
            )
            for name, value in values.items()
        }
        self.validate(checked, 0)
        return checked

    def validate(self, values: Mapping[str, Value], count: int) -> dict[str, Value]:
        """The numbers that the hyperparameters are after so many steps; ValueError if they do not go together."""
        now = {name: self.at(name, value, count) for name, value in values.items()}
        low, high = now.get("bounds", (0.0, 0.0))
        if not low <= high:
            raise ValueError(
                f"{self.optimizer.__name__}: bounds is {(low, high)!r}; expected a low bound <= a high one"
            )
        self.optimizer.validate(now)
        return now

    def at(self, name: str, value: Value, count: int) -> Value:
        """A hyperparameter's number, or numbers, after so many steps."""
        if isinstance(value, bool | str):
            return value
        owner = self.optimizer.__name__
        if isinstance(value, tuple):
            return tuple(
                number_at(owner, name, v, count, self.interval(name, i))
                for i, v in enumerate(value)
            )
        return number_at(owner, name, value, count, self.interval(name, 0))


def declare(optimizer: type[Formula], values: Mapping[str, Value]) -> Declarations:
    """Read a class whose constructor passed on these hyperparameters."""
    signature = inspect.signature(optimizer.__init__).parameters
    # what has no default is a number
    defaults = {n: 0.0 if p.default is p.empty else p.default for n, p in signature.items()}
    kinds = {name: defaults.get(name, OPTIONS.get(name, value)) for name, value in values.items()}
    _refuse(optimizer, kinds)
    shared = {name for name, _ in _SHARED_FIELDS}
    layout = list(_SHARED_FIELDS)
    for name, kind in kinds.items():
        layout += [field for field in fields(name, kind) if field[0] not in shared]
    layout += [(name, "f8") for name in (*optimizer.running, *optimizer.inputs)]
    layout += [(name, "f8") for measure in optimizer.measures for name in measure.results]
    rule = Rule(
        name=_unique_name(optimizer),
        header=np.dtype(layout, align=True),
        slots=tuple(optimizer.slots),
        coefficients=optimizer.coefficients,
        update=optimizer.update,
        advance=optimizer.advance,
        running=tuple(optimizer.running),
        moves=tuple((name, _plain(move)) for name, move in optimizer.moves.items()),
        folds=tuple((name, _plain(fold)) for name, fold in optimizer.folds.items()),
        measures=tuple(optimizer.measures),
        lines=tuple(
            (slot.combine, slot.seen) if slot.combine is not None else None
            for slot in optimizer.slots.values()
        ),
        shared=tuple(optimizer.shared),
    )
    return Declarations(optimizer, rule, kinds)


def _refuse(optimizer: type[Formula], kinds: Mapping[str, Value]) -> None:
    results = [name for measure in optimizer.measures for name in measure.results]
    own = [name for name in kinds if name not in OPTIONS]
    declared = [*own, *optimizer.slots, *optimizer.running, *optimizer.inputs, *results]
    taken = [
        "step", "machine_eps", "size", "rows", "columns", "params", "param_names", "schedules",
        AVERAGE, *OPTIONS,
    ]  # fmt: skip
    for name in taken:
        if name in declared:
            raise TypeError(f"{optimizer.__name__}: {name!r} is reserved; give it another name")
    if "seed" not in kinds and any(slot.shape == NORMAL for slot in optimizer.slots.values()):
        raise TypeError(
            f"{optimizer.__name__}: a slot has the shape 'normal'; expected a hyperparameter seed, a number"
        )
    if sum(measure.scope == "lines" for measure in optimizer.measures) > 1:
        raise TypeError(
            f"{optimizer.__name__}: measures has two stages over lines; expected one at most"
        )
    for measure in optimizer.measures:
        if measure.into and optimizer.slots.get(measure.into) != Slot():
            raise TypeError(
                f"{optimizer.__name__}: a measure writes into {measure.into!r}; expected the name of a plain Slot()"
            )
        if measure.whole is not None and "jit_step" in optimizer.supports:
            raise TypeError(
                f"{optimizer.__name__}: a measure calls Python, which jit_step cannot; take it out of supports"
            )


def _plain(function: Any) -> Callable[..., Any]:
    """The function in a staticmethod, or the function itself."""
    return getattr(function, "__func__", function)  # type: ignore[no-any-return]


def _unique_name(cls: type) -> str:
    """A name for files: two scripts' classes of the same name must not share cached kernels."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if not cls.__module__.startswith("fastopt."):
        where = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        name += "-" + hashlib.sha256(where.encode()).hexdigest()[:8]
    return re.sub(r"[^\w.-]", "_", name)
