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
from fastopt.hyperparameters import ANY, DOMAINS, Value, check, fields
from fastopt.slots import Slot
from fastopt.storage import Storage
from fastopt.variant import Rule

# The leading fields of every header row, the same for all optimizers.
# machine_eps: of the parameter's dtype, for rules whose default epsilon it is.
_SHARED_FIELDS = [
    ("step", "i8"), ("lr", "f8"), ("weight_decay", "f8"), ("maximize", "?"), ("machine_eps", "f8"),
]  # fmt: skip


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
        return self.optimizer.slots

    @property
    def running(self) -> Mapping[str, float]:
        """The running fields and their initial values."""
        return self.optimizer.running

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

    def present(self, values: Mapping[str, Value]) -> set[str]:
        """The slots that a group with these hyperparameters keeps."""
        return {name for name, slot in self.slots.items() if slot.present(values)}

    def check(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The hyperparameters in plain types, or TypeError or ValueError with the value."""
        cls = self.optimizer
        checked = {
            name: check(
                cls.__name__,
                name,
                value,
                self.kinds[name],
                cls.domains.get(name, DOMAINS.get(name, ANY)),
                self.choices(name),
            )
            for name, value in values.items()
        }
        cls.validate(checked)
        return checked


def declare(optimizer: type[Formula], values: Mapping[str, Value]) -> Declarations:
    """Read a class whose constructor passed on these hyperparameters."""
    signature = inspect.signature(optimizer.__init__).parameters
    # what has no default is a number
    defaults = {n: 0.0 if p.default is p.empty else p.default for n, p in signature.items()}
    kinds = {name: defaults.get(name, value) for name, value in values.items()}
    _refuse_reserved(optimizer, kinds)
    shared = {name for name, _ in _SHARED_FIELDS}
    layout = list(_SHARED_FIELDS)
    for name, kind in kinds.items():
        layout += [field for field in fields(name, kind) if field[0] not in shared]
    layout += [(name, "f8") for name in optimizer.running]
    rule = Rule(
        name=_unique_name(optimizer),
        header=np.dtype(layout, align=True),
        slots=tuple(optimizer.slots),
        coefficients=optimizer.coefficients,
        update=optimizer.update,
        advance=optimizer.advance,
        running=tuple(optimizer.running),
        moves=tuple(optimizer.moves.items()),
    )
    return Declarations(optimizer, rule, kinds)


def _refuse_reserved(optimizer: type, kinds: Mapping[str, Value]) -> None:
    declared = [*kinds, *getattr(optimizer, "slots", ()), *getattr(optimizer, "running", ())]
    for name in ("step", "machine_eps", "params", "param_names"):
        if name in declared:
            raise TypeError(f"{optimizer.__name__}: {name!r} is reserved; give it another name")


def _unique_name(cls: type) -> str:
    """A name for files: two scripts' classes of the same name must not share cached kernels."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if not cls.__module__.startswith("fastopt."):
        where = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        name += "-" + hashlib.sha256(where.encode()).hexdigest()[:8]
    return re.sub(r"[^\w.-]", "_", name)
