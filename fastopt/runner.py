"""Runs the passes of a step over a workspace: kernels with their arguments, by table and by option."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastopt import gradients
from fastopt.drivers import cpu, frame, threads
from fastopt.libraries import Room
from fastopt.table import Table
from fastopt.variant import CLIP_ADAPTIVE, ROWS, Variant
from fastopt.whole import WholeTensors
from fastopt.workspace import Workspace

_NO_ARRAYS = np.zeros(0, np.int64)


class Runner:
    """Steps over a workspace's tables.

    Attributes
    ----------
    forced_shares : int or None
        Into how many shares every pass is split, whatever its size; None: as measured.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.tables: list[Table] | None = None  # others than the workspace's
        self.forced_shares: int | None = None
        self._calls: dict[frozenset[str] | tuple[str, str], list[Call]] = {}
        self._ordinary: list[_Phase] = []
        self._room = Room()
        self.unit_gains: dict[int, Any] = {}  # by axis: see fastopt/unit_gains.py
        self.unit_axis: int | None = None  # that whose gains the tables' kernels see
        self._generation = -1
        self._arrangement: Any = None

    def force_shares(self, shares: int | None) -> None:
        """Split every step into so many shares, whatever its size; None: as measured."""
        self.forced_shares = shares
        self._generation = -1

    # ---- gradients ------------------------------------------------------------------------------

    def locate(self, leaves: Sequence[Any], zeroed: bool = False, what: str = "gradient") -> Copies:
        """Check all gradients and note where they lie; those that had to be copied, with the copies, to be held."""
        w = self.workspace
        self._note(leaves)
        copies = self._checked(
            lambda: cpu.locate()(w.ids, w.layout, w.occupied, w.gradients), leaves, what
        )
        if zeroed:
            gradients.check_writable(leaves, w.names)
        return copies

    def forget_request(self) -> None:
        """Let gradients be neither multiplied nor limited, as in an ordinary step, and forget the inputs."""
        w = self.workspace
        w.gains[:] = 1.0, np.inf
        for name in w.declared.inputs:
            w.header[name] = 0.0

    def _note(self, leaves: Sequence[Any]) -> None:
        view = memoryview(self.workspace.ids)  # type: ignore[arg-type]
        for k, leaf in enumerate(leaves):
            view[k] = id(leaf)

    def _checked(
        self, locating: Callable[[], int], leaves: Sequence[Any], what: str = "gradient"
    ) -> Copies:
        copies: Copies = []
        wrong = locating()
        while wrong >= 0:  # nothing was changed yet; Python looks at this one
            copies.append((leaves[wrong], self._accept(leaves[wrong], wrong, what)))
            wrong = locating()
        return copies

    def _accept(self, gradient: Any, k: int, what: str) -> np.ndarray:
        w = self.workspace
        array = gradients.accept(gradient, w.parameters[k], f"{what} of {w.names[k]}", w.occupied)
        w.ids[k] = gradients.LOCATED
        w.gradients[k] = array.ctypes.data
        return array

    # ---- passes ---------------------------------------------------------------------------------

    def step(self, leaves: Sequence[Any]) -> None:
        """An ordinary step: check all gradients, then step every tensor that has one."""
        w = self.workspace
        valid = self._generation == threads.generation and self._arrangement is w.arrangement
        if not (valid and self._ordinary):
            plain: frozenset[str] = frozenset()
            self._ordinary = self._in_phases(self._prepared(plain), plain, w.header)
        ids = w.ids
        if len(leaves) == 1:  # small steps feel every call
            ids[0] = id(leaves[0])
        else:
            self._note(leaves)
        held = None
        for run in self._ordinary:
            if run(ids) >= 0:
                held = self._checked(functools.partial(run, ids), leaves)
            ids = _NO_ARRAYS
        del held

    def update(
        self,
        options: frozenset[str],
        header: np.ndarray | None = None,
        between: Callable[[], None] | None = None,
    ) -> None:
        """The rule's sums and its update, for all tensors whose gradient is located.

        With other header rows, or with something to be done in `between`, when the totals of all stages are known.
        """
        calls = self._prepared(options) if header is None else self._stepping(options, header)
        rows = self.workspace.header if header is None else header
        for run in self._in_phases(calls, options, rows, between):
            run(_NO_ARRAYS)

    def _in_phases(
        self,
        calls: list[Call],
        options: frozenset[str],
        header: np.ndarray,
        between: Callable[[], None] | None = None,
    ) -> list[_Phase]:
        """What a step runs, each given the arrays to locate: the phases of rules that measure, and what stands between.

        A phase ends where every table must have done it before the next, or Python has something to do.
        """
        measures = self.all_tables()[0].variant.rule.measures
        if not measures or ROWS in options:
            return [call.bound() for call in calls]
        found: list[_Phase] = []
        begin, stages = 0, len(measures)
        for end in range(1, stages + 2):
            whole = end <= stages and measures[end - 1].whole is not None
            pauses = end == stages and between is not None
            if end > stages or len(calls) > 1 or whole or pauses:
                found += [call.bound(begin, end) for call in calls]
                begin = end
            if whole:
                found.append(WholeTensors(self.workspace, header, end - 1, self._room).run)
            if pauses and between is not None:
                found.append(_pause(between))
        return found

    @property
    def least_square(self) -> float:
        """The smallest square that the gradients' dtypes can hold."""
        return max(float(np.finfo(t.variant.dtype).tiny) for t in self.all_tables())

    def measure_gradients(self, factors: np.ndarray, largest: bool = False) -> np.ndarray:
        """Sums of squares of each tensor's gradient times its factor, or their largest magnitudes: (tensors, 1)."""
        for call in self._prepared(("measure", "extremes" if largest else "squares")):
            call.run(factors)
        return self.workspace.norms

    @property
    def single(self) -> bool:
        """Whether any gradient is of single precision."""
        return any(t.variant.dtype == np.float32 for t in self.all_tables())

    def measure(self) -> None:
        """The rule's first stage, and nothing else."""
        for call in self._prepared(frozenset()):
            call.bound(0, 1)(_NO_ARRAYS)

    def move(self, name: str, active: np.ndarray | None = None) -> None:
        """Apply a move of the rule's to every tensor, or those whose entry in `active` is not 0.

        A fold is applied to those whose entry is the address of an array.
        """
        for call in self._prepared(("move", name)):
            call.run(self.workspace.everyone if active is None else active)

    def monitored(self) -> np.ndarray:
        """What the last update summed: squares of all changes and of all new parameters."""
        return sum((t.blocks[:, :2].sum(axis=0) for t in self.all_tables()), np.zeros(2))

    # ---- kernels --------------------------------------------------------------------------------

    def all_tables(self) -> list[Table]:
        """Those that a step walks."""
        return self.workspace.tables if self.tables is None else self.tables

    def _prepared(self, what: frozenset[str] | tuple[str, str]) -> list[Call]:
        """The calls of a step with these options, of a move, or of a pass over the gradients."""
        w = self.workspace
        if self._generation != threads.generation or self._arrangement is not w.arrangement:
            self._calls, self._ordinary = {}, []
            self.unit_gains, self.unit_axis = {}, None
            self._generation, self._arrangement = threads.generation, w.arrangement
        if what not in self._calls:
            if isinstance(what, frozenset):
                self._calls[what] = self._stepping(what, self.workspace.header)
            else:
                make = self._moving if what[0] == "move" else self._measuring
                self._calls[what] = [make(table, what[1]) for table in self.all_tables()]
        return self._calls[what]

    def _moving(self, table: Table, name: str) -> Call:
        w = self.workspace

        def arguments(shares: int) -> tuple[Any, ...]:
            return (
                w.header, w.gains, table.tensors, table.tiles, table.addresses, table.coefficients,
                table.scratch(shares),
            )  # fmt: skip

        kernel = functools.partial(cpu.move, table.variant, name)
        return Call(kernel, arguments, self._shares(table))

    def _measuring(self, table: Table, what: str) -> Call:
        w, storage = self.workspace, table.variant.gradient

        def arguments(shares: int) -> tuple[Any, ...]:
            sums = table.sums(shares)
            return w.gradients, table.tensors, table.tiles, sums, table.blocks, w.norms

        kernel = functools.partial(cpu.measure_gradients, storage, what == "extremes")
        moved = table.elements * storage.bytes_per_element()
        return Call(kernel, arguments, self.forced_shares or threads.shares(moved))

    def _stepping(self, options: frozenset[str], header: np.ndarray) -> list[Call]:
        calls = []
        for table in self.all_tables():
            variant = dataclasses.replace(table.variant, options=options)
            calls.append(self._call(table, variant, header))
        if len(calls) > 1:  # one that cannot be compiled must not find others updated
            for call, table in zip(calls, self.all_tables(), strict=True):
                variant = dataclasses.replace(table.variant, options=options)
                call.kernel.compile(cpu.step_signature(variant))
        return calls

    def _call(self, table: Table, variant: Variant, header: np.ndarray) -> Call:
        known: dict[str, Any] = {name: getattr(self.workspace, name) for name in _OF_WORKSPACE}
        known |= {name: getattr(table, name) for name in _OF_TABLE} | {"header": header}
        units = CLIP_ADAPTIVE in variant.options
        if units:
            known["addresses"] = table.with_units()

        def arguments(shares: int) -> tuple[Any, ...]:
            room = {"scratch": table.scratch(shares, units), "sums": table.sums(shares)}
            return (frame.pack([(known | room)[name] for name in cpu.framed(variant)]),)

        return Call(functools.partial(cpu.step, variant), arguments, self._shares(table))

    def _shares(self, table: Table) -> int:
        return self.forced_shares or threads.shares(table.bytes)


_OF_WORKSPACE = ("layout", "occupied", "gradients", "gains", "totals", "outs")
_OF_TABLE = (
    "tensors", "tiles", "addresses", "coefficients", "blocks", "strips", "grids", "partials",
)  # fmt: skip

Copies = list[tuple[Any, np.ndarray]]


_Phase = Callable[[np.ndarray], int]


def _pause(action: Callable[[], None]) -> _Phase:
    """What a caller does between two phases."""

    def run(ids: np.ndarray) -> int:
        action()
        return -1

    return run


class Call:
    """A kernel with its arguments, ready to run; by one thread where another is launching and only one can."""

    def __init__(
        self,
        kernel: Callable[[str], Any],
        arguments: Callable[[int], tuple[Any, ...]],
        shares: int,
    ) -> None:
        self.shares = shares
        self.kernel = kernel(cpu.driver(shares))
        self._lock = threads.launch_lock() if shares > 1 else None
        self._turns = shares > threads.get_num_threads()
        self._arguments = arguments(shares)
        self._make, self._arguments_of = kernel, arguments

    def bound(self, *more: int) -> Callable[[Any], Any]:
        """It with more arguments before that which each call is given; good while this object is held."""
        if self._lock is None and not self._turns:  # which costs small steps the least
            return functools.partial(self.kernel, *self._arguments, *more)
        return functools.partial(self._run, more)

    def run(self, given: Any) -> Any:
        """Call it."""
        return self.bound()(given)

    def _run(self, more: tuple[int, ...], given: Any) -> Any:
        lock = self._lock
        if lock is None or lock.acquire(blocking=False):
            try:
                with threads.taking_turns():
                    return self.kernel(*self._arguments, *more, given)
            finally:
                if lock is not None:
                    lock.release()
        return self._make(cpu.SERIAL)(*self._arguments_of(1), *more, given)
