"""The base class of all optimizers: fastopt's own and yours."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastopt import checkpoint, embed
from fastopt.hyperparameters import ANY, DOMAINS, Group, Interval, Value, check, fields
from fastopt.slots import Slot
from fastopt.state import State
from fastopt.storage import Storage
from fastopt.table import TILE
from fastopt.tree import Structure, check_parameters, is_groups
from fastopt.variant import Rule
from fastopt.workspace import Declarations, Workspace


class StepInfo(NamedTuple):
    """What `Optimizer.step` tells.

    Attributes
    ----------
    skipped : bool
        Whether nothing was updated because a gradient was not finite.
    grad_norm : float or None
        The global L2 norm of the gradients, where the step needed it.

    Examples
    --------
    >>> fastopt.SGD(np.ones(3), lr=0.1).step(np.ones(3))
    StepInfo(skipped=False, grad_norm=None)
    """

    skipped: bool = False
    grad_norm: float | None = None


_DONE = StepInfo()


class Optimizer:
    """Base class: a subclass gives the formula, and gets every driver, storage and option.

    Parameters
    ----------
    params : array, nested sequences, mappings or dataclasses of arrays, or a sequence of groups
        What is updated, in place. float32 or float64 arrays of any shape, C- or F-contiguous,
        writable, that share no memory. A group is a mapping with ``"params"`` (any of these) and
        hyperparameters of its own.
    **hyperparameters
        Values by name: numbers, booleans, tuples of numbers, or names out of `choices`.

    Attributes
    ----------
    slots : mapping of str to Slot
        Declared by the class: what the formula keeps for every element, in the order in which `update`
        sees it.
    running : mapping of str to float
        Declared by the class: header fields that `advance` renews, with their initial values.
    moves : mapping of str to callable
        Declared by the class: other changes ``move(c, p, s) -> (p, (slots...))`` of parameters
        and slots, with the coefficients of the coming step.
    domains : mapping of str to Interval
        Declared by the class: what values hyperparameters may take, where their name does not say it.
    choices : mapping of str to tuple of str
        Declared by the class: the names that a hyperparameter may be.
    storages : mapping of str to callable
        Declared by the class: slot name to a function of the dtype that gives a `Storage`; slots
        are kept as plain numbers otherwise.

    Raises
    ------
    TypeError, ValueError
        For whatever cannot be updated in place, and for hyperparameters outside their domain.

    Examples
    --------
    Sign descent with momentum, in ten lines:

    >>> from fastopt.scalar import sign
    >>> class Signum(fastopt.Optimizer):
    ...     slots = {"momentum_buffer": fastopt.Slot()}
    ...     def __init__(self, params, lr=1e-3, momentum=0.9):
    ...         super().__init__(params, lr=lr, momentum=momentum)
    ...     @staticmethod
    ...     def coefficients(h, t):
    ...         return h["lr"], h["momentum"], 1 - h["momentum"]
    ...     @staticmethod
    ...     def update(c, p, g, s):
    ...         lr, mu, a = c
    ...         (m,) = s
    ...         m = mu * m + a * g
    ...         return p - lr * sign(m), (m,)
    >>> w = np.array([1.0, -2.0])
    >>> Signum(w, lr=0.5).step(np.array([3.0, -4.0]))
    StepInfo(skipped=False, grad_norm=None)
    >>> w
    array([ 0.5, -1.5])
    """

    slots: ClassVar[Mapping[str, Slot]] = {}
    running: ClassVar[Mapping[str, float]] = {}
    moves: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    domains: ClassVar[Mapping[str, Interval]] = {}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    storages: ClassVar[Mapping[str, Callable[[np.dtype[Any]], Storage]]] = {}
    tile: ClassVar[int] = TILE

    # ---- the rule: what a subclass writes ---------------------------------------------------------

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        """Numbers that are the same for a whole tensor, once per step, in float64.

        Parameters
        ----------
        h : record
            The header row: hyperparameters by name (``betas`` as ``beta1``, ``beta2``), running fields.
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

    advance: ClassVar[Callable[[Any, Any], tuple[Any, ...]] | None] = None

    @classmethod
    def validate(cls, hyperparameters: Mapping[str, Value]) -> None:
        """Raise ValueError for values that do not go together; each by itself is already checked."""

    # ---- construction -----------------------------------------------------------------------------

    def __init__(self, params: Any, **hyperparameters: Value) -> None:
        self._set_up({"maximize": False, **hyperparameters})
        groups = list(params) if is_groups(params) else [{"params": params}]
        self._grouped = is_groups(params)
        for group in groups:
            self._add(group)
        if not self._workspace.parameters:
            raise ValueError("params is empty; expected at least one array")

    def _set_up(self, defaults: Mapping[str, Value]) -> None:
        signature = inspect.signature(type(self).__init__).parameters
        plain = {n: p.default for n, p in signature.items() if p.default is not p.empty}
        self._kinds = {name: plain.get(name, value) for name, value in defaults.items()}
        self._embedded: set[str] | None = None  # the slots of the kernel that jit_step handed out
        self._defaults = self._check(defaults)
        self._structures: list[Structure] = []
        self._workspace = Workspace(self._declarations())
        self._busy = threading.Lock()

    def _declarations(self) -> Declarations:
        cls = type(self)
        layout = [("step", "i8"), ("lr", "f8"), ("weight_decay", "f8"), ("maximize", "?")]
        known = {name for name, _ in layout}
        for name, kind in self._kinds.items():
            layout += [field for field in fields(name, kind) if field[0] not in known]
        layout += [(name, "f8") for name in cls.running]
        rule = Rule(
            name=_unique_name(cls),
            header=np.dtype(layout, align=True),
            slots=tuple(cls.slots),
            coefficients=cls.coefficients,
            update=cls.update,
            advance=cls.advance,
            running=tuple(cls.running),
            moves=tuple(cls.moves.items()),
        )
        return Declarations(rule, cls.slots, cls.running, cls.choices, cls.storages, cls.tile)

    def _check(self, values: Mapping[str, Any]) -> dict[str, Value]:
        cls = type(self)
        checked = {}
        for name, value in values.items():
            domain = cls.domains.get(name, DOMAINS.get(name, ANY))
            kind, choices = self._kinds[name], cls.choices.get(name, ())
            checked[name] = check(cls.__name__, name, value, kind, domain, choices)
        cls.validate(checked)
        if self._embedded is not None and self._embedded != {
            name for name, slot in cls.slots.items() if slot.present(checked)
        }:
            raise RuntimeError(
                f"{cls.__name__}: jit_step() has handed out a kernel for the slots "
                f"{sorted(self._embedded)}; a change of slots needs a new optimizer"
            )
        return checked

    def _add(self, group: Mapping[str, Any]) -> None:
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f'a group is a mapping with "params" and hyperparameters; got {group!r}')
        own = {name: value for name, value in group.items() if name != "params"}
        unknown = set(own) - set(self._defaults)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: a group has {', '.join(sorted(unknown))}; "
                f"known are {', '.join(self._defaults)}"
            )
        values = self._check({**self._defaults, **own})
        structure = Structure(group["params"])
        leaves = structure.leaves(group["params"], "params")
        names = structure.names
        if self._grouped:
            index = str(len(self._structures))
            names = [index if structure.single else f"{index}/{name}" for name in names]
        w = self._workspace
        check_parameters([*w.parameters, *leaves], [*w.names, *names])
        self._structures.append(structure)
        w.add(Group({"params": leaves, **values}, self._check, w.regroup), leaves, names)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with hyperparameters of their own.

        From then on gradients come as a sequence with an entry for each group.

        Parameters
        ----------
        group : mapping
            ``{"params": ..., "lr": ..., ...}``; what it leaves out is as for the first groups.

        Examples
        --------
        >>> opt = fastopt.SGD(np.ones(3), lr=0.1)
        >>> opt.add_param_group({"params": np.ones(2), "lr": 0.5})
        >>> opt.step([np.ones(3), np.ones(2)]), opt.param_groups[1]["params"]
        (StepInfo(skipped=False, grad_norm=None), [array([0.5, 0.5])])
        """
        if self._embedded is not None:
            raise RuntimeError("add_param_group: jit_step() has handed out this optimizer's state")
        with self._alone("add_param_group"):
            before, self._grouped = self._grouped, True
            try:
                self._add(group)
            except BaseException:
                self._grouped = before
                raise

    # ---- steps ------------------------------------------------------------------------------------

    def step(self, grads: Any) -> StepInfo:
        """Update the parameters in place.

        Parameters
        ----------
        grads : structured as `params`
            Arrays of the parameters' shapes and dtypes, any strides; only read. None leaves
            that parameter, its slots and its step count alone.

        Returns
        -------
        StepInfo

        Raises
        ------
        TypeError, ValueError
            If a gradient does not fit or overlaps a parameter or a slot; nothing was changed.
        RuntimeError
            If another thread is stepping this optimizer.

        Examples
        --------
        >>> w = {"W": np.ones((2, 2)), "b": np.zeros(2)}
        >>> opt = fastopt.SGD(w, lr=0.5)
        >>> info = opt.step({"W": np.ones((2, 2)), "b": None})
        >>> w["W"]
        array([[0.5, 0.5],
               [0.5, 0.5]])
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("step: another thread is using this optimizer")
        try:
            self._workspace.step(self._leaves(grads))
        finally:
            self._busy.release()
        return _DONE

    def _leaves(self, grads: Any) -> list[Any]:
        if not self._grouped:
            return self._structures[0].leaves(grads, "grads")
        expected = len(self._structures)
        if not isinstance(grads, list | tuple) or len(grads) != expected:
            got = f"{len(grads)} entries" if isinstance(grads, list | tuple) else repr(type(grads))
            raise ValueError(f"grads: {got}; expected a list with an entry for each of {expected} groups")
        leaves: list[Any] = []
        for i, (structure, entry) in enumerate(zip(self._structures, grads, strict=True)):
            if isinstance(entry, Mapping) and "params" in entry and set(structure.names) != {"params"}:
                entry = entry["params"]
            elif isinstance(entry, Mapping) and structure.single:
                entry = entry.get("params", entry)
            leaves += structure.leaves(entry, f"grads[{i}]")
        return leaves

    def _move(self, name: str, active: np.ndarray | None = None) -> None:
        """Run one of the class's `moves` over all tensors, or those where `active` is not 0."""
        with self._alone(name):
            self._workspace.move(name, active)

    def _alone(self, what: str) -> _Alone:
        return _Alone(self._busy, what)

    # ---- what can be seen and changed ---------------------------------------------------------------

    @property
    def param_groups(self) -> list[Group]:
        """The groups: dicts of hyperparameters, writable, checked on assignment.

        Examples
        --------
        >>> opt = fastopt.Adam(np.ones(3), lr=0.1)
        >>> opt.param_groups[0]["lr"] *= 0.5
        >>> opt.param_groups[0]["lr"]
        0.05
        """
        return self._workspace.groups

    @property
    def state(self) -> State:
        """Slots and step counts: ``opt.state[key][slot]``, key a position or a name such as ``layer1/W``.

        Examples
        --------
        >>> opt = fastopt.Adam({"W": np.ones(2)}, lr=0.1)
        >>> info = opt.step({"W": np.ones(2)})
        >>> opt.state["W"]["exp_avg"], opt.state[0]["step"]
        (array([0.1, 0.1]), 1)
        """
        return State(self._workspace)

    def state_dict(self) -> dict[str, Any]:
        """Slots, step counts and hyperparameters, copied, in the layout of torch.optim.

        Returns
        -------
        dict
            ``{"state": {position: {"step": int, slot: array, ...}}, "param_groups": [...]}``; each group has the
            positions of its parameters under ``"params"`` and their names under ``"param_names"``.
        """
        return checkpoint.to_dict(self._workspace)

    def load_state_dict(self, d: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what `state_dict` gave, of this optimizer or of torch's of the same name.

        Parameters
        ----------
        d : mapping
            Values are copied. A parameter without an entry counts as never stepped.
        strict : bool
            Whether slots and hyperparameters that this optimizer does not have are errors, or ignored.

        Raises
        ------
        ValueError
            If it does not fit; nothing was changed.
        """
        with self._alone("load_state_dict"):
            checkpoint.load(self._workspace, d, self._check, strict)

    def jit_step(self) -> tuple[Any, Any]:
        """This optimizer's step for use in ``@njit`` code: ``kernel(p, g, state)``.

        Returns
        -------
        kernel : callable
            From Python and from compiled code, for a 1-D or contiguous array of the parameter's dtype. Runs in
            the calling thread.
        state : tuple
            This optimizer's own slots and step count, not a copy.

        Raises
        ------
        ValueError
            Unless the optimizer has exactly one parameter.

        Examples
        --------
        >>> w = np.ones(4)
        >>> opt = fastopt.SGD(w, lr=0.25)
        >>> kernel, state = opt.jit_step()
        >>> kernel(w, np.ones(4), state)
        >>> w, opt.state[0]["step"]
        (array([0.75, 0.75, 0.75, 0.75]), 1)
        """
        kernel, state = embed.jit_step(self._workspace)
        self._embedded = set(self._workspace.slots[0])
        return kernel, state

    # ---- copies -------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        w = self._workspace
        own = {k: v for k, v in self.__dict__.items() if k not in ("_workspace", "_busy")}
        return {
            **own,
            "_embedded": None,
            "_saved": ([dict(group) for group in w.groups], checkpoint.to_dict(w)),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        groups, saved = state.pop("_saved")
        structures, grouped = state["_structures"], state["_grouped"]
        self._kinds = state["_kinds"]
        self._set_up(state["_defaults"])
        self._grouped = grouped
        for group, structure in zip(groups, structures, strict=True):
            self._add({**group, "params": structure.build(group["params"])})
        checkpoint.load(self._workspace, saved, self._check, strict=True)
        self.__dict__.update(state, _structures=self._structures)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            values = ", ".join(f"{k}={v!r}" for k, v in group.items() if k != "params")
            count = sum(p.size for p in group["params"])
            lines.append(f"    group {i}: {len(group['params'])} arrays, {count:,} numbers; {values}")
        return "\n".join([*lines, ")"])


class _Alone:
    """Refuses a second thread instead of waiting for the first."""

    def __init__(self, lock: threading.Lock, what: str) -> None:
        self._lock, self._what = lock, what

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"{self._what}: another thread is using this optimizer")

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def _unique_name(cls: type) -> str:
    """A name for files: two scripts' classes of the same name must not share cached kernels."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if not cls.__module__.startswith("fastopt."):
        where = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        name += "-" + hashlib.sha256(where.encode()).hexdigest()[:8]
    return re.sub(r"[^\w.-]", "_", name)
