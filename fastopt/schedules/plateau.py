"""A learning rate that falls when a metric stops improving."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from fastopt.schedules.arguments import entries, name_of, number, whole
from fastopt.schedules.schedule import Schedule, constant
from fastopt.segments import INIT


class ReduceLROnPlateau(Schedule):
    """A learning rate that is multiplied by a factor whenever a metric has not improved for a while.

    It is a value for ``lr=``, or for any other number, like the schedules; but it depends on the metrics that
    `update` is given and not on the count of steps.

    Parameters
    ----------
    lr : float
        The value at the start, at least 0.
    mode : {"min", "max"}
        Whether a smaller or a larger metric is better.
    factor : float
        What the value is multiplied by, in [0, 1).
    patience : int
        How many metrics in a row may be no better than the best before the value falls, at least 0.
    threshold : float
        By how much a metric must be better to count.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a fraction of the best metric or a difference from it.
    cooldown : int
        After a reduction, so many metrics do not count as bad.
    min_lr : float
        The value never falls below it; at least 0.
    eps : float
        A reduction by no more than this is left out.

    Raises
    ------
    TypeError, ValueError
        If an argument is not in its range.

    Notes
    -----
    As torch.optim.lr_scheduler.ReduceLROnPlateau, without its optimizer: `lr` comes first, and `update` is torch's
    `step`. A NaN is never an improvement. As there, a relative threshold makes a negative best metric easier to beat
    than the metric itself. `segments` is one row whose value `update` changes in place, so that compiled
    code that holds it sees the change at its next step. Copies have memory of their own.

    Examples
    --------
    >>> lr = fastopt.schedules.ReduceLROnPlateau(0.5, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     lr.update(loss)
    >>> lr
    ReduceLROnPlateau(lr=0.25, factor=0.5, patience=1)
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        owner = "ReduceLROnPlateau"
        super().__init__([constant(0, number(owner, "lr", lr, 0))])
        self._memory = self._segments.copy()
        self._segments = self._memory.view()
        self._segments.flags.writeable = False
        self.mode = name_of(owner, "mode", mode, ("min", "max"))
        self.factor = number(owner, "factor", factor, 0, 1)
        if self.factor == 1:
            raise ValueError(f"{owner}: factor is {factor!r}; expected a number in [0, 1)")
        self.patience = whole(owner, "patience", patience, 0)
        self.threshold = number(owner, "threshold", threshold)
        self.threshold_mode = name_of(owner, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = whole(owner, "cooldown", cooldown, 0)
        self.min_lr = number(owner, "min_lr", min_lr, 0)
        self.eps = number(owner, "eps", eps, 0)
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    @property
    def lr(self) -> float:
        """The value now."""
        return float(self._memory[0, INIT])

    @property
    def low(self) -> float:
        """The smallest value that it can still take."""
        return min(self.lr, self.min_lr)

    @property
    def high(self) -> float:
        """The largest value that it can still take: the present one."""
        return self.lr

    def update(self, metric: Any) -> None:
        """Take note of a metric, and reduce the value if it is time.

        Parameters
        ----------
        metric : float
            What `float` takes.

        Raises
        ------
        TypeError
            If it is no number; nothing was changed.

        Examples
        --------
        >>> lr = fastopt.schedules.ReduceLROnPlateau(0.5, mode="max", factor=0.5, patience=0)
        >>> lr.update(0.9)
        >>> lr.update(0.8)
        >>> lr.lr, lr.best
        (0.25, 0.9)
        """
        try:
            current = float(metric)
        except (TypeError, ValueError):
            raise TypeError(f"update: metric is {metric!r}; expected a number") from None
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            lower = max(self.lr * self.factor, self.min_lr)
            if self.lr - lower > self.eps:
                self._memory[0, INIT] = lower
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, metric: float) -> bool:
        if self.mode == "min":
            if self.threshold_mode == "rel":
                return metric < self.best * (1.0 - self.threshold)
            return metric < self.best - self.threshold
        if self.threshold_mode == "rel":
            return metric > self.best * (1.0 + self.threshold)
        return metric > self.best + self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Arguments and state as plain numbers and names.

        Returns
        -------
        dict
            The arguments by name, ``lr`` being the value now; ``best``, ``num_bad_epochs`` and
            ``cooldown_counter``; and ``"type": "ReduceLROnPlateau"``.
        """
        state = {name: getattr(self, name) for name in (*_ARGUMENTS, *_COUNTERS)}
        return {"type": "ReduceLROnPlateau", **state}

    def load_state_dict(self, d: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, arguments included, into the memory that `segments` shows.

        Parameters
        ----------
        d : mapping

        Raises
        ------
        TypeError, ValueError
            If it does not fit; nothing was changed.

        Examples
        --------
        >>> lr = fastopt.schedules.ReduceLROnPlateau(0.5)
        >>> lr.load_state_dict({**lr.state_dict(), "lr": 0.25})
        >>> lr.segments[0, 2]
        np.float64(0.25)
        """
        loaded = self._restore(d)
        self._memory[0, INIT] = loaded.lr
        for name in (*_ARGUMENTS[1:], *_COUNTERS):
            setattr(self, name, getattr(loaded, name))

    @classmethod
    def _restore(cls, d: Mapping[str, Any]) -> ReduceLROnPlateau:
        owner = "ReduceLROnPlateau"
        state = entries(owner, d, (*_ARGUMENTS, *_COUNTERS))
        made = cls(**{name: state[name] for name in _ARGUMENTS})
        if not isinstance(state["best"], float) or math.isnan(state["best"]):
            raise ValueError(
                f"{owner}: best is {state['best']!r}; expected a float that is not NaN"
            )
        made.best = state["best"]
        made.num_bad_epochs = whole(owner, "num_bad_epochs", state["num_bad_epochs"], 0)
        made.cooldown_counter = whole(owner, "cooldown_counter", state["cooldown_counter"], 0)
        return made

    def __repr__(self) -> str:
        values = ((p.name, p.default, getattr(self, p.name)) for p in _PARAMETERS)
        given = ", ".join(f"{name}={now!r}" for name, default, now in values if now != default)
        return f"ReduceLROnPlateau({given})"

    def __eq__(self, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.state_dict() == other.state_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes


_PARAMETERS = tuple(inspect.signature(ReduceLROnPlateau).parameters.values())
_ARGUMENTS = tuple(p.name for p in _PARAMETERS)
_COUNTERS = ("best", "num_bad_epochs", "cooldown_counter")
