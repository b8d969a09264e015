"""What is measured: an optimizer's step over so many numbers, beside its yardsticks."""

from __future__ import annotations

import importlib
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastopt
from fastopt import measure
from fastopt.bench.rounds import Call

# Steps without a slot are not what trainers mean by these.
_USED_WITH: dict[str, dict[str, Any]] = {"SGD": {"momentum": 0.9}}
# Beyond this a copy runs at the speed of memory, whatever its size.
_LARGEST_COPY = 1 << 24


@dataclass(frozen=True)
class Case:
    """A step of an optimizer over one array of so many numbers.

    Attributes
    ----------
    optimizer : str
        A class of fastopt's, or ``module:Class``.
    elements : int
    dtype : str
        "float32" or "float64".
    """

    optimizer: str
    elements: int
    dtype: str

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.optimizer}, {self.elements:,} {self.dtype}"


class NotMeasured(Exception):
    """Why there is no figure for a case."""


def optimizer_class(name: str) -> type[fastopt.Optimizer]:
    """The class of this name.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> from fastopt.bench.cases import optimizer_class
    >>> optimizer_class("AdamW") is optimizer_class("fastopt.optimizers.adamw:AdamW")
    True
    """
    module, _, attribute = name.rpartition(":")
    if not module and name not in fastopt.optimizers.__all__:
        known = ", ".join(fastopt.optimizers.__all__)
        raise ValueError(f"no optimizer {name!r}; expected module:Class, or one of {known}")
    try:
        found = getattr(importlib.import_module(module or "fastopt"), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"optimizer {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, fastopt.Optimizer)):
        raise ValueError(f"optimizer {name!r} is {found!r}; expected a subclass of Optimizer")
    return found


class Subject:
    """A case with its arrays, ready to be measured.

    Attributes
    ----------
    calls : dict of callables
        ``own``, the step; ``twin``, its traffic twin; ``copy``, a copy that moves as many bytes, by fastopt's
        drivers as well; ``numpy``, an addition over parameter and gradient by NumPy, which no change of fastopt touches.
    moved, copied : float
        Bytes that a step moves, and that the copy moves.
    shares : int
        By how many threads the step runs.
    parameter, gradient : array
    hyperparameters : dict
        Those that are not the class's own.
    """

    def __init__(self, case: Case) -> None:
        cls = optimizer_class(case.optimizer)
        if any(m.whole is not None for m in cls.measures):
            raise NotMeasured("matrix products, not traffic, are its time")
        arrays = 2 + len(cls.slots)
        if case.elements * np.dtype(case.dtype).itemsize * arrays > _memory():
            raise NotMeasured("it does not fit into memory")
        shape = shape_of(case.elements, cls.dimensions)
        # Positive numbers: the twin adds them to second moments too, whose roots the step goes on to take.
        p, g = np.ones(shape, case.dtype), np.full(shape, 1e-3, case.dtype)
        self.hyperparameters = _USED_WITH.get(case.optimizer, {})
        opt = make(cls, p, **self.hyperparameters)
        twin = measure.Twin(opt)
        self.parameter, self.gradient = p, g
        self.moved = float(sum(t.bytes for t in opt._workspace.tables))
        self.shares = max(opt._runner._shares(t) for t in opt._workspace.tables)
        copied = min(_LARGEST_COPY, max(1, round(self.moved / 2 / p.itemsize)))
        copy, source = measure.Copy(np.zeros(copied, p.dtype)), np.ones(copied, p.dtype)
        self.copied = 2.0 * source.nbytes
        inputs = dict.fromkeys(cls.inputs, 1.0)
        step = opt.step
        self.calls: dict[str, Call] = {
            "own": (lambda: step(g, **inputs)) if inputs else (lambda: step(g)),
            "twin": lambda: twin.step(g),
            "copy": lambda: copy.step(source),
            "numpy": lambda: np.add(p, g, out=p),
        }


def _memory() -> float:
    """Bytes of memory that the machine has, as far as it tells."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def make(cls: type[fastopt.Optimizer], p: np.ndarray, **hyperparameters: Any) -> Any:
    """An optimizer that steps whenever it is asked to; NAG's look-ahead is no part of what is measured."""
    try:
        opt: Any = cls(p, **hyperparameters)
    except TypeError:  # it has no learning rate of its own
        opt = cls(p, lr=1e-3, **hyperparameters)
    if hasattr(opt, "_require_ahead"):
        opt._require_ahead = lambda *_: None
    return opt


def shape_of(elements: int, dimensions: int | None) -> tuple[int, ...]:
    """A matrix, as most parameters are, as near a square as powers of two make it; a vector where it must be."""
    if dimensions == 1:
        return (elements,)
    width = math.gcd(elements, 1 << (elements.bit_length() // 2))
    return (elements // width, width) if width > 1 or dimensions == 2 else (elements,)
