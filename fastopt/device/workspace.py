"""A workspace whose parameters, slots, header rows and tables are in device memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt import gradients
from fastopt.declarations import Declarations
from fastopt.device.arrays import DeviceArray
from fastopt.device.mirror import Counters, Mirror
from fastopt.drivers.cuda import lines, runtime, slices, tensors
from fastopt.hyperparameters import Group, Value
from fastopt.slots import Place, Slot, memory_order
from fastopt.storage import Storage, count_reals
from fastopt.table import Table
from fastopt.variant import ELEMENT, Variant
from fastopt.workspace import Workspace

_START = 64  # elements: tensors of a slab start here


@dataclass
class DevicePlace(Place):
    """Where one tensor's slot lies in device memory."""

    memory: Any = None
    follows: Any = None

    def addresses(self) -> list[int]:
        """One."""
        start: int = self.memory.address + self.start * self.storage.dtype.itemsize
        return [start]

    def read(self) -> Any:
        """The slot as an array on the device."""
        order = memory_order(self.like)
        return DeviceArray(
            self.memory, self.addresses()[0], self.like.shape, self.like.dtype, order=order,
            follows=self.follows,
        )  # fmt: skip

    def write(self, values: Any) -> None:
        """Fill the slot with a real number, for both parts of complex ones, or an array."""
        if self.like.dtype.kind == "c" and np.ndim(values) == 0 and not np.iscomplexobj(values):
            values = complex(values, values)
        self.read().fill(values)


@dataclass
class DeviceLines(DevicePlace):
    """Where a slot with a number per row or column lies, with room for its next numbers and those that are seen."""

    renewed: Any = None
    seen: Any = None

    def addresses(self) -> list[int]:
        """Before the step, renewed, as the rule sees it."""
        return [*super().addresses(), self.renewed.address, self.seen.address]


class DeviceTable:
    """A table's arrays on the device, with room for its coefficients and sums."""

    def __init__(self, table: Table, device: int) -> None:
        self.variant = table.variant
        self.rows, self.count = len(table.tiles), len(table.tensors)
        self.host = table
        self.longest = int(table.tiles[:, 2].max()) if self.rows else 0
        numbers, dtype = table.variant.line_numbers(), table.variant.dtype
        sums_at, line_sums = slices.room(table.grids, numbers, dtype)
        self._held = [
            Mirror(array, device)
            for array in (
                table.tiles, table.tensors, table.addresses, tensors.spans(table.tiles, self.count),
                table.strips, table.grids, sums_at,
            )
        ]  # fmt: skip
        (
            self.tiles,
            self.tensors,
            self.addresses,
            self.spans,
            self.strips,
            self.grids,
            self.sums_at,
        ) = (mirror.address for mirror in self._held)
        self.bands, self.pieces = len(table.strips), lines.pieces(table.grids)
        self.blocks_shape = table.blocks.shape
        self._room = [
            runtime.Memory(nbytes, device)
            for nbytes in (table.coefficients.nbytes, table.blocks.nbytes, line_sums)
        ]
        self.coefficients, self.blocks, self.line_sums = (memory.address for memory in self._room)
        self.stride = table.blocks.strides[0]
        self.aligned = self._aligned(table.addresses)

    def _aligned(self, addresses: np.ndarray) -> bool:
        walked = [part.column for part in self.variant.parts if part.over == ELEMENT]
        return bool((addresses[:, walked] % 16 == 0).all())

    def of_parameters(self, places: Sequence[int], device: int) -> DeviceTable:
        """The table with other parameters than its own, at these addresses by the numbers of all tensors."""
        addresses = self.host.addresses.copy()
        addresses[:, 0] = [places[k] for k in self.host.tensors]
        made = copy.copy(self)
        made._held = [*self._held, Mirror(addresses, device)]
        made.addresses, made.aligned = made._held[-1].address, self._aligned(addresses)
        return made

    def over(self, names: Sequence[str], known: Mapping[str, int]) -> tuple[int, ...]:
        """The arguments of a kernel by name: this table's, or others that are known."""
        return tuple(known[name] if name in known else getattr(self, name) for name in names)


class DeviceWorkspace(Workspace):
    """Tensors on one device.

    Attributes
    ----------
    device : int
        Its number.
    stream : int
        That of the last step.
    """

    on_device = True

    def __init__(self, declared: Declarations, device: int) -> None:
        self.device, self.stream = device, 0
        self._header: Mirror | None = None
        self._rows = np.zeros(0, declared.rule.header)
        self._counters = Counters(device)
        self.verdict = runtime.Memory(8, device)  # of steps that nothing can skip
        self.device_tables: list[DeviceTable] = []
        super().__init__(declared)

    # ---- what both sides write ------------------------------------------------------------------

    @property
    def header(self) -> np.ndarray:
        """The header rows, as the device has them: waits for it."""
        if self._header is not None:
            self._header.pull(self.stream)
        return self._rows

    @header.setter
    def header(self, rows: np.ndarray) -> None:
        self._rows, self._header = rows, None

    @property
    def settings(self) -> np.ndarray:
        """The header rows as the host knows them: what the device renews may be older."""
        return self._rows

    @property
    def counters(self) -> np.ndarray:
        """Steps taken and skipped, as the device has counted them: waits for it."""
        self._counters.pull(self.stream)
        return self._counters.host

    @counters.setter
    def counters(self, counts: np.ndarray) -> None:
        self._counters.host[:] = counts

    def count_with(self, other: Workspace) -> None:
        """Let steps be counted with another workspace's."""
        assert isinstance(other, DeviceWorkspace)
        self._counters = other._counters

    @property
    def totals(self) -> np.ndarray:  # type: ignore[override]
        """What stages have summed of each tensor: float64 (tensors, results); waits for the device."""
        found = np.zeros((len(self.parameters), self._results))
        runtime.download(found, self._totals.address, self.stream)
        return found

    def total(self, k: int, i: int) -> DeviceArray:
        """What stages have summed of tensor k, the i-th of their numbers: an array without dimensions."""
        address = self._totals.address + 8 * (k * self._results + i)
        return DeviceArray(self._totals, address, (), np.dtype(np.float64))

    def push_rows(self) -> None:
        """Let the device have what the host has changed of header rows alone."""
        for mirror in (self._header, self._settings):
            if mirror is not None:
                mirror.push(self.stream)

    def note_step(self, certain: bool) -> None:
        """A step was asked for; unless it is certain, the device decides whether it is one."""
        taken = self._counters.taken
        self._counters.taken = taken + 1 if certain and taken is not None else None

    def push(self, stream: int) -> dict[str, int]:
        """Let the device have what the host has changed; addresses by the names of kernels' arguments."""
        self.stream = stream
        if self._header is None:
            own = tensors.own_fields(self.declared.rule)
            words = range(self._rows.dtype.itemsize // 8)
            settable = tensors.set_words(self._rows.dtype, own)
            self._header = Mirror(self._rows, self.device, sorted(set(words) - set(settable)))
            self._settings = Mirror(self._rows, self.device, settable)
        named = {
            "header": self._header, "settings": self._settings, "counters": self._counters,
            "gradients": self._gradients, "gains": self._gains,
        }  # fmt: skip
        for mirror in named.values():
            mirror.push(stream)
        addresses = {name: mirror.address for name, mirror in named.items()}
        return {**addresses, "totals": self._totals.address, "everyone": len(self.parameters)}

    # ---- membership -----------------------------------------------------------------------------

    def start(self, slot: Slot, h: Any, p: Any) -> Any:
        """What a slot holds before the first step."""
        return super().start(slot, h, np.asarray(p))

    def assign(self, group: Group, values: Mapping[str, Value]) -> None:
        """Let a group have hyperparameters: on the device at once, for steps that are replayed from a graph."""
        super().assign(group, values)
        if self._header is not None:
            runtime.enter(self.device)
            self._settings.push(self.stream)

    def _slab(self, storage: Storage, likes: Sequence[Any]) -> list[Place]:
        starts, end = [], 0
        for like in likes:
            starts.append(end)
            end += -(-count_reals(like) // _START) * _START
        memory = runtime.Memory(end * storage.dtype.itemsize, self.device)
        return [
            DevicePlace(storage, (), start, like, memory, self)
            for start, like in zip(starts, likes, strict=True)
        ]

    def _with_lines(self, place: Place, slot: Slot) -> Place:
        assert isinstance(place, DevicePlace)
        size = place.like.size * place.storage.dtype.itemsize
        renewed = runtime.Memory(size, self.device)
        seen = renewed if slot.seen is None else runtime.Memory(size, self.device)
        own = place.storage, (), place.start, place.like, place.memory, self
        return DeviceLines(*own, renewed, seen)

    def arrange(self) -> None:
        """Make the tables anew."""
        together: dict[Variant, list[int]] = {}
        for k in range(len(self.parameters)):
            together.setdefault(self.variant(k), []).append(k)
        self.tables = [self._table(variant, members) for variant, members in together.items()]
        self.device_tables = [DeviceTable(table, self.device) for table in self.tables]
        count = len(self.parameters)
        results = sum(len(m.results) for m in self.declared.rule.measures)
        places = [place.read() for own in self.slots for place in own.values()]
        self.occupied = gradients.occupied([*self.parameters, *places])
        self.gradients, self.everyone = np.zeros(count, np.int64), np.ones(count, np.int64)
        self.gains = np.tile([1.0, np.inf], (count, 1))
        self._gradients = Mirror(self.gradients, self.device)
        self._gains = Mirror(self.gains, self.device)
        self._results = max(1, results)
        self._totals = runtime.Memory(8 * count * self._results, self.device)
        self.words = self.header.view(np.float64).reshape(count, self._rows.itemsize // 8)
        self._follow_schedules()
        self.arrangement = object()
        self.settle()

    def settle(self) -> None:
        """Wait for what the host has written: another stream than the one it took would not."""
        runtime.enter(self.device)
        for stream in {0, self.stream}:
            runtime.finish(stream)

    def follow(self) -> None:
        """Let scheduled hyperparameters be what their schedules say for the coming step."""
        if len(self.scheduled.plan) or self.scheduled.names:
            super().follow()

    @property
    def steps_taken(self) -> int:
        """Steps so far, without those skipped: as the host has counted them, if it can."""
        return self._counters.ask(self.stream)

    def _note_what_follows(self) -> None:
        self.follows = True  # every step goes another way than those of host memory
