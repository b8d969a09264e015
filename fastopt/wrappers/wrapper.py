"""What the optimizers around another one share: both as one, to see, save, copy and extend."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastopt import checkpoint, proposal
from fastopt.hyperparameters import OPTIONS, Group
from fastopt.optimizer import Optimizer
from fastopt.pipeline import Request, options_and_inputs
from fastopt.state import State
from fastopt.step_info import StepInfo

#: Where a group of a state dict has the numbers of the wrapper.
WRAPPER = "wrapper"
_COMMON = ("params", "param_names", "steps_taken", "skipped_steps", "maximize")


class Wrapper(Optimizer):
    """Base of the optimizers around another one: it is stepped by `_step`, which steps the other.

    A subclass declares slots and a rule like any optimizer, over the parameters of the other. Groups, their
    hyperparameters and the count of steps are the other's.

    Parameters
    ----------
    optimizer : Optimizer
        The one inside. From then on it is used through this one only.
    **hyperparameters
        The wrapper's own numbers; `ema_decay` and `bounds` are given to the wrapper too.

    Raises
    ------
    TypeError
        If it cannot be wrapped: one whose parameters move between steps, a wrapper, one with `ema_decay` or `bounds`.
    """

    supports = Optimizer.supports - {"jit_step", "rows"}

    def __init__(self, optimizer: Optimizer, **hyperparameters: Any) -> None:
        self._require_wrappable(optimizer)
        self._optimizer = optimizer
        super().__init__(_parameters_of(optimizer), **hyperparameters)
        self._workspace.names = list(optimizer._workspace.names)
        self._accumulator = optimizer._accumulator
        self.monitor, optimizer.monitor = optimizer.monitor, False
        self._join()

    def _require_wrappable(self, optimizer: Any) -> None:
        name, inner = type(self).__name__, type(optimizer).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{name}: optimizer is a {inner}; expected one of fastopt's, as in {name}(fastopt.Adam(params))"
            )
        declared = optimizer._workspace.declared
        taken = {*self.slots, *self.running} & {*declared.slots, *declared.running}
        given = [option for option in OPTIONS if option in declared.kinds]
        reason = ""
        if isinstance(optimizer, Wrapper):
            reason = "it is around another one itself"
        elif optimizer.moves:
            moves = " and ".join(f"{move}()" for move in optimizer.moves)
            reason = f"it moves its parameters between steps, by {moves}"
        elif given:
            reason = f"it has {' and '.join(given)}, which must be given to {name} itself"
        elif optimizer.inputs:
            reason = f"its steps take {' and '.join(optimizer.inputs)}"
        elif optimizer._embedded is not None:
            reason = "jit_step() has handed out its state"
        elif taken:
            reason = f"both have {', '.join(sorted(taken))} in their state"
        if reason:
            raise TypeError(f"{name}: {inner} cannot be wrapped: {reason}")

    def _join(self) -> None:
        """Let both have one lock and one count of steps."""
        self._workspace.count_with(self._optimizer._workspace)
        self._busy = self._optimizer._busy

    def _force_shares(self, shares: int | None) -> None:
        super()._force_shares(shares)
        self._optimizer._force_shares(shares)

    # ---- steps --------------------------------------------------------------------------------------

    def _use(self, stream: Any) -> None:
        super()._use(stream)
        self._optimizer._use(stream)

    def _inner_step(self, leaves: list[Any], request: Request) -> StepInfo:
        """A step of the one inside."""
        self._optimizer.exact = self.exact
        return self._optimizer._step(leaves, request)

    def _update(self) -> None:
        """The wrapper's own rule, of parameters whose gradient is located; no step is counted."""
        runner: Any = self._runner
        if self._workspace.on_device:
            runner.exact = self.exact
            runner.update(frozenset(), {**runner.begin(), "counters": 0})
        else:
            runner.update(frozenset())

    @staticmethod
    def _copied(arrays: Sequence[Any]) -> list[np.ndarray]:
        """In host memory."""
        return [np.array(a, order="C") for a in arrays]

    def _with_norms(self, info: StepInfo, before: Sequence[Any]) -> StepInfo:
        """What `monitor` adds, from the parameters before the step."""
        stepped = np.flatnonzero(self._optimizer._workspace.gradients).tolist()
        after = [np.asarray(p) for p in self._workspace.parameters]
        return info._replace(
            update_norm=_norm(after[k] - np.asarray(before[k]) for k in stepped),
            param_norm=_norm(after[k] for k in stepped),
        )

    # ---- what can be seen and changed ---------------------------------------------------------------

    @property
    def optimizer(self) -> Optimizer:
        """The one inside."""
        return self._optimizer

    @property
    def param_groups(self) -> list[Group]:
        """The groups of the optimizer inside: dicts of its hyperparameters, writable."""
        return self._optimizer.param_groups

    @property
    def state(self) -> State:
        """Slots and step counts of the optimizer inside, and the wrapper's own."""
        return State(self._optimizer._workspace, self._workspace)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """`Optimizer.add_param_group`, with hyperparameters of the optimizer inside."""
        self._optimizer.add_param_group(group)
        super().add_param_group({"params": group["params"]})

    def propose(
        self,
        grads: Any,
        out: Any = None,
        *,
        scale: float = 1.0,
        clip_norm: float | None = None,
        clip_norm_each: float | None = None,
        clip_value: float | None = None,
        clip_adaptive: float | tuple[float, int] | None = None,
        **inputs: float,
    ) -> Any:
        """`Optimizer.propose`, by a step of a copy."""
        options_and_inputs(type(self), "propose", inputs, others=())
        leaves, inner = self._forest.leaves(grads), self._optimizer
        places = None if out is None else self._places(self._forest.leaves(out, "out"))
        with self._alone("propose"):
            held = inner._runner.locate(leaves)
            for w in (inner._workspace, self._workspace) if places is not None else ():
                proposal.check_places(w, places or [])
                proposal.check_apart(w, places or [])
            del held
        twin = copy.deepcopy(self, self._parameter_copies())
        twin.step(
            grads,
            stream=self._runner.stream if self._workspace.on_device else None,
            scale=scale,
            clip_norm=clip_norm,
            clip_norm_each=clip_norm_each,
            clip_value=clip_value,
            clip_adaptive=clip_adaptive,
        )
        twin._workspace.settle()
        made = twin._workspace.parameters
        if places is None:
            return self._forest.build(made)
        for place, p in zip(places, made, strict=True):
            if isinstance(place, np.ndarray):
                place[...] = p
            else:
                place.copy_from(p)
        return out

    def _parameter_copies(self) -> dict[int, Any]:
        """What a deep copy is to have for the parameters, by their ids; nothing leaves it to the arrays."""
        if not self._workspace.on_device:
            return {}
        from fastopt import device

        return device.copies_by_id(self._workspace)

    def _places(self, given: list[Any]) -> list[Any]:
        """The arrays of `out`; those on a device by their interface."""
        if not self._workspace.on_device:
            return given
        from fastopt.device import DeviceArray

        named = zip(given, self._workspace.names, strict=True)
        return [DeviceArray.of(a, f"out of {name}") for a, name in named]

    # ---- copies -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """`Optimizer.state_dict` with both states; a group has the wrapper's numbers under ``"wrapper"``."""
        with self._alone("state_dict"):
            d, own = (checkpoint.to_dict(o._workspace) for o in (self._optimizer, self))
        for k, entry in own["state"].items():
            d["state"][k] |= _without(entry, {"step"})
        for group, mine in zip(d["param_groups"], own["param_groups"], strict=True):
            group[WRAPPER] = {**_without(mine, _COMMON), **self._more()}
        return d

    def load_state_dict(self, d: Mapping[str, Any], strict: bool = True) -> None:
        """`Optimizer.load_state_dict` of what `state_dict` gave."""
        groups, state = checkpoint.parts(d)
        saved = [group.get(WRAPPER, {}) for group in groups]
        for numbers in saved:
            if not isinstance(numbers, Mapping):
                raise ValueError(
                    f"load_state_dict: {WRAPPER} of a group is {numbers!r}; expected a mapping"
                )
        declared, more = self._workspace.declared, self._more()
        names = {*declared.kept, *declared.running}
        entries = {k: entry or {} for k, entry in state.items()}
        own = {
            "state": {k: _only(e, {*names, "step"}) for k, e in entries.items()},
            "param_groups": [
                {**_without(numbers, more), **_only(group, _COMMON)}
                for group, numbers in zip(groups, saved, strict=True)
            ],
        }
        rest = {
            "state": {k: _without(e, names) for k, e in entries.items()},
            "param_groups": [_without(group, {WRAPPER}) for group in groups],
        }
        with self._alone("load_state_dict"):
            to_take = [
                checkpoint.prepared(o._workspace, part, o._check, o._check_followed, strict)
                for o, part in ((self._optimizer, rest), (self, own))
            ]
            for take in (*to_take, self._prepared_more(saved[0] if saved else {}, strict)):
                take()

    def _more(self) -> dict[str, Any]:
        """What it keeps beside slots and hyperparameters, by name and as plain data."""
        return {}

    def _prepared_more(self, saved: Mapping[str, Any], strict: bool) -> Callable[[], None]:
        """Check what `_more` gave, among other numbers of the wrapper; what is left to do."""
        return lambda: None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._optimizer = state["_optimizer"]
        super().__setstate__(state)
        self._join()

    def __copy__(self) -> Wrapper:
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "_optimizer": copy.copy(self._optimizer)})
        return twin

    def __repr__(self) -> str:
        group = self._workspace.groups[0]
        values = ", ".join(f"{n}={v!r}" for n, v in _without(group, _COMMON).items())
        return f"{type(self).__name__}({values}) around {self._optimizer!r}"


def _parameters_of(optimizer: Optimizer) -> Any:
    """The parameters in their structure, or in groups."""
    forest = optimizer._forest
    built = [
        structure.build(list(group["params"]))
        for structure, group in zip(forest.structures, optimizer.param_groups, strict=True)
    ]
    return [{"params": params} for params in built] if forest.grouped else built[0]


def _only(values: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    return {n: v for n, v in values.items() if n in names}


def _without(values: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    return {n: v for n, v in values.items() if n not in names}


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return math.sqrt(sum(float(np.sum(np.square(np.abs(a), dtype=np.float64))) for a in arrays))
