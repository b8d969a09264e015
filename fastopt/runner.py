"""Runs the passes of a step over a workspace: kernels with their arguments, by table and by option."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastopt import gradients
from fastopt.drivers import cpu, threads
from fastopt.table import Table
from fastopt.variant import Variant
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
        self._calls: dict[frozenset[str], list[_Call]] = {}
        self._ordinary: list[_Call] = []
        self._ordinary_phases: Sequence[tuple[int, ...]] = ()
        self._generation = -1
        self._arrangement: Any = None

    def force_shares(self, shares: int | None) -> None:
        """Split every step into so many shares, whatever its size; None: as measured."""
        self.forced_shares = shares
        self._generation = -1

    # ---- gradients ------------------------------------------------------------------------------

    def locate(self, leaves: Sequence[Any], zeroed: bool = False) -> Copies:
        """Check all gradients and note where they lie; those that had to be copied, with the copies, to be held."""
        w = self.workspace
        self._note(leaves)
        copies = self._checked(
            lambda: cpu.locate()(w.ids, w.layout, w.occupied, w.gradients), leaves
        )
        if zeroed:
            gradients.check_writable(leaves, w.names)
        return copies

    def plain_gains(self) -> None:
        """Let gradients be neither multiplied nor limited, as in an ordinary step."""
        self.workspace.gains[:] = 1.0, np.inf

    def _note(self, leaves: Sequence[Any]) -> None:
        ids = self.workspace.ids
        if len(leaves) == 1:
            ids[0] = id(leaves[0])
        else:
            view = memoryview(ids)  # type: ignore[arg-type]
            for k, leaf in enumerate(leaves):
                view[k] = id(leaf)

    def _checked(self, locating: Callable[[], int], leaves: Sequence[Any]) -> Copies:
        copies: Copies = []
        wrong = locating()
        while wrong >= 0:  # nothing was changed yet; Python looks at this one
            copies.append((leaves[wrong], self._accept(leaves[wrong], wrong)))
            wrong = locating()
        return copies

    def _accept(self, gradient: Any, k: int) -> np.ndarray:
        w = self.workspace
        array = gradients.accept(gradient, w.parameters[k], w.names[k], w.occupied)
        w.ids[k] = gradients.LOCATED
        w.gradients[k] = array.ctypes.data
        return array

    # ---- passes ---------------------------------------------------------------------------------

    def step(self, leaves: Sequence[Any]) -> None:
        """An ordinary step: check all gradients, then step every tensor that has one."""
        calls = self._ordinary if self._is_valid() else []
        calls = calls or self._prepared(frozenset())
        self._note(leaves)
        ids = self.workspace.ids
        held = None
        for phase in self._ordinary_phases:
            for call in calls:
                wrong = call.run(ids, phase)
                if wrong >= 0:
                    held = self._checked(functools.partial(call.run, ids, phase), leaves)
                ids = _NO_ARRAYS
        del held

    def update(self, options: frozenset[str], header: np.ndarray | None = None) -> None:
        """The rule's sums and its update, for all tensors whose gradient is located."""
        calls = self._prepared(options, header)
        for phase in self._phases(calls):
            for call in calls:
                call.run(_NO_ARRAYS, phase)

    def _phases(self, calls: list[_Call]) -> Sequence[tuple[int, ...]]:
        stages = len(self.workspace.declared.rule.measures)
        if stages == 0:
            return ((),)
        if len(calls) == 1:
            return ((0, stages + 1),)
        return [(i, i + 1) for i in range(stages + 1)]  # every table waits for the totals of all

    @property
    def single(self) -> bool:
        """Whether any gradient is of single precision."""
        return any(t.variant.dtype == np.float32 for t in self._tables())

    def measure_gradients(self, factors: np.ndarray, largest: bool = False) -> np.ndarray:
        """Sums of squares of each tensor's gradient times its factor, or their largest magnitudes."""
        w = self.workspace
        totals = np.zeros((len(w.parameters), 1))
        for table in self._tables():
            moved = table.elements * table.variant.gradient.bytes_per_element()
            shares = self.forced_shares or threads.shares(moved)
            with self._launching(shares) as allowed:
                kernel = cpu.measure_gradients(table.variant.gradient, largest, cpu.driver(allowed))
                kernel(
                    w.gradients, table.tensors, table.tiles, factors, table.sums(allowed),
                    table.blocks, totals,
                )  # fmt: skip
        return totals

    def move(self, name: str, active: np.ndarray | None = None) -> None:
        """Apply a move of the rule's to every tensor, or those whose entry in `active` is not 0."""
        w = self.workspace
        if active is None:
            active = np.ones(len(w.parameters), np.int64)
        for table in w.tables:
            with self._launching(self._shares(table)) as shares:
                kernel = cpu.move(table.variant, name, cpu.driver(shares))
                kernel(
                    w.header, active, w.gains, table.tensors, table.tiles, table.addresses,
                    table.coefficients, table.scratch(shares),
                )  # fmt: skip

    def monitored(self) -> np.ndarray:
        """What the last update summed: squares of all changes and of all new parameters."""
        return sum((t.blocks[:, :2].sum(axis=0) for t in self._tables()), np.zeros(2))

    # ---- kernels --------------------------------------------------------------------------------

    def _tables(self) -> list[Table]:
        return self.workspace.tables if self.tables is None else self.tables

    def _is_valid(self) -> bool:
        return (
            self._generation == threads.generation
            and self._arrangement is self.workspace.arrangement
        )

    def _prepared(self, options: frozenset[str], header: np.ndarray | None = None) -> list[_Call]:
        if not self._is_valid():
            self._calls, self._ordinary = {}, []
            self._generation, self._arrangement = threads.generation, self.workspace.arrangement
        if options not in self._calls or header is not None:
            calls = [self._call(t, self._shares(t), options, header) for t in self._tables()]
            if len(calls) > 1:  # one that cannot be compiled must not find others updated
                for call in calls:
                    call.compile()
            if header is not None:
                return calls
            self._calls[options] = calls
            if not options:
                self._ordinary, self._ordinary_phases = calls, self._phases(calls)
        return self._calls[options]

    def _shares(self, table: Table) -> int:
        return self.forced_shares or threads.shares(table.bytes)

    @contextlib.contextmanager
    def _launching(self, shares: int) -> Iterator[int]:
        """So many shares, or 1 where another thread is launching and the layer cannot launch two."""
        lock = threads.launch_lock() if shares > 1 else None
        if lock is None:
            yield shares
        elif lock.acquire(blocking=False):
            try:
                yield shares
            finally:
                lock.release()
        else:
            yield 1

    def _call(
        self, table: Table, shares: int, options: frozenset[str], header: np.ndarray | None
    ) -> _Call:
        variant = dataclasses.replace(table.variant, options=options)
        w = self.workspace
        known: dict[str, Any] = {n: getattr(w, n) for n in _OF_WORKSPACE} | {
            n: getattr(table, n) for n in _OF_TABLE
        }
        known["header"] = w.header if header is None else header
        names = [n for n in cpu.arguments(variant) if n not in ("ids", "begin", "end")]

        def arguments(shares: int) -> tuple[Any, ...]:
            room = {"scratch": table.scratch(shares), "sums": table.sums(shares)}
            return tuple((known | room)[name] for name in names)

        return _Call(variant, shares, arguments)


_OF_WORKSPACE = ("layout", "occupied", "gradients", "gains", "totals", "outs")
_OF_TABLE = (
    "tensors",
    "tiles",
    "addresses",
    "coefficients",
    "blocks",
    "strips",
    "grids",
    "partials",
)

Copies = list[tuple[Any, np.ndarray]]


class _Call:
    """A kernel with its arguments, ready to run."""

    def __init__(
        self, variant: Variant, shares: int, arguments: Callable[[int], tuple[Any, ...]]
    ) -> None:
        self._variant = variant
        self._kernel = cpu.step(variant, cpu.driver(shares))
        self._lock = threads.launch_lock() if shares > 1 else None
        self._own = arguments(shares)
        self._arguments = arguments

    def compile(self) -> None:
        self._kernel.compile(cpu.step_signature(self._variant))

    def run(self, ids: np.ndarray, phase: tuple[int, ...]) -> int:
        if self._lock is None:
            return self._kernel(ids, *self._own, *phase)  # type: ignore[no-any-return]
        if self._lock.acquire(blocking=False):
            try:
                return self._kernel(ids, *self._own, *phase)  # type: ignore[no-any-return]
            finally:
                self._lock.release()
        serial = cpu.step(self._variant, cpu.SERIAL)
        return serial(ids, *self._arguments(1), *phase)  # type: ignore[no-any-return]
