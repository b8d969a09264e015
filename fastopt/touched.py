"""`Optimizer.step_rows`: a step of some rows of the parameters, at a cost proportional to these."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastopt import gradients
from fastopt.drivers import rows as driver
from fastopt.drivers import threads
from fastopt.formula import Formula
from fastopt.runner import Call, Runner
from fastopt.slots import memory_order
from fastopt.storage import Storage, count_reals
from fastopt.table import OFFSET, TENSOR, Table
from fastopt.variant import Variant
from fastopt.workspace import Workspace


@dataclass
class Touched:
    """Rows of one parameter, and their gradients.

    Attributes
    ----------
    rows : int64 (n,)
    gradients : array
        Contiguous, the gradient of row ``rows[i]`` at i.
    height, width : int
        How many rows the parameter has, of how many real numbers each.
    """

    rows: np.ndarray
    gradients: np.ndarray
    height: int
    width: int


def takes_rows(optimizer: type[Formula]) -> bool:
    """Whether rows can be stepped by themselves: every sum that the rule needs is one over a row."""
    slots = [slot for slot in optimizer.slots.values() if slot.of_lines]
    return (
        "rows" in optimizer.supports
        and not optimizer.inputs
        and all(measure.scope == "lines" for measure in optimizer.measures)
        and all(slot.shape == "row" and slot.seen is None for slot in slots)
    )


def accept(
    w: Workspace,
    rows: Sequence[Any],
    grads: Sequence[Any],
    take: Callable[..., Any] = gradients.accept,
) -> list[Touched | None]:
    """Check everything; for each parameter the rows that are touched, all of them where `rows` has None."""
    return [
        None if own is None and g is None else _accept(w, k, own, g, take)
        for k, (own, g) in enumerate(zip(rows, grads, strict=True))
    ]


def _accept(w: Workspace, k: int, rows: Any, gradient: Any, take: Callable[..., Any]) -> Touched:
    p, name, variant = w.parameters[k], w.names[k], w.variant(k)
    reals = count_reals(p)
    if rows is None:
        given = take(gradient, p, f"gradient of {name}", w.occupied)
        if not (variant.has_lines or w.counts_rows(k)):
            return Touched(np.zeros(1, np.int64), given, 1, reals)
        rows = np.arange(_height(p, name, variant))
    else:
        height, rows = _height(p, name, variant), _row_numbers(rows, name)
        if rows.size and not (rows.min() >= 0 and rows.max() < height):
            outside = rows[(rows < 0) | (rows >= height)].flat[0]
            raise ValueError(
                f"rows of {name} has {outside}; expected numbers from 0 to {height - 1}"
            )
        given = take(gradient, p, f"gradient of {name}", w.occupied, rows.shape)
    width = reals // max(1, len(p))
    if width % variant.block:
        raise ValueError(
            f"parameter {name} has rows of {width} numbers; its slots are packed in blocks of {variant.block}"
        )
    return Touched(np.ascontiguousarray(rows, np.int64).reshape(-1), given, len(p), width)


def _height(p: np.ndarray, name: str, variant: Variant) -> int:
    if p.ndim < 2 or (p.ndim > 2 and variant.has_lines):
        most = "two" if variant.has_lines else "two or more"
        raise ValueError(f"parameter {name} has shape {p.shape}; step_rows needs {most} dimensions")
    if not p.flags.c_contiguous:
        raise ValueError(f"parameter {name} is in order {memory_order(p)!r}; step_rows needs 'C'")
    return len(p)


def _row_numbers(rows: Any, name: str) -> np.ndarray:
    try:
        numbers = np.asarray(rows)
    except ValueError:  # a ragged list
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "iu" and not (isinstance(rows, list | tuple) and not numbers.size):
        raise TypeError(
            f"rows of {name} is {gradients.describe(rows)}; expected an array of integers"
        )
    return numbers


class RowTables:
    """What steps over rows keep from one to the next: bitmaps of rows, room for tiles and for sums.

    Attributes
    ----------
    forced_shares : int or None
        As of `Runner`.
    """

    def __init__(self) -> None:
        self.forced_shares: int | None = None
        self._kept: dict[tuple[Any, ...], np.ndarray] = {}

    def build(
        self, w: Workspace, base: Sequence[Table], touched: Sequence[Touched | None]
    ) -> list[Table]:
        """The tables of a step, with a tile for each touched row, and the gradients' places in `w`."""
        w.gradients[:] = [0 if t is None else t.gradients.ctypes.data for t in touched]
        try:
            return [table.over(self._tiles(table, touched, w)) for table in base]
        except BaseException:  # also Ctrl+C: bits that stay set would say that rows are named again
            self._kept.clear()
            raise

    def _tiles(self, table: Table, touched: Sequence[Touched | None], w: Workspace) -> np.ndarray:
        own = [(j, k, t) for j, k in enumerate(table.tensors) if (t := touched[k]) is not None]
        length = [
            t.width if table.variant.has_lines else min(t.width, w.declared.tile) for *_, t in own
        ]
        chunks = [-(-t.width // max(1, n)) for (*_, t), n in zip(own, length, strict=True)]
        room = sum(len(t.rows) * n for (*_, t), n in zip(own, chunks, strict=True))
        tiles = self._room("tiles", int(table.tensors[0]), (room, 5), np.int64)
        count = before = 0
        for (j, k, t), most, pieces in zip(own, length, chunks, strict=True):
            if pieces:
                found = self._lay(t, k, (j, before), most, pieces, tiles[count:], table.variant)
                count += found
                before += found // pieces * t.width
        return tiles[:count]

    def _lay(
        self, t: Touched, k: int, place: tuple[int, int], length: int, chunks: int, tiles: np.ndarray,
        variant: Variant,
    ) -> int:  # fmt: skip
        """Write the tiles of one parameter's rows; how many there are."""
        words = -(-t.height // 64)
        seen, again = (self._room(name, k, (words,), np.uint64) for name in ("seen", "again"))
        later = self._room("later", k, t.rows.shape, np.int64)
        later = later[: driver.mark()(t.rows, seen, again, later)]
        named, first, sums = later, later, 0  # what is true if there are none
        if later.size:
            order = np.argsort(t.rows[later], kind="stable")
            mentions = t.rows[later[order]]
            starts = np.flatnonzero(np.diff(mentions, prepend=-1))
            named, first = mentions[starts], np.empty(len(starts), np.int64)
            sums = self._sums(k, len(starts), t.width, variant.dtype) - t.gradients.ctypes.data
        tiles = tiles[: (len(t.rows) - len(later)) * chunks]
        shape = t.width, length, variant.dtype.itemsize
        rest = t.rows, shape, place, seen, again, later, named, first, sums
        shares = self.forced_shares or threads.shares(2 * tiles.nbytes)
        Call(driver.lay, lambda n: (*rest, n), shares).run(tiles)
        if later.size:
            again[named >> 6] = 0
            positions = np.insert(later[order], starts, first)
            ends = np.append(starts, len(later)) + np.arange(len(starts) + 1)
            self._add_up(t, k, positions, ends, variant.gradient)
        return len(tiles)

    def _sums(self, k: int, count: int, width: int, dtype: np.dtype[Any]) -> int:
        """Where the sums of rows that are named again will be."""
        return int(self._room("sums", k, (count, width), dtype).ctypes.data)

    def _add_up(
        self, t: Touched, k: int, positions: np.ndarray, starts: np.ndarray, gradient: Storage
    ) -> None:
        """Add up the gradients of each row that is named again."""
        sums = self._room("sums", k, (len(starts) - 1, t.width), gradient.dtype)
        base = t.gradients.ctypes.data
        # a row in, and a sum out or its part
        moved = 2 * len(positions) * sums.itemsize * t.width
        shares = self.forced_shares or threads.shares(moved)
        kernel = partial(driver.add_up, gradient)
        Call(kernel, lambda n: (positions, starts, base, n), shares).run(sums)

    def _room(self, name: str, of: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Zeros at first; what was there before later."""
        kept = self._kept.get((name, of))
        if kept is None or kept.shape[1:] != shape[1:] or len(kept) < shape[0]:
            kept = self._kept[name, of] = np.zeros(shape, dtype)
        return kept[: shape[0]]


def by_count(w: Workspace, runner: Runner, touched: Sequence[Touched | None]) -> Runner:
    """A runner whose tables have a tensor, with a header row, for each step count that rows of it are at.

    For rules whose first step differs: a row's is its own first, whenever that comes.
    """
    if not counts_any(w, touched):
        return runner
    other = copy.copy(w)
    tables, other.header, sources = split_by_count(w, runner.tables or (), touched)
    other.gains, other.gradients = w.gains[sources], w.gradients[sources]
    made = Runner(other)
    made.tables, made.forced_shares = tables, runner.forced_shares
    return made


def counts_any(w: Workspace, touched: Sequence[Touched | None]) -> bool:
    """Whether any of these rows has a step count of its own."""
    return any(t is not None and w.counts_rows(k) for k, t in enumerate(touched))


def split_by_count(
    w: Workspace, tables: Sequence[Table], touched: Sequence[Touched | None]
) -> tuple[list[Table], np.ndarray, list[int]]:
    """Tables with more tensors, the header rows of all, and which tensor of the workspace each stands for."""
    counted = {k for k, t in enumerate(touched) if t is not None and w.counts_rows(k)}
    header = w.header
    headers, sources = [header], list(range(len(header)))
    split = []
    for table in tables:
        tensors, like = list(table.tensors), list(range(len(table.tensors)))
        for j, k in enumerate(table.tensors):
            if k in counted:
                own = np.flatnonzero(table.tiles[:, TENSOR] == j)
                steps, which = np.unique(_next(w, k, table, own), return_inverse=True)
                table.tiles[own, TENSOR] = len(tensors) + which
                tensors += range(len(sources), len(sources) + len(steps))
                like += [j] * len(steps)
                sources += [k] * len(steps)
                rows = np.repeat(header[k : k + 1], len(steps))
                rows["step"] = steps - 1
                headers.append(rows)
        split.append(table.with_tensors(tensors, like))
    return split, np.concatenate(headers), sources


def count(w: Workspace, stepped: Workspace, touched: Sequence[Touched | None]) -> None:
    """Take over the header rows that a step has advanced, and count the rows' own steps."""
    if stepped is not w:
        count_rows(w, touched)
        w.header[:] = stepped.header[: len(w.header)]


def count_rows(w: Workspace, touched: Sequence[Touched | None]) -> None:
    """Count the rows' own steps."""
    for k, t in enumerate(touched):
        if t is not None and w.counts_rows(k):
            counts = _row_steps(w, k)
            counts[t.rows] = counts[t.rows] + 1  # one that is named twice is counted once
            w.keep_row_steps(k, counts)


def _next(w: Workspace, k: int, table: Table, tiles: np.ndarray) -> np.ndarray:
    """Which step of its own each of these tiles' rows comes to."""
    height = len(w.parameters[k])
    width = count_reals(w.parameters[k]) // height
    counts: np.ndarray = _row_steps(w, k)[table.tiles[tiles, OFFSET] // width] + 1
    return counts


def _row_steps(w: Workspace, k: int) -> np.ndarray:
    """The step count of each row: so far the tensor's, unless rows have been stepped by themselves."""
    if k in w.row_steps:
        return w.row_steps[k]
    # as the host knew it before the step, which a device may have counted since
    return np.full(len(w.parameters[k]), w.settings["step"][k])
