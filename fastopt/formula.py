"""What a subclass of `Optimizer` writes: its mathematics, and what it declares about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fastopt.hyperparameters import Domain, Value
from fastopt.measures import Measure
from fastopt.slots import Slot
from fastopt.storage import Storage
from fastopt.table import TILE


class Formula:
    """The part of an optimizer that its author writes.

    Attributes
    ----------
    slots : mapping of str to Slot
        Declared by the class: what the formula keeps for every element, in the order in which `update`
        sees it.
    running : mapping of str to float
        Declared by the class: header fields that `advance` renews, with their initial values.
    shared : tuple of str
        Declared by the class: those of `running` that are one number for all tensors; `advance` renews them also for
        tensors without a gradient.
    inputs : tuple of str
        Declared by the class: numbers that a step needs beside gradients, such as ``"value"``, that of the objective.
        `step` and `propose` take them by keyword, and they are header fields; their sign is turned for
        ``maximize=True``, as the gradient's is.
    measures : tuple of Measure
        Declared by the class: what must be summed before an update, stage by stage.
    moves : mapping of str to callable
        Declared by the class: other changes ``move(c, p, s) -> (p, (slots...))`` of parameters
        and slots, with the coefficients of the coming step.
    folds : mapping of str to callable
        Declared by the class: how other arrays than gradients are taken in, ``fold(c, p, a, s) -> (p, (slots...))``:
        a number for each element, its sign turned for ``maximize=True``; otherwise like `moves`.
    domains : mapping of str to Interval or tuple of Interval
        Declared by the class: what values hyperparameters may take, where their name does not say it; a tuple
        has an entry for each value.
    choices : mapping of str to tuple of str
        Declared by the class: the names that a hyperparameter may be.
    storages : mapping of str to callable
        Declared by the class: slot name to a function of the dtype that gives a `Storage`; slots
        are kept as plain numbers otherwise.
    first_step : bool or str
        Declared by the class: whether its first step differs from those that follow, so that rows which are stepped by
        themselves (`Optimizer.step_rows`) each have a step count of their own; or a hyperparameter without which
        it does not.
    dimensions : int or None
        Declared by the class: how many dimensions parameters must have; any number by default.
    supports : set of str
        Declared by the class: which of the abilities ``"jit_step"``, ``"complex"`` (parameters, updated as pairs
        of reals) and ``"rows"`` it has, by default all; with `inputs` never ``"jit_step"`` nor ``"rows"``. Asking for
        another is a TypeError.
    """

    slots: ClassVar[Mapping[str, Slot]] = {}
    running: ClassVar[Mapping[str, float]] = {}
    shared: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ()
    measures: ClassVar[tuple[Measure, ...]] = ()
    moves: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    folds: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    domains: ClassVar[Mapping[str, Domain]] = {}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    storages: ClassVar[Mapping[str, Callable[[np.dtype[Any]], Storage]]] = {}
    dimensions: ClassVar[int | None] = None
    first_step: ClassVar[bool | str] = False
    supports: ClassVar[frozenset[str]] = frozenset({"jit_step", "complex", "rows"})
    tile: ClassVar[int] = TILE

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        """Numbers that are the same for a whole tensor, once per step, in float64.

        Parameters
        ----------
        h : record
            The header row: hyperparameters by name (``betas`` as ``beta1``, ``beta2``), running fields, inputs,
            results of measures; ``size`` is the number of the tensor's elements (a complex one counts as two),
            ``rows`` and ``columns`` are those of its last two dimensions, 0 if it has fewer.
        t : int
            The number of this step, from 1.
        """
        raise NotImplementedError("an optimizer must define coefficients(h, t)")

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        """One element's step, in the dtype of the parameters: ``return p, (slots...)``.

        Parameters
        ----------
        c : tuple
            What `coefficients` returned.
        p, g : float
            Parameter and gradient (its sign turned for ``maximize=True``).
        s : tuple
            The slots, 0 for those that are absent.
        """
        raise NotImplementedError("an optimizer must define update(c, p, g, s)")

    #: A static method ``advance(h, t)`` that returns the new values of the running fields; none by default.
    advance: ClassVar[Any] = None

    @classmethod
    def validate(cls, hyperparameters: Mapping[str, Value]) -> None:
        """Raise ValueError for values that do not go together; each by itself is already checked."""
