"""What every optimizer holds: parameters in groups, slots, and the dicts and copies of them."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib.util
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastopt import checkpoint, tree
from fastopt.declarations import AVERAGE, declare
from fastopt.formula import Formula
from fastopt.hyperparameters import OPTIONS, Group, Value
from fastopt.runner import Runner
from fastopt.state import State
from fastopt.tree import Forest, Structure, check_parameters, is_groups
from fastopt.workspace import Workspace


class Stateful(Formula):
    """The part of `fastopt.Optimizer` that holds and shows its state."""

    # ---- construction -----------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _with_options(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, params: Any, **hyperparameters: Value) -> None:
        asked = {**hyperparameters, **self.__dict__.pop("_options", {})}
        left_out = [name for name in OPTIONS if asked.get(name, 0) is None]
        self._set_up({"maximize": False, **{n: v for n, v in asked.items() if n not in left_out}})
        self._forest.grouped = is_groups(params)
        self._add(params if self._forest.grouped else [{"params": params}])
        if not self._workspace.parameters:
            raise ValueError("params is empty; expected at least one array")

    def _set_up(self, defaults: Mapping[str, Value]) -> None:
        declared = declare(type(self), defaults)
        self._defaults = declared.check(defaults)
        self._workspace = Workspace(declared)
        self._runner: Any = Runner(self._workspace)  # or that of a device
        self._forest = Forest()
        self._embedded: set[str] | None = None  # the slots of the kernel that jit_step handed out
        self._accumulator: Any = None
        self._rows: Any = None  # what step_rows keeps
        self.monitor = self.exact = False
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
        flat = [n for own in names for n in own]
        if w.on_device or any(tree.on_device(leaf) for leaf in every):
            every = self._on_device(every, flat)
            w = self._workspace
        check_parameters([*w.parameters, *every], [*w.names, *flat])
        self._check_supported(every, flat)
        leaves = iter(every)
        for (group, structure), own in zip(parsed, names, strict=True):
            w.add(group, [next(leaves) for _ in own], own)
            forest.structures.append(structure)
        w.arrange()

    def _on_device(self, parameters: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Parameters on a CUDA device, where workspace and runner will be too."""
        if importlib.util.find_spec("numba_cuda") is None:
            raise ImportError(
                f"parameter {names[0]}, or one beside it, is on a CUDA device, which needs numba-cuda; expected "
                "pip install 'fastopt[cuda13]', or cuda12"
            )
        from fastopt import device

        found, place = device.adopted(self._workspace, type(self), parameters, names)
        if not self._workspace.on_device:
            self._workspace, self._runner = device.moved(self._workspace, place)
        return found

    def _check_supported(self, parameters: Sequence[Any], names: Sequence[str]) -> None:
        lines = any(slot.of_lines for slot in self.slots.values())
        for p, name in zip(parameters, names, strict=True):
            if p.dtype.kind == "c" and "complex" not in self.supports:
                raise TypeError(
                    f"parameter {name} has dtype {p.dtype}; {type(self).__name__} takes real numbers only"
                )
            if self.dimensions is not None and p.ndim != self.dimensions:
                raise ValueError(
                    f"parameter {name} has shape {p.shape}; {type(self).__name__} takes arrays of "
                    f"{self.dimensions} dimensions only, others need another optimizer"
                )
            if lines and p.ndim > 2 and not p.flags.c_contiguous:
                raise ValueError(
                    f"parameter {name} has {p.ndim} dimensions in Fortran order; {type(self).__name__} takes "
                    "more than two in C order only"
                )

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
            values = self._check({**group.hyperparameters(), **new})
            self._check_followed(group, values)
            self._workspace.assign(group, values)

    def _check_followed(self, group: Group, values: Mapping[str, Value]) -> None:
        if self._embedded is not None and _schedules(values) != _schedules(group):
            raise RuntimeError(
                f"{type(self).__name__}: jit_step() has handed out a kernel that follows this group's "
                "schedules; another schedule needs a new optimizer"
            )

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

    def _force_shares(self, shares: int | None) -> None:
        """Split every pass into so many shares, whatever its size; None: as measured."""
        self._runner.force_shares(shares)

    def _require_host(self, what: str) -> None:
        if self._workspace.on_device:
            raise TypeError(
                f"{what}: {type(self).__name__} has parameters on a CUDA device; expected host memory, where the compiled "
                "code runs that is to call it"
            )

    def _require_support(self, ability: str) -> None:
        if ability not in self.supports:
            raise TypeError(f"{type(self).__name__} does not support {ability}")

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

    @property
    def steps_taken(self) -> int:
        """Steps so far, without those that were skipped: what schedules are given."""
        return int(self._workspace.counters[0])

    @property
    def skipped_steps(self) -> int:
        """Steps that `skip_nonfinite` has skipped."""
        return int(self._workspace.counters[1])

    @property
    def ema_params(self) -> Any:
        """The moving average of the parameters that `ema_decay` keeps, structured as `params`; views, not copies.

        Raises
        ------
        RuntimeError
            Without `ema_decay`.

        Examples
        --------
        >>> w = np.array([1.0, 2.0])
        >>> opt = fastopt.SGD(w, lr=1.0, ema_decay=0.5)
        >>> info = opt.step(np.array([1.0, 1.0]))
        >>> w, opt.ema_params
        (array([0., 1.]), array([0.5, 1.5]))
        """
        w = self._workspace
        if AVERAGE not in w.declared.slots:
            raise RuntimeError(
                f"ema_params: {type(self).__name__} keeps no average; give it ema_decay, such as 0.999"
            )
        return self._forest.build([own[AVERAGE].read() for own in w.slots])

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
        RuntimeError
            If `jit_step` has handed out a kernel for other slots or schedules.
        """
        with self._alone("load_state_dict"):
            checkpoint.load(self._workspace, d, self._check, self._check_followed, strict)

    # ---- copies -------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        w = self._workspace
        own = {k: v for k, v in self.__dict__.items() if k not in _REBUILT}
        with self._alone("copy"):
            saved = checkpoint.to_dict(w)
            groups = [dict(group) for group in w.groups]  # with callables, which are not saved
        return {**own, "_embedded": None, "_saved": (groups, saved)}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = memo[id(self)] = type(self).__new__(type(self))
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        if self._workspace.on_device:
            from fastopt import device

            device.check_copied(self._workspace, twin._workspace)
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        groups, saved = state.pop("_saved")
        forest = state["_forest"]
        self._set_up(state["_defaults"])
        self._forest.grouped = forest.grouped
        structures = zip(forest.structures, groups, strict=True)
        self._add(
            [{**g, "params": structure.build(list(g["params"]))} for structure, g in structures]
        )
        self._workspace.names = [n for group in saved["param_groups"] for n in group["param_names"]]
        checkpoint.load(self._workspace, saved, self._check, self._check_followed, strict=True)
        self._workspace.settle()
        self.__dict__.update(state)

    def __repr__(self) -> str:
        w = self._workspace
        lines = [f"{type(self).__name__} ("]
        for i, (group, own) in enumerate(zip(self.param_groups, w.members, strict=True)):
            values = ", ".join(f"{k}={v!r}" for k, v in group.items() if k != "params")
            count = sum(w.parameters[k].size for k in own)  # others' arrays may call it otherwise
            lines.append(
                f"    group {i}: {len(group['params'])} arrays, {count:,} numbers; {values}"
            )
        return "\n".join([*lines, ")"])


_REBUILT = ("_workspace", "_runner", "_busy", "_rows")


def _schedules(values: Mapping[str, Value]) -> list[tuple[str, int]]:
    numbers = (
        (n, v)
        for n, value in values.items()
        for v in (value if isinstance(value, tuple) else (value,))
    )
    return [(name, id(v)) for name, v in numbers if callable(v)]


def _with_options(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that also takes what any optimizer does, without its author having to pass it on."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        own = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        if own:
            self.__dict__.setdefault("_options", {}).update(own)
        init(self, *args, **kwargs)

    return __init__
