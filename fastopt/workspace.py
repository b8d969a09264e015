"""What an optimizer's steps run over: header rows, slots and tables for its parameters."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastopt import gradients
from fastopt.declarations import Declarations
from fastopt.drivers import cpu, threads
from fastopt.hyperparameters import Group, Value, as_numbers
from fastopt.slots import Place, slab
from fastopt.storage import Storage, native
from fastopt.table import Table
from fastopt.variant import Variant

_NO_ARRAYS = np.zeros(0, np.int64)


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
    """

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.parameters: list[np.ndarray] = []
        self.names: list[str] = []
        self.groups: list[Group] = []
        self.members: list[range] = []
        self.slots: list[dict[str, Place]] = []
        self.header = np.zeros(0, declared.rule.header)
        self.tables: list[Table] = []
        self._calls: list[_Call] = []
        self._generation = -1
        self.forced_shares: int | None = None

    # ---- membership -----------------------------------------------------------------------------

    def add(self, group: Group, parameters: Sequence[np.ndarray], names: Sequence[str]) -> None:
        """Take in a group's parameters (checked before); `arrange` must follow."""
        rows = np.zeros(len(parameters), self.declared.rule.header)
        rows["machine_eps"] = [np.finfo(p.dtype).eps for p in parameters]
        for name, value in self.declared.running.items():
            rows[name] = value
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
        index = next(i for i, g in enumerate(self.groups) if g is group)
        own = slice(self.members[index].start, self.members[index].stop)
        rows = self.header[own].copy()
        self._write(rows, values)
        kept = set().union(*self.slots[own])
        present = self.declared.present(values)
        fresh = self._new_slots(present - kept, self.parameters[own], rows)
        dict.update(group, values)
        self.header[own] = rows
        if present != kept:
            for slots, more in zip(self.slots[own], fresh, strict=True):
                for name in kept - present:
                    del slots[name]
                slots.update(more)
            self.arrange()

    def _write(self, rows: np.ndarray, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            numbers = as_numbers(value, self.declared.choices(name))
            whole = name in (rows.dtype.names or ())
            for i, number in enumerate(numbers):
                rows[name if whole else f"{name.removesuffix('s')}{i + 1}"] = number

    def _new_slots(
        self, names: set[str], parameters: Sequence[np.ndarray], rows: np.ndarray
    ) -> list[dict[str, Place]]:
        """Slabs for these slots, by dtype, filled with their initial values."""
        slots: list[dict[str, Place]] = [{} for _ in parameters]
        for dtype in dict.fromkeys(p.dtype for p in parameters):
            chosen = [k for k, p in enumerate(parameters) if p.dtype == dtype]
            for name in names:
                places = slab(self._storage(name, dtype), [parameters[k] for k in chosen])
                initial = self.declared.slots[name].initial
                for k, place in zip(chosen, places, strict=True):
                    slots[k][name] = place
                    if initial is not None:
                        place.write(initial(rows[k], parameters[k]))
        return slots

    def _storage(self, name: str, dtype: np.dtype[Any]) -> Storage:
        return (self.declared.storage(name) or native)(dtype)

    # ---- tables ---------------------------------------------------------------------------------

    def variant(self, k: int) -> Variant:
        """The variant that updates tensor k."""
        dtype, rule = self.parameters[k].dtype, self.declared.rule
        own = self.slots[k]
        storages = tuple(own[name].storage if name in own else None for name in rule.slots)
        return Variant(rule, native(dtype), native(dtype), storages)

    def arrange(self) -> None:
        """Make the tables anew."""
        together: dict[Variant, list[int]] = {}
        for k in range(len(self.parameters)):
            together.setdefault(self.variant(k), []).append(k)
        self.tables = [self._table(variant, tensors) for variant, tensors in together.items()]
        slabs = {id(a): a for own in self.slots for place in own.values() for a in place.arrays}
        self.layout = gradients.layout(self.parameters)
        self.occupied = gradients.occupied([*self.parameters, *slabs.values()])
        self.ids = np.zeros(len(self.parameters), np.int64)
        self.gradients = np.zeros(len(self.parameters), np.int64)
        self.everyone = np.ones(len(self.parameters), np.int64)
        self._generation = -1

    def _table(self, variant: Variant, tensors: list[int]) -> Table:
        addresses = []
        for k in tensors:
            row = variant.parameter.addresses((self.parameters[k],), 0)
            for name in variant.rule.slots:
                if name in self.slots[k]:
                    row += self.slots[k][name].addresses()
            addresses.append(row)
        sizes = [self.parameters[k].size for k in tensors]
        return Table(variant, tensors, sizes, addresses, self.declared.tile)

    # ---- steps ----------------------------------------------------------------------------------

    def step(self, leaves: Sequence[Any]) -> None:
        """Check all gradients, then step every tensor that has one."""
        if self._generation != threads.generation:
            self._prepare()
        ids = self.ids
        if len(leaves) == 1:
            ids[0] = id(leaves[0])
        else:
            view = memoryview(ids)  # type: ignore[arg-type]
            for k, leaf in enumerate(leaves):
                view[k] = id(leaf)
        copies: list[np.ndarray] = []
        for call in self._calls:
            wrong = self._run(call, ids)
            while wrong >= 0:  # nothing was changed yet; Python looks at this one
                copies.append(self._accept(leaves[wrong], wrong))
                wrong = self._run(call, ids)
            ids = _NO_ARRAYS

    def _run(self, call: _Call, ids: np.ndarray) -> int:
        if call.lock is None:
            return call.kernel(ids, *call.arguments)  # type: ignore[no-any-return]
        if call.lock.acquire(blocking=False):
            try:
                return call.kernel(ids, *call.arguments)  # type: ignore[no-any-return]
            finally:
                call.lock.release()
        return self._run(self._call(call.table, 1), ids)

    def _accept(self, gradient: Any, k: int) -> np.ndarray:
        array = gradients.accept(gradient, self.parameters[k], self.names[k], self.occupied)
        self.ids[k] = gradients.LOCATED
        self.gradients[k] = array.ctypes.data
        return array

    def move(self, name: str, active: np.ndarray | None = None) -> None:
        """Apply a move of the rule's to every tensor, or those whose entry in `active` is not 0."""
        if active is None:
            active = self.everyone
        for table in self.tables:
            shares = self._shares(table)
            lock = threads.launch_lock() if shares > 1 else None
            with lock or contextlib.nullcontext():
                kernel = cpu.move(table.variant, name, cpu.driver(shares))
                kernel(
                    self.header, active, table.tensors, table.tiles, table.addresses,
                    table.coefficients, table.scratch(shares),
                )  # fmt: skip

    def _prepare(self) -> None:
        self._calls = [self._call(table, self._shares(table)) for table in self.tables]
        if len(self._calls) > 1:  # one that cannot be compiled must not find others updated
            for call in self._calls:
                call.kernel.compile(cpu.step_signature(call.table.variant))
        self._generation = threads.generation

    def _shares(self, table: Table) -> int:
        return self.forced_shares or threads.shares(table.bytes)

    def force_shares(self, shares: int | None) -> None:
        """Split every step into so many shares, whatever its size; None: as measured."""
        self.forced_shares = shares
        self._generation = -1

    def _call(self, table: Table, shares: int) -> _Call:
        arguments = (
            self.layout, self.occupied, self.gradients, self.header, table.tensors, table.tiles,
            table.addresses, table.coefficients, table.scratch(shares),
        )  # fmt: skip
        lock = threads.launch_lock() if shares > 1 else None
        return _Call(table, lock, cpu.step(table.variant, cpu.driver(shares)), arguments)


class _Call(NamedTuple):
    """A kernel with its arguments, ready to run."""

    table: Table
    lock: threading.Lock | None
    kernel: Any
    arguments: tuple[Any, ...]
