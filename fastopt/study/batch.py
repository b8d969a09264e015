"""Many optimizers of two numbers each, made ready for the driver of trajectories.

What an optimizer is (rule, slots, header row, checks of hyperparameters) is asked of one that is made as usual. Where
hyperparameters differ between trajectories, each has a header row of its own; where they decide which slots there
are, trajectories are grouped by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.declarations import AVERAGE, Declarations
from fastopt.drivers import threads, trajectories
from fastopt.drivers.compile import address
from fastopt.drivers.objective import SIGNATURE
from fastopt.formula import Formula
from fastopt.hyperparameters import as_numbers, check, field_names
from fastopt.optimizer import Optimizer
from fastopt.stepping import Stepping
from fastopt.storage import native
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


def count(starts: np.ndarray, hyperparameters: Mapping[str, Any]) -> int:
    """How many trajectories there are.

    Raises
    ------
    ValueError
        If starts and arrays among the hyperparameters are not of one length.
    TypeError
        For arrays of other objects.
    """
    lengths = {"starts": 1 if starts.ndim == 1 else len(starts)}
    for name, value in hyperparameters.items():
        for column in _columns(value):
            if isinstance(column, np.ndarray) and column.ndim:
                if column.dtype.kind not in "biufU":
                    raise TypeError(
                        f"{name} is an array of {column.dtype}; expected numbers, switches or names"
                    )
                lengths[name] = len(column)
    n = max((own for own in lengths.values() if own != 1), default=1)
    for name, own in lengths.items():
        if own not in (1, n) or own == 0 != n:
            first = next(other for other, length in lengths.items() if length == n)
            raise ValueError(
                f"{name} has length {own} and {first} has {n}; expected arrays of one length"
            )
    return 0 if 0 in lengths.values() else n


def check_single(hyperparameters: Mapping[str, Any]) -> None:
    """Raise ValueError for arrays, which have a value for each of many trajectories."""
    for name, value in hyperparameters.items():
        if varies(value):
            raise ValueError(f"{name} is an array; expected one value")


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
        name: _Column(declared, name, value, n) for name, value in varied.items() if name in base
    }
    if any(name not in base or columns[name][0] != base[name] for name in varied):
        return None  # a constructor that makes something else of it
    groups = _groups(declared, base, columns, n)
    if not columns or len(groups) == 1:
        return [_batch(first, np.arange(n), starts, columns)]
    found = []
    for members in groups:
        own = cls(starts[members[0]].copy(), **at(hyperparameters, members[0]))
        found.append(_batch(own, members, starts[members], columns))
    return found


def at(hyperparameters: Mapping[str, Any], k: int) -> dict[str, Any]:
    """The hyperparameters of trajectory k."""
    return {name: _at(value, k) for name, value in hyperparameters.items()}


def _at(value: Any, k: int) -> Any:
    if not varies(value):
        return value
    own = [
        c[k if len(c) > 1 else 0].item() if isinstance(c, np.ndarray) and c.ndim else c
        for c in _columns(value)
    ]
    single = isinstance(value, np.ndarray) and value.ndim == 1
    return own[0] if single else tuple(own)


def _columns(value: Any) -> list[Any]:
    """The numbers of a hyperparameter, each one for all trajectories or an array."""
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return list(value.T)
    if isinstance(value, tuple | list):
        return list(value)
    return [value]


def varies(value: Any) -> bool:
    """Whether a hyperparameter has a value of its own for each trajectory."""
    return any(isinstance(c, np.ndarray) and c.ndim > 0 for c in _columns(value))


class _Column:
    """A hyperparameter that differs between trajectories, checked: each value once."""

    def __init__(self, declared: Declarations, name: str, value: Any, n: int) -> None:
        columns = [np.broadcast_to(np.asarray(c), n) for c in _columns(value)]
        table = np.stack(columns, axis=1)
        different, self.which = np.unique(table, axis=0, return_inverse=True)
        self.which = self.which.reshape(-1)
        kind, choices = declared.kinds[name], declared.choices(name)
        self.values = [
            check(
                declared.optimizer.__name__, name, tuple(row.tolist()) if isinstance(kind, tuple) else row[0].item(),
                kind, declared.domain(name), choices,
            )
            for row in different
        ]  # fmt: skip
        self.numbers = np.array([as_numbers(v, choices) for v in self.values])

    def __getitem__(self, k: int) -> Any:
        return self.values[self.which[k]]


def _groups(
    declared: Declarations, base: Mapping[str, Any], columns: Mapping[str, _Column], n: int
) -> list[np.ndarray]:
    """Trajectories by the slots that they have; checks that the hyperparameters of each go together."""
    checks = _overrides(declared.optimizer) or "bounds" in columns
    depends = any(slot.when is not None for slot in declared.slots.values())
    if not columns or not (checks or depends):
        return [np.arange(n)]
    asked = {"bounds"}
    while True:  # until it is known which hyperparameters count: only these are gone through
        counted = columns.keys() & asked
        combination = np.zeros(n, np.int64)
        for name in counted:
            which = columns[name].which
            _, combination = np.unique(combination * n + which, return_inverse=True)
        _, places = np.unique(combination, return_index=True)
        kept = []
        for k in places:
            values = {**base, **{name: column[k] for name, column in columns.items()}}
            if checks:
                declared.optimizer.validate(_Asked(declared.validate(values, 0), asked))
            kept.append(sorted(declared.present(_Asked(values, asked))))
        if columns.keys() & asked == counted:
            break
    number = np.array([kept.index(slots) for slots in kept])[combination]
    groups = (np.flatnonzero(number == k) for k in np.unique(number))
    return sorted(groups, key=lambda members: int(members[0]))


class _Asked(Mapping[str, Any]):
    """Hyperparameters that note which of them are asked for."""

    def __init__(self, values: Mapping[str, Any], asked: set[str]) -> None:
        self._values, self._asked = values, asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _overrides(cls: type[Formula]) -> bool:
    owner = next(base for base in cls.__mro__ if "validate" in vars(base))
    return owner is not Formula


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
    opt: Optimizer, members: np.ndarray, starts: np.ndarray, columns: Mapping[str, _Column]
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
