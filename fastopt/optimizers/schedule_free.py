"""What the schedule-free optimizers share: three sequences, two modes, and the weights of the average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastopt import checkpoint
from fastopt.hyperparameters import NONNEGATIVE, Group
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, where

# ---- the formula ----------------------------------------------------------------------------------


def warmed_up(h: Any, t: Any) -> Any:
    """The learning rate of step t."""
    return h["lr"] * (t / h["warmup_steps"] if t <= h["warmup_steps"] else 1.0)


def _weight(h: Any, t: Any, largest: Any) -> Any:
    """What the point of step t weighs in the average."""
    return power(float(t), h["r"]) * power(largest, h["weight_lr_power"])


def weigh(h: Any, t: Any, rate: Any) -> tuple[Any, ...]:
    """The largest rate and the sum of weights after a step at this rate: what `advance` returns."""
    largest = maximum(rate, h["lr_max"])
    return largest, h["weight_sum"] + _weight(h, t, largest)


def average(h: Any, t: Any, beta: Any) -> tuple[Any, ...]:
    """The first coefficients, which `descend` and the moves read."""
    total = h["weight_sum"]
    fraction = _weight(h, t, h["lr_max"]) / total if total > 0.0 else 0.0
    first = 1.0 if t == 1 else 0.0
    return 1.0 - beta, beta, fraction, first


def descend(c: Any, y: Any, z: Any, d: Any) -> tuple[Any, Any]:
    """The new y and z when z moves by -d: y without x, which lies on the line through both."""
    fresh, beta, fraction, first = c[:4]
    z = where(
        first, y, z
    )  # all are one point, wherever the parameter was moved since the slot was made
    return y + (fraction * (z - y) - (fresh + beta * fraction) * d), z - d


def _to_average(c: Any, p: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
    """From y to x."""
    fresh, beta = c[:2]
    return p - fresh / beta * (s[0] - p), s


def _to_gradient(c: Any, p: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
    """From x to y."""
    return p + c[0] * (s[0] - p), s


def start(h: Any, p: Any) -> Any:
    """What z starts as."""
    return p


# ---- the modes --------------------------------------------------------------------------------------


class ScheduleFree(Optimizer):
    """Base of the schedule-free optimizers: `train` and `eval` move the parameters between y and x.

    In a subclass the slot ``z`` comes first, and the coefficients begin with those of `average`. One whose learning rate
    is not `warmed_up` has an `advance` of its own.
    """

    running = {"lr_max": 0.0, "weight_sum": 0.0}
    moves = {"eval": _to_average, "train": _to_gradient}
    domains = {"warmup_steps": NONNEGATIVE, "weight_lr_power": NONNEGATIVE}

    def __init__(self, params: Any, **hyperparameters: Any) -> None:
        super().__init__(params, **hyperparameters, train_mode=True)

    def _check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        checked = super()._check(values)
        if callable(self.interpolation(checked)):
            raise ValueError(
                f"{type(self).__name__}: how near to the average gradients are taken is "
                f"{self.interpolation(checked)!r}; expected a number: the parameters stand where it says"
            )
        return checked

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return weigh(h, t, warmed_up(h, t))

    @staticmethod
    def interpolation(hyperparameters: Mapping[str, Any]) -> Any:
        """How near to x gradients are taken: y depends on it, x does not."""
        raise NotImplementedError

    def train(self) -> None:
        """Move the parameters in place to y, where gradients are taken; nothing if they are there.

        Examples
        --------
        >>> w = np.array([1.0])
        >>> opt = fastopt.ScheduleFreeSGD(w, lr=0.5)
        >>> for _ in range(2):
        ...     info = opt.step(np.ones(1))
        >>> opt.eval()
        >>> w.round(6)
        array([0.25])
        >>> opt.train()
        >>> w.round(6)
        array([0.225])
        """
        self._switch("train", True)

    def eval(self) -> None:
        """Move the parameters in place to the average x, which is the result; nothing if they are there."""
        self._switch("eval", False)

    def _switch(self, move: str, train_mode: bool) -> None:
        with self._alone(move):
            w = self._workspace
            groups = [group for group in w.groups if group["train_mode"] != train_mode]
            self._move(move, groups)
            for group in groups:
                w.assign(group, {**group.hyperparameters(), "train_mode": train_mode})

    def _move(self, move: str, groups: Sequence[Group]) -> None:
        """Move what these groups hold; before the first step all sequences are one point."""
        w = self._workspace
        active = np.zeros(len(w.parameters), np.int64)
        for group, members in zip(w.groups, w.members, strict=True):
            if any(group is other for other in groups):
                active[members] = w.header["step"][members] > 0
        if active.any():
            self._runner.move(move, active)

    def _enter(self, what: str) -> None:
        super()._enter(what)
        if what.startswith(("step", "propose")) and not all(
            group["train_mode"] for group in self._workspace.groups
        ):
            self._busy.release()
            raise RuntimeError(f"{what}: parameters are in eval mode; call train() first")

    def _assign(self, group: Group, new: Mapping[str, Any]) -> None:
        with self._alone("param_groups"):
            values = self._check({**group.hyperparameters(), **new})
            if values["train_mode"] != group["train_mode"]:
                raise ValueError(
                    f"param_groups: train_mode is {values['train_mode']}; call train() or eval(), "
                    "which move the parameters too"
                )
            turns = self.interpolation(values) != self.interpolation(group)
            through = [group] if turns and group["train_mode"] else []
            self._move("eval", through)
            self._workspace.assign(group, values)
            self._move("train", through)

    def load_state_dict(self, d: Mapping[str, Any], strict: bool = True) -> None:
        """`Optimizer.load_state_dict`, also of what the authors' package ``schedulefree`` saved.

        The mode becomes that of `d`: the parameters must be those that belong to it.
        """
        groups, state = checkpoint.parts(d)
        super().load_state_dict(_own_counts(groups, state), strict)


def _own_counts(groups: Sequence[Mapping[str, Any]], state: Mapping[Any, Any]) -> dict[str, Any]:
    """The authors keep the count of steps and the sums for a group, fastopt for a parameter."""
    kept = {"k": "step", "lr_max": "lr_max", "weight_sum": "weight_sum"}
    entries = dict(state)
    for group in groups:
        sums = {own: group[name] for name, own in kept.items() if name in group}
        for key in group["params"]:
            if sums and entries.get(key):
                entries[key] = {**entries[key], **sums}
    theirs = {*kept, "scheduled_lr"}
    return {
        "state": entries,
        "param_groups": [{n: v for n, v in g.items() if n not in theirs} for g in groups],
    }
