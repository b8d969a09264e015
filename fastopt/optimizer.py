"""The base class of all optimizers: fastopt's own and yours."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastopt import checkpoint, embed
from fastopt.declarations import declare
from fastopt.formula import Formula
from fastopt.hyperparameters import Group, Value
from fastopt.state import State
from fastopt.step_info import StepInfo
from fastopt.tree import Forest, Structure, check_parameters, is_groups
from fastopt.workspace import Workspace

_DONE = StepInfo()


class Optimizer(Formula):
    """Base class: a subclass gives the formula, and gets every driver, storage and option.

    Parameters
    ----------
    params : array, nested sequences, mappings or dataclasses of arrays, or a sequence of groups
        What is updated, in place. float32 or float64 arrays of any shape, C- or F-contiguous,
        writable, that share no memory. A group is a mapping with ``"params"`` (any of these) and
        hyperparameters of its own.
    **hyperparameters
        Values by name: numbers, booleans, tuples of numbers, or names out of `choices`.

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

    # ---- construction -----------------------------------------------------------------------------

    def __init__(self, params: Any, **hyperparameters: Value) -> None:
        self._set_up({"maximize": False, **hyperparameters})
        self._forest.grouped = is_groups(params)
        self._add(params if self._forest.grouped else [{"params": params}])
        if not self._workspace.parameters:
            raise ValueError("params is empty; expected at least one array")

    def _set_up(self, defaults: Mapping[str, Value]) -> None:
        declared = declare(type(self), defaults)
        self._defaults = declared.check(defaults)
        self._workspace = Workspace(declared)
        self._forest = Forest()
        self._embedded: set[str] | None = None  # the slots of the kernel that jit_step handed out
        self._busy = threading.Lock()

    def _check(self, values: Mapping[str, Any]) -> dict[str, Value]:
        declared = self._workspace.declared
        checked = declared.check(values)
        if self._embedded is not None and self._embedded != declared.present(checked):
            raise RuntimeError(
                f"{type(self).__name__}: jit_step() has handed out a kernel for the slots "
                f"{sorted(self._embedded)}; a change of slots needs a new optimizer"
            )
        return checked

    def _add(self, groups: Sequence[Any]) -> None:
        w, forest = self._workspace, self._forest
        parsed = [self._parse(group) for group in groups]
        structures = [structure for _, structure in parsed]
        names = forest.names(structures, w.names)
        every = [leaf for group, _ in parsed for leaf in group["params"]]
        check_parameters([*w.parameters, *every], [*w.names, *(n for own in names for n in own)])
        for (group, structure), own in zip(parsed, names, strict=True):
            w.add(group, group["params"], own)
            forest.structures.append(structure)
        w.arrange()

    def _parse(self, group: Any) -> tuple[Group, Structure]:
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f'a group is a mapping with "params" and hyperparameters; got {group!r}'
            )
        own = {name: value for name, value in group.items() if name != "params"}
        unknown = set(own) - set(self._defaults)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: a group has {', '.join(sorted(map(str, unknown)))}; "
                f"known are {', '.join(self._defaults)}"
            )
        values = self._check({**self._defaults, **own})
        structure = Structure(group["params"])
        leaves = structure.leaves(group["params"], "params")
        return Group({"params": tuple(leaves), **values}, self._assign), structure

    def _assign(self, group: Group, new: Mapping[str, Any]) -> None:
        with self._alone("param_groups"):
            self._workspace.assign(group, self._check({**group.hyperparameters(), **new}))

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
        (StepInfo(skipped=False, grad_norm=None), (array([0.5, 0.5]),))
        """
        if self._embedded is not None:
            raise RuntimeError("add_param_group: jit_step() has handed out this optimizer's state")
        with self._alone("add_param_group"):
            before, self._forest.grouped = self._forest.grouped, True
            try:
                self._add([group])
            except BaseException:
                self._forest.grouped = before
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
        self._enter("step")
        try:
            self._workspace.step(self._forest.leaves(grads))
        finally:
            self._busy.release()
        return _DONE

    def _enter(self, what: str) -> None:
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(f"{what}: another thread is using this optimizer")

    @contextlib.contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        self._enter(what)
        try:
            yield
        finally:
            self._busy.release()

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
        return list(self._workspace.groups)

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
        with self._alone("state_dict"):
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
        """Give the step for use in ``@njit`` code: ``kernel(p, g, state)``.

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
        self._require_support("jit_step")
        kernel, state = embed.jit_step(self._workspace)
        self._embedded = set(self._workspace.slots[0])
        return kernel, state

    def _require_support(self, ability: str) -> None:
        if ability not in self.supports:
            raise TypeError(f"{type(self).__name__} does not support {ability}")

    # ---- copies -------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        w = self._workspace
        own = {k: v for k, v in self.__dict__.items() if k not in ("_workspace", "_busy")}
        arrays = [w.parameters[m.start : m.stop] for m in w.members]
        with self._alone("copy"):
            saved = checkpoint.to_dict(w)
        return {**own, "_embedded": None, "_saved": (arrays, saved)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays, saved = state.pop("_saved")
        forest = state["_forest"]
        self._set_up(state["_defaults"])
        self._forest.grouped = forest.grouped
        structures = zip(forest.structures, arrays, strict=True)
        self._add([{"params": structure.build(own)} for structure, own in structures])
        self._workspace.names = [n for group in saved["param_groups"] for n in group["param_names"]]
        checkpoint.load(self._workspace, saved, self._check, strict=True)
        self.__dict__.update(state)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            values = ", ".join(f"{k}={v!r}" for k, v in group.items() if k != "params")
            count = sum(p.size for p in group["params"])
            lines.append(
                f"    group {i}: {len(group['params'])} arrays, {count:,} numbers; {values}"
            )
        return "\n".join([*lines, ")"])
