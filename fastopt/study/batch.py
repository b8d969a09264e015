"""Many optimizers of two numbers each, made ready for the driver of trajectories.

What an optimizer is (rule, slots, header row, checks of hyperparameters) is asked of one that is made as usual. Where
hyperparameters differ between trajectories, each has a header row of its own; where they decide which slots there
are, trajectories are grouped by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.declarations import AVERAGE
from fastopt.drivers import threads, trajectories
from fastopt.drivers.compile import address
from fastopt.drivers.objective import SIGNATURE
from fastopt.hyperparameters import field_names
from fastopt.optimizer import Optimizer
from fastopt.stepping import Stepping
from fastopt.storage import native
from fastopt.study.columns import Column, at, groups, varies
from fastopt.study.objective import Objective
from fastopt.variant import Variant


@dataclass
class Kept:
    """What is kept of the steps of n trajectories; see `fastopt.drivers.trajectories.run`."""

    points: np.ndarray
    gradients: np.ndarray
    slots: np.ndarray
    running: np.ndarray
    reached: np.ndarray
    target: float = np.nan


def nothing(dtype: np.dtype[Any]) -> Kept:
    """Keeps only where trajectories end."""
    points, gradients, slots = (np.zeros((0, 0, 0, 2), dtype) for _ in range(3))
    return Kept(points, gradients, slots, np.zeros((0, 0, 0)), np.zeros(0, np.int64))


@dataclass
class Batch:
    """Trajectories that one kernel follows.

    Attributes
    ----------
    optimizer : Optimizer
        One like those of all of them.
    members : int64 (n,)
        Their numbers among all trajectories.
    points : (1, 2, n)
        Where they start; after `follow`, where they are.
    slots : (slots, 2, n)
        Likewise, those with the names `slot_names`.
    header : (n,) or (1,) header rows
    """

    optimizer: Optimizer
    variant: Variant
    mode: str
    members: np.ndarray
    points: np.ndarray
    slots: np.ndarray
    header: np.ndarray

    @property
    def slot_names(self) -> list[str]:
        """The names of the slots, in the order of `slots`."""
        return [_slot_name(self.variant, part.name) for part in self.variant.parts[1:]]

    def follow(self, objective: Objective, steps: int, kept: Kept) -> None:
        """Take the steps; in as many threads as `fastopt.set_num_threads` says."""
        run = trajectories.run(self.variant, self.mode)
        dtype = self.points.dtype
        needed = {
            "gradient": True,
            "value": "value" in self.optimizer.inputs or kept.reached.size > 0,
            "curvature": trajectories.CURVATURE in self.optimizer.folds,
        }
        held = {w: objective.compiled(w, dtype) for w, asked in needed.items() if asked}
        places = [address(held[w], SIGNATURE) if w in held else 0 for w in needed]
        plan = self.optimizer._workspace.scheduled.plan

        def share(first: int, last: int) -> None:
            header = self.header if self.mode == trajectories.OWN else self.header.copy()
            words = header.view(np.float64).reshape(len(header), -1)
            run(
                *places, objective.noise, objective.seed, first, last, steps, kept.target, self.points, self.slots,
                header, words, plan, kept.points, kept.gradients, kept.slots, kept.running, kept.reached,
            )  # fmt: skip

        shares = _shares(self.points.shape[2])
        share(0, 0)  # compiles, or loads, once
        if len(shares) == 1:
            share(*shares[0])
        else:
            with ThreadPoolExecutor(threads.get_num_threads()) as pool:
                for done in [pool.submit(share, *own) for own in shares]:
                    done.result()


def _shares(n: int) -> list[tuple[int, int]]:
    """Ranges of whole blocks, a few for each thread: one that has little to do takes more of them."""
    count, blocks = threads.get_num_threads(), -(-n // trajectories.BLOCK)
    parts = 1 if count == 1 else min(4 * count, blocks)
    ends = [min(n, blocks * i // parts * trajectories.BLOCK) for i in range(parts + 1)]
    return list(zip(ends, ends[1:], strict=False))


# ---- making them ------------------------------------------------------------------------------------


def batches(
    cls: type[Optimizer], starts: np.ndarray, hyperparameters: Mapping[str, Any]
) -> list[Batch] | None:
    """Batches for trajectories from starts (n, 2); None if they must be followed step by step.

    Raises
    ------
    TypeError, ValueError
        As the class does for hyperparameters that it does not take.
    """
    n = len(starts)
    varied = {k: v for k, v in hyperparameters.items() if varies(v)}
    first = cls(starts[0].copy(), **at(hyperparameters, 0))
    if not _takes(cls, first):
        return None
    declared, base = first._workspace.declared, first._workspace.groups[0].hyperparameters()
    columns = {
        name: Column(declared, name, value, n) for name, value in varied.items() if name in base
    }
    if any(name not in base or columns[name][0] != base[name] for name in varied):
        return None  # a constructor that makes something else of it
    together = groups(declared, base, columns, n)
    if len(together) == 1:
        return [_batch(first, np.arange(n), starts, columns)]
    found = []
    for members in together:
        own = cls(starts[members[0]].copy(), **at(hyperparameters, members[0]))
        found.append(_batch(own, members, starts[members], columns))
    return found


def _takes(cls: type[Optimizer], opt: Optimizer) -> bool:
    """Whether the driver does all that the steps of an optimizer do."""
    w = opt._workspace
    variant = w.variant(0)
    plain = all(part.storage == native(variant.dtype) for part in variant.parts)
    looks_ahead = trajectories.LOOKAHEAD in cls.moves
    own_step = cls.step not in (Stepping.step, Stepping._step_with_inputs)
    own_step = own_step or (cls._step is not Stepping._step and not looks_ahead)
    whole = any(measure.whole is not None for measure in variant.rule.measures)
    return plain and not own_step and not whole and not w.scheduled.names


def _batch(
    opt: Optimizer, members: np.ndarray, starts: np.ndarray, columns: Mapping[str, Column]
) -> Batch:
    w = opt._workspace
    variant, n = w.variant(0), len(members)
    mode = trajectories.mode(variant, not columns)
    header = np.repeat(w.header[:1], n if mode == trajectories.OWN else 1)
    for name, column in columns.items():
        for i, field in enumerate(field_names(header.dtype, name, tuple(column.numbers[0]))):
            header[field] = column.numbers[column.which[members], i]
    points = np.array(starts.T[None], order="C")
    slots = np.zeros((len(variant.parts) - 1, 2, n), points.dtype)
    for k, part in enumerate(variant.parts[1:]):
        initial = w.declared.slots[_slot_name(variant, part.name)].initial
        if initial is not None:
            slots[k] = _initial(initial, header, starts).T
    return Batch(opt, variant, mode, members, points, slots, header)


def _slot_name(variant: Variant, part: str) -> str:
    return AVERAGE if part == "e" else variant.rule.slots[int(part[1:])]


def _initial(initial: Any, header: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """A slot's first values (n, 2): for all at once where the function, as most do, looks at each number by itself."""
    n = len(starts)

    def one(k: int) -> np.ndarray:
        own = initial(header[k % len(header)], starts[k].copy())
        return np.broadcast_to(np.asarray(own, starts.dtype), 2)

    try:
        every = np.asarray(initial(header[:, None], starts), starts.dtype)
        every = np.broadcast_to(every, (n, 2))
        if all(np.array_equal(every[k], one(k), equal_nan=True) for k in {0, n // 2, n - 1}):
            return every
    except (TypeError, ValueError, IndexError):
        pass
    return np.array([one(k) for k in range(n)])
