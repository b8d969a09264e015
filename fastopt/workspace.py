"""What an optimizer's steps run over: header rows, slots and tables for its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastopt import gradients
from fastopt.declarations import AVERAGE, Declarations
from fastopt.drivers import cpu
from fastopt.hyperparameters import Group, Value, as_numbers, field_names
from fastopt.scheduled import Scheduled
from fastopt.slots import Place, Slot, slab, with_lines
from fastopt.storage import Storage, count_reals, native, real_dtype
from fastopt.strips import memory_matrices
from fastopt.table import Table
from fastopt.variant import ELEMENT, Variant


class Workspace:
    """Tensors with their header rows, slots and tables.

    Attributes
    ----------
    parameters, names : list
        The arrays and their paths, in the order of positions.
    header : structured array (tensors,)
        The header rows.
    slots : list of dict
        Slot name to `Place`, per tensor.
    counters : int64 (2,)
        Steps taken, and skipped.
    gradients, ids, gains : arrays (tensors, ...)
        Where gradients lie, what Python gave, and what multiplies and limits them.
    """

    on_device = False

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.parameters: list[np.ndarray] = []
        self.names: list[str] = []
        self.groups: list[Group] = []
        self.members: list[range] = []
        self.slots: list[dict[str, Place]] = []
        self.header = np.zeros(0, declared.rule.header)
        self.tables: list[Table] = []
        self.counters = np.zeros(2, np.int64)
        self.row_steps: dict[int, np.ndarray] = {}  # of rows that are stepped by themselves
        self.count = memoryview(self.counters)  # type: ignore[arg-type]
        self.scheduled = Scheduled(declared, [], [], np.zeros((0, 1)))

    # ---- membership -----------------------------------------------------------------------------

    def add(self, group: Group, parameters: Sequence[np.ndarray], names: Sequence[str]) -> None:
        """Take in a group's parameters (checked before); `arrange` must follow."""
        rows = np.zeros(len(parameters), self.declared.rule.header)
        rows["machine_eps"] = [np.finfo(p.dtype).eps for p in parameters]
        for name, value in self.declared.running.items():
            rows[name] = value
            if name in self.declared.rule.shared and len(self.header):
                rows[name] = self.header[name][0]
        for row, p in zip(rows, parameters, strict=True):
            row["size"] = count_reals(p)
            if p.ndim > 1:
                row["rows"], row["columns"] = p.shape[-2:]
        self._write(rows, group.hyperparameters())
        slots = self._new_slots(self.declared.present(group), parameters, rows)
        first = len(self.parameters)
        self.parameters += parameters
        self.names += names
        self.groups.append(group)
        self.members.append(range(first, len(self.parameters)))
        self.slots += slots
        self.header = np.concatenate([self.header, rows])

    def assign(self, group: Group, values: Mapping[str, Value]) -> None:
        """Let a group have hyperparameters (checked before): header rows, and slots that come or go."""
        self.declared.validate(values, self.steps_taken)
        index = next(i for i, g in enumerate(self.groups) if g is group)
        own = slice(self.members[index].start, self.members[index].stop)
        rows = self.settings[own].copy()
        self._write(rows, values)
        kept = self.declared.present(group)
        present = self.declared.present(values)
        fresh = self._new_slots(present - kept, self.parameters[own], rows)
        dict.update(group, values)
        self.settings[own] = rows
        if present != kept:
            for slots, more in zip(self.slots[own], fresh, strict=True):
                for name in kept - present:
                    slots.pop(name, None)
                slots.update(more)
            self.arrange()
        else:
            self._follow_schedules()

    def count_with(self, other: Workspace) -> None:
        """Let steps be counted with another workspace's."""
        self.counters, self.count = other.counters, other.count

    def counts_rows(self, k: int) -> bool:
        """Whether rows of parameter k have step counts of their own when they are stepped by themselves."""
        if k in self.row_steps:
            return True
        asked = self.declared.optimizer.first_step
        if not isinstance(asked, str):
            return asked
        (group,) = (g for g, own in zip(self.groups, self.members, strict=True) if k in own)
        return bool(group[asked])

    def keep_row_steps(self, k: int, counts: np.ndarray | None) -> None:
        """Let the rows of parameter k have these step counts of their own, or none."""
        if counts is None:
            self.row_steps.pop(k, None)
        else:
            self.row_steps[k] = counts
        self._note_what_follows()

    @property
    def settings(self) -> np.ndarray:
        """The header rows, of which only hyperparameters are sure to be up to date."""
        return self.header

    @property
    def steps_taken(self) -> int:
        """Steps so far, without those skipped."""
        return int(self.counters[0])

    def _write(self, rows: np.ndarray, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            now = self.declared.at(name, value, self.steps_taken)
            numbers = as_numbers(now, self.declared.choices(name))
            for field, number in zip(field_names(rows.dtype, name, numbers), numbers, strict=True):
                rows[field] = number

    def _new_slots(
        self, names: set[str], parameters: Sequence[np.ndarray], rows: np.ndarray
    ) -> list[dict[str, Place]]:
        """Slabs for these slots, by dtype, filled with their initial values."""
        slots: list[dict[str, Place]] = [{} for _ in parameters]
        for dtype in dict.fromkeys(p.dtype for p in parameters):
            for name in names:
                slot = self.declared.slots[name]
                shaped = {k: slot.like(p) for k, p in enumerate(parameters) if p.dtype == dtype}
                likes = {k: like for k, like in shaped.items() if like is not None}
                places = self._slab(self._storage(name, dtype), list(likes.values()))
                for k, place in zip(likes, places, strict=True):
                    slots[k][name] = self._with_lines(place, slot) if slot.of_lines else place
                    if slot.initial is not None:
                        slots[k][name].write(self.start(slot, rows[k], parameters[k]))
        return slots

    def start(self, slot: Slot, h: Any, p: Any) -> Any:
        """What a slot holds before the first step, of a parameter with this header row."""
        return 0 if slot.initial is None else slot.initial(h, p)

    def _slab(self, storage: Storage, likes: Sequence[np.ndarray]) -> list[Place]:
        return slab(storage, likes)

    def _storage(self, name: str, dtype: np.dtype[Any]) -> Storage:
        return (self.declared.storage(name) or native)(real_dtype(dtype))

    def _with_lines(self, place: Place, slot: Slot) -> Place:
        return with_lines(place, slot)

    # ---- tables ---------------------------------------------------------------------------------

    def variant(self, k: int) -> Variant:
        """The variant that updates tensor k."""
        p, declared, own = self.parameters[k], self.declared, self.slots[k]
        (group,) = (g for g, m in zip(self.groups, self.members, strict=True) if k in m)
        present = declared.present(group)
        plain = native(real_dtype(p.dtype))
        names = declared.rule.slots
        return Variant(
            declared.rule,
            plain,
            plain,
            tuple(own[name].storage if name in own else None for name in names),
            tuple(declared.slots[name].over(p) if name in present else ELEMENT for name in names),
            own[AVERAGE].storage if AVERAGE in own else None,
            "bounds" in declared.kinds,
        )

    def arrange(self) -> None:
        """Make the tables anew."""
        together: dict[Variant, list[int]] = {}
        for k in range(len(self.parameters)):
            together.setdefault(self.variant(k), []).append(k)
        self.tables = [self._table(variant, tensors) for variant, tensors in together.items()]
        slabs = {id(a): a for own in self.slots for place in own.values() for a in place.arrays}
        count, results = len(self.parameters), [m.results for m in self.declared.rule.measures]
        self.layout = gradients.layout(self.parameters)
        self.occupied = gradients.occupied([*self.parameters, *slabs.values()])
        self.ids, self.gradients, self.outs = np.zeros((3, count), np.int64)
        self.gains = np.tile([1.0, np.inf], (count, 1))
        self.totals = np.zeros((count, max(1, sum(map(len, results)))))
        self.norms = np.zeros((count, 1))
        self.everyone = np.ones(count, np.int64)
        self.words = self.header.view(np.float64).reshape(count, self.header.itemsize // 8)
        self._follow_schedules()
        self.arrangement = object()

    def settle(self) -> None:
        """Let what was written be there for whoever steps next, on whichever stream: in host memory it is."""

    def follow(self) -> None:
        """Let scheduled hyperparameters be what their schedules say for the coming step."""
        self.scheduled.call(self.steps_taken)
        if len(self.scheduled.plan):
            cpu.apply_schedules()(self.words, self.steps_taken, self.scheduled.plan)

    def _follow_schedules(self) -> None:
        self.scheduled = Scheduled(self.declared, self.groups, self.members, self.words)
        self._note_what_follows()

    def _note_what_follows(self) -> None:
        """Whether a step must look for more than its gradients."""
        self.follows = bool(len(self.scheduled.plan) or self.scheduled.names or self.row_steps)

    def _table(self, variant: Variant, tensors: list[int]) -> Table:
        addresses = []
        for k in tensors:
            row = variant.parameter.addresses((self.parameters[k],), 0)
            for name in (*variant.rule.slots, AVERAGE):
                if name in self.slots[k]:
                    row += self.slots[k][name].addresses()
            row += memory_matrices(self.parameters[k])[1:] if variant.has_lines else ()
            addresses.append(row)
        parameters = [self.parameters[k] for k in tensors]
        return Table(variant, tensors, parameters, addresses, self.declared.tile)
