"""`Optimizer.step_rows` on a device: a tile for each row, laid by the host, and gradients of a row that is named again added up."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt import touched
from fastopt.device import pipeline
from fastopt.device.arrays import DeviceArray
from fastopt.device.outcome import DeviceStepInfo
from fastopt.device.runner import DeviceRunner
from fastopt.device.workspace import DeviceTable
from fastopt.drivers.cuda import repeated, runtime, tensors
from fastopt.pipeline import Request
from fastopt.storage import Storage
from fastopt.table import Table
from fastopt.touched import Touched
from fastopt.tree import on_device
from fastopt.variant import ROWS


class DeviceRowTables(touched.RowTables):
    """What steps over rows keep from one to the next, on both sides."""

    def __init__(self) -> None:
        super().__init__()
        self._memory: dict[tuple[str, int], tuple[Any, int]] = {}
        self.sums: list[tuple[Any, tuple[int, int], tuple[int, ...]]] = []  # to be launched

    def _sums(self, k: int, count: int, width: int, dtype: np.dtype[Any]) -> int:
        return self.room("sums", k, count * width * dtype.itemsize)

    def _add_up(
        self, t: Touched, k: int, positions: np.ndarray, starts: np.ndarray, gradient: Storage
    ) -> None:
        """Note what is to be added up."""
        groups = len(starts) - 1
        place = {"starts": starts, "positions": positions}
        addresses = [self.put(name, k, array) for name, array in place.items()]
        sums = self._sums(k, groups, t.width, gradient.dtype)
        grid = groups, -(-t.width // repeated.PIECE)
        arguments = (*addresses, t.gradients.ctypes.data, sums, t.width)
        self.sums.append((repeated.add_up(gradient.dtype), grid, arguments))

    def room(self, name: str, k: int, nbytes: int) -> int:
        """The address of that much memory, which lasts until more is asked for."""
        kept = self._memory.get((name, k))
        if kept is None or kept[1] < nbytes:
            kept = self._memory[name, k] = runtime.Memory(2 * nbytes, self.device), 2 * nbytes
        return int(kept[0].address)

    def put(self, name: str, k: int, array: np.ndarray) -> int:
        """The address of a copy on the device."""
        address = self.room(name, k, array.nbytes)
        runtime.upload(address, array, self.stream)
        return address

    device, stream = 0, 0


def step(
    runner: DeviceRunner,
    kept: DeviceRowTables | None,
    rows: Sequence[Any],
    leaves: Sequence[Any],
    request: Request,
    monitor: bool,
) -> tuple[DeviceRowTables, DeviceStepInfo]:
    """A step of some rows, and what is kept for the next."""
    w = runner.workspace
    numbers = [np.asarray(DeviceArray.of(r)) if on_device(r) else r for r in rows]
    chosen = touched.accept(w, numbers, leaves, runner.accept)
    if request.zero_grads:
        _require_writable(w.names, chosen)
    tables = kept or DeviceRowTables()
    tables.device, tables.stream, tables.sums = w.device, runner.stream, []
    runtime.enter(w.device)
    over = tables.build(w, w.tables, chosen)
    pairs = enumerate(zip(w.device_tables, over, strict=True))
    part = runner.over([_over(base, table, tables, i) for i, (base, table) in pairs])
    for kernel, grid, arguments in tables.sums:
        runtime.launch(kernel, runner.exact, w.device, grid, arguments, runner.stream)
    # zeros come last: those of the loop would be where sums are
    plain = dataclasses.replace(request, zero_grads=False)
    found = None
    if touched.counts_any(w, chosen):
        found = _ByCount(part, tables, over, chosen, request.skip_nonfinite)
    info = pipeline.step_located(part, plain, monitor, frozenset({ROWS}), found)
    runner.decisions = part.decisions
    for t in chosen if request.zero_grads else ():
        if t is not None:
            runtime.clear(t.gradients.ctypes.data, t.gradients.nbytes, runner.stream)
    return tables, info


def _require_writable(names: Sequence[str], chosen: Sequence[Touched | None]) -> None:
    for t, name in zip(chosen, names, strict=True):
        if t is not None and not t.gradients.flags.writeable:
            raise ValueError(
                f"gradient of {name} is read-only; zero_grads=True needs writable arrays"
            )


class _ByCount:
    """The update of rows that have step counts of their own: `touched.split_by_count` on a device, which waits for it."""

    def __init__(
        self, runner: DeviceRunner, kept: DeviceRowTables, tables: Sequence[Table],
        chosen: Sequence[Touched | None], may_skip: bool,
    ) -> None:  # fmt: skip
        self._runner, self._kept, self._tables = runner, kept, tables
        self._chosen, self._may_skip = chosen, may_skip

    def update(self, options: frozenset[str], known: dict[str, int], info: DeviceStepInfo) -> None:
        """The step, if it is not skipped, with a header row for each count; of a skipped one the count."""
        runner, put = self._runner, self._kept.put
        if self._may_skip and info.skipped:
            runner.update(options, known)
            return
        w = runner.workspace
        tables, header, sources = touched.split_by_count(w, self._tables, self._chosen)
        gains = np.zeros((len(w.parameters), 2))
        runtime.download(gains, known["gains"], runner.stream)
        rows = {"header": header, "gains": gains[sources], "gradients": w.gradients[sources]}
        own = {name: put(f"{name} by count", 0, array) for name, array in rows.items()}
        own |= {"settings": own["header"], "everyone": len(sources)}
        both = enumerate(zip(runner.all_tables(), tables, strict=True))
        split = runner.over([self._split(base, table, i) for i, (base, table) in both])
        split.update(options, {**known, **own})
        runtime.copy(known["header"], own["header"], w.settings.nbytes, runner.stream)
        touched.count_rows(w, self._chosen)

    def _split(self, base: DeviceTable, table: Table, i: int) -> DeviceTable:
        """A table's tiles, of more tensors."""
        made, put = copy.copy(base), self._kept.put
        made.count = len(table.tensors)
        made.tiles = put("tiles by count", i, np.ascontiguousarray(table.tiles))
        made.tensors = put("tensors by count", i, table.tensors)
        made.addresses = put("addresses by count", i, table.addresses)
        made.coefficients = self._kept.room("coefficients by count", i, table.coefficients.nbytes)
        return made


def _over(base: DeviceTable, table: Table, kept: DeviceRowTables, i: int) -> DeviceTable:
    """A table's tensors, and only these tiles of them."""
    made = copy.copy(base)
    made.rows = len(table.tiles)
    made.longest = int(table.tiles[:, 2].max()) if made.rows else 0
    made.tiles = kept.put("tiles of a table", i, np.ascontiguousarray(table.tiles))
    made.spans = kept.put("spans of a table", i, tensors.spans(table.tiles, base.count))
    made.blocks = kept.room("blocks of a table", i, table.blocks.nbytes)
    # a row may begin anywhere
    made.aligned = False
    return made
