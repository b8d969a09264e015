"""Runs the passes of a step on a device: launches, in the order of a stream, and nothing that waits."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastopt.device.arrays import DeviceArray, adopt
from fastopt.device.described import asker
from fastopt.device.whole import DeviceWholeTensors
from fastopt.device.workspace import DeviceTable, DeviceWorkspace
from fastopt.drivers.cuda import kernels, lines, rows, runtime, slices, tensors
from fastopt.drivers.cuda.kernels import PIECE, Kernel
from fastopt.gradients import overlapping, overlaps
from fastopt.libraries import DeviceRoom
from fastopt.slots import memory_order
from fastopt.variant import MONITOR, PROPOSE, ROWS, Variant


@dataclasses.dataclass
class Launch:
    """A kernel over a table, its twin of 128 bits at once, and what it is called with beside what all are."""

    kernel: Kernel
    grid: tuple[int, int]
    table: DeviceTable
    wide: Kernel | None = None
    more: dict[str, int] = dataclasses.field(default_factory=dict)

    def run(self, runner: DeviceRunner, aligned: bool, known: dict[str, int]) -> None:
        """Start it."""
        kernel = self.wide if aligned and self.wide is not None else self.kernel
        runner.launch(kernel, self.grid, self.table, {**known, **self.more})


Plan = Sequence[Launch | DeviceWholeTensors]


def gathering(kernel: Kernel, table: DeviceTable, columns: int) -> Launch:
    """The blocks of each tensor added up, into totals of so many columns."""
    return Launch(kernel, (table.count, 1), table, more={"width": 8 * columns})


class DeviceRunner:
    """Steps over a workspace's tables.

    Attributes
    ----------
    stream : int
        Where everything is launched.
    exact : bool
        Whether kernels fuse no multiplication with an addition.
    """

    def __init__(self, workspace: DeviceWorkspace) -> None:
        self.workspace = workspace
        self.stream, self.exact = 0, False
        self.tables: list[DeviceTable] | None = None  # others than the workspace's
        self._plans: dict[Any, tuple[Plan, Plan]] = {}
        self._arrangement: Any = None  # for which gradients were located
        self.decisions: Any = None  # room for what is decided on the device
        self._room: DeviceRoom | None = None  # for what a library does to whole tensors
        declared = workspace.declared
        if any(measure.whole is not None for measure in declared.rule.measures):
            self._room = runtime.room_on_device(workspace.device, declared.optimizer.__name__)

    # ---- gradients ------------------------------------------------------------------------------

    def locate(
        self, leaves: Sequence[Any], zeroed: bool = False, what: str = "gradient"
    ) -> list[Any]:
        """Check all gradients and note where they lie; what must be held until they are used."""
        w = self.workspace
        if self._arrangement is not w.arrangement:
            self._arrangement, self._located = w.arrangement, np.zeros(0, np.int64)
            self._descriptions: list[Any] = [None] * len(w.parameters)
        known, addresses = self._descriptions, []
        held: list[Any] = []
        for k, leaf in enumerate(leaves):
            if leaf is None:
                addresses.append(0)
                continue
            address, description = asker(leaf.__class__)(leaf)
            if description is None or description != known[k]:
                g = self.accept(leaf, w.parameters[k], f"{what} of {w.names[k]}", w.occupied)
                if zeroed and not g.flags.writeable:
                    raise ValueError(
                        f"{what} of {w.names[k]} is read-only; zero_grads=True needs writable arrays"
                    )
                held.append(g)
                address, known[k] = g.ctypes.data if g.nbytes else 0, description
            # that of an empty array may be 0, which stands for none
            addresses.append(address or 16)
        found = np.array(addresses, np.int64)
        if not np.array_equal(found, self._located):
            self._require_apart(found, what)
            self._located = found
        w.gradients[:] = found
        return held

    def _require_apart(self, starts: np.ndarray, what: str) -> None:
        """Refuse gradients that overlap what a step writes."""
        w = self.workspace
        sizes = np.array([p.nbytes for p in w.parameters], np.int64) * (starts != 0)
        begins, ends = w.occupied.T  # of memory that does not overlap, in order
        nearest = np.searchsorted(ends, starts, side="right")
        begins = np.append(begins, np.iinfo(np.int64).max)
        (wrong,) = np.nonzero((begins[nearest] < starts + sizes) & (sizes > 0))
        if wrong.size:
            raise overlapping(f"{what} of {w.names[wrong[0]]}")

    def accept(
        self,
        gradient: Any,
        p: Any,
        name: str,
        busy: np.ndarray,
        rows: tuple[int, ...] | None = None,
    ) -> DeviceArray:
        """A gradient as it lies on the device, or an error; with `rows` that of as many rows, in this shape."""
        g = adopt(gradient, name)
        shape = p.shape if rows is None else (*rows, *p.shape[1:])
        expected = f"an array of {p.dtype.name} with shape {shape}, or None"
        if g.dtype != p.dtype:
            raise TypeError(f"{name} has dtype {g.dtype}; expected {expected}")
        if g.shape != shape:
            raise ValueError(f"{name} has shape {g.shape}; expected {expected}")
        own = g.flags.c_contiguous if memory_order(p) == "C" else g.flags.f_contiguous
        if not own or not g.flags.aligned:
            raise ValueError(
                f"{name} has strides {g.strides}; expected the memory order of the parameter, "
                f"{memory_order(p)!r}: gradients in device memory are not copied"
            )
        start = g.ctypes.data
        if g.nbytes and overlaps(start, start + g.nbytes, busy):
            raise overlapping(name)
        if g.nbytes and g.device != self.workspace.device:
            raise ValueError(
                f"{name} is on device {g.device}; expected {self.workspace.device}, where the parameter is"
            )
        return g

    def forget_request(self) -> None:
        """Let gradients be neither multiplied nor limited, as in an ordinary step, and forget the inputs."""
        w = self.workspace
        w.gains[:] = 1.0, np.inf
        for name in w.declared.inputs:
            w.settings[name] = 0.0

    # ---- passes ---------------------------------------------------------------------------------

    def step(self, leaves: Sequence[Any]) -> None:
        """An ordinary step: check all gradients, then step every tensor that has one."""
        w = self.workspace
        held = self.locate(leaves)
        self.update(frozenset(), self.begin())
        w.note_step(certain=True)
        del held

    def begin(self) -> dict[str, int]:
        """Let the device have what the host has changed; what kernels are called with, by name."""
        runtime.enter(self.workspace.device)
        known = self.workspace.push(self.stream)
        return {**known, "verdict": self.workspace.verdict.address}

    def update(
        self,
        options: frozenset[str],
        known: dict[str, int],
        outs: np.ndarray | None = None,
        between: Callable[[], None] | None = None,
    ) -> None:
        """The rule's sums and its update, for all tensors with a gradient; of a proposal, into `outs`.

        With something to be done in `between`, when the totals of all stages are launched.
        """
        sums, rest = self._planned(options)
        read = [self.workspace.gradients] if outs is None else [self.workspace.gradients, outs]
        aligned = not any((addresses % 16).any() for addresses in read)
        self._launch_all(sums, aligned, known)
        if between is not None:
            between()
        self._launch_all(rest, aligned, known)

    def measure(self, known: dict[str, int]) -> None:
        """The rule's stages, and nothing else."""
        self._launch_all(self._planned(frozenset())[0], False, known)

    def _planned(self, options: frozenset[str]) -> tuple[Plan, Plan]:
        """The kernels of a step: those of its stages, and those that follow."""
        key = options, self.workspace.arrangement
        if key not in self._plans:
            both = [
                (table, dataclasses.replace(table.variant, options=options))
                for table in self.all_tables()
            ]
            self._plans = {key: (list(self._summing(both)), list(self._updating(both, options)))}
        return self._plans[key]

    def _launch_all(self, launches: Plan, aligned: bool, known: dict[str, int]) -> None:
        for launch in launches:
            launch.run(self, aligned, known)

    def _summing(
        self, both: list[tuple[DeviceTable, Variant]]
    ) -> Iterator[Launch | DeviceWholeTensors]:
        for stage in range(both[0][1].stages):
            for table, variant in both:
                yield self._prepare(table, variant, stage)
                yield from self._measure(table, variant, stage)
            if self._room is not None and both[0][1].rule.measures[stage].whole is not None:
                yield DeviceWholeTensors(self.workspace, stage, self._room)

    def _updating(
        self, both: list[tuple[DeviceTable, Variant]], options: frozenset[str]
    ) -> Iterator[Launch]:
        for i, (table, variant) in enumerate(both):
            prepared = self._prepare(table, variant, variant.stages)
            if i > 0:  # the step is counted once
                prepared.more["counters"] = 0
            yield prepared
            if variant.has_lines and ROWS in options:
                stage = next(n for n, m in enumerate(variant.rule.measures) if m.scope == "lines")
                yield Launch(rows.renew(variant, stage), (table.rows, 1), table)
            if MONITOR in options:
                yield Launch(kernels.update(variant), (table.rows, 1), table)
            else:
                yield self._elements(table, partial(kernels.update, variant))
            if variant.has_lines and not {PROPOSE, ROWS} & options:
                yield self._lines(table, lines.commit(variant))

    def move(
        self, name: str, active: np.ndarray | None = None, copies: Sequence[int] | None = None
    ) -> None:
        """Apply a move of the rule's to every tensor, or those whose entry in `active` is not 0.

        A fold is applied to those whose entry is the address of an array. With the addresses of copies of the
        parameters, these are moved and the parameters stay.
        """
        w = self.workspace
        w.gradients[:] = w.everyone if active is None else active
        known = {**self.begin(), "counters": 0}
        tables = w.device_tables
        if copies is not None:
            tables = [table.of_parameters(copies, w.device) for table in tables]
        for table in tables:
            variant = table.variant
            reads = name in dict(variant.rule.folds)
            aligned = not (reads and (w.gradients % 16).any())
            found = self._elements(table, partial(kernels.move, variant, name))
            for launch in (self._prepare(table, variant, None), found):
                launch.run(self, aligned, known)

    def over(self, tables: list[DeviceTable]) -> DeviceRunner:
        """One that steps over other tables of the same tensors."""
        other = copy.copy(self)
        other.tables, other._plans = tables, {}
        return other

    def all_tables(self) -> list[DeviceTable]:
        """Those that a step walks."""
        return self.workspace.device_tables if self.tables is None else self.tables

    # ---- kernels --------------------------------------------------------------------------------

    def _prepare(self, table: DeviceTable, variant: Variant, stage: int | None) -> Launch:
        blocks = -(-table.count // tensors.THREADS)
        own = {"coefficients_of": table.coefficients}
        return Launch(tensors.prepare(variant, stage), (blocks, 1), table, more=own)

    def _measure(self, table: DeviceTable, variant: Variant, stage: int) -> Iterator[Launch]:
        measures = variant.rule.measures
        measure = measures[stage]
        if measure.scope != "lines":
            yield Launch(kernels.measure(variant, stage), (table.rows, 1), table)
        elif variant.has_lines:
            yield Launch(slices.measure(variant, stage), (table.bands, slices.SLICES), table)
            yield self._lines(table, lines.combine(variant, stage))
            see = lines.see(variant, stage)
            if see is not None:
                yield self._lines(table, see)
        if measure.results:
            first = sum(len(m.results) for m in measures[:stage])
            kernel = tensors.gather(first, len(measure.results), measure.reduce)
            yield gathering(kernel, table, sum(len(m.results) for m in measures))

    @staticmethod
    def _lines(table: DeviceTable, kernel: Kernel) -> Launch:
        """A kernel over the lines of matrices."""
        return Launch(kernel, (table.count, table.pieces), table)

    @staticmethod
    def _elements(table: DeviceTable, kernel: Callable[[bool], Kernel]) -> Launch:
        """A kernel over elements; that of 128 bits at once only if all but gradients allow it."""
        grid = table.rows, -(-table.longest // PIECE)
        return Launch(kernel(False), grid, table, kernel(True) if table.aligned else None)

    def launch(
        self, kernel: Kernel, grid: tuple[int, int], table: DeviceTable, known: dict[str, int]
    ) -> None:
        """Start a kernel over a table."""
        arguments = table.over(kernel.arguments, known)
        runtime.launch(kernel, self.exact, self.workspace.device, grid, arguments, self.stream)
