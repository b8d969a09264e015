"""Lookahead: slow parameters that follow what another optimizer does in some steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastopt import checkpoint
from fastopt.hyperparameters import FRACTION, OPTIONS, Interval
from fastopt.optimizer import Optimizer
from fastopt.pipeline import Request
from fastopt.scalar import where
from fastopt.slots import Slot
from fastopt.step_info import StepInfo
from fastopt.wrappers.wrapper import Wrapper


def _start(h: Any, p: Any) -> Any:
    return p


class Lookahead(Wrapper):
    r"""k steps forward, 1 step back: slow parameters, to which any optimizer's parameters return.

    .. math::

        \text{every } k \text{ steps:} \qquad
        \phi \leftarrow \phi + \alpha (\theta - \phi), \qquad \theta \leftarrow \phi

    where :math:`\theta` are the parameters, which the optimizer inside updates in every step.

    Parameters
    ----------
    optimizer : Optimizer
        The one inside, such as ``fastopt.Adam(params)``.
    sync_period : int
        :math:`k`.
    slow_step_size : float
        :math:`\alpha` in [0, 1].
    reset_state : bool
        Let the optimizer inside begin anew whenever its parameters return: its slots and the steps that it has
        counted of each parameter, but not `steps_taken`, which schedules follow.

    Notes
    -----
    Conventions: slow parameters start at the parameters when the wrapper is made; take gradients at the
    parameters, and results from `slow_params`, which are the same after each k-th step. Same as optax.lookahead, whose
    first two numbers have no default; with reset_state it starts schedules anew too, and a slot that starts at
    the parameters at those before the step. Each parameter counts its own steps (``steps_since_sync`` in
    the state): one without a gradient neither counts nor returns, and skipped steps do not count. An average by
    ``ema_decay`` is of the parameters after each step, returned or not; it costs a pass in every step.

    References
    ----------
    Zhang et al. 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.Lookahead(fastopt.SGD(w, lr=1.0), sync_period=2, slow_step_size=0.5)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([1.0, 1.0]))
    >>> w, opt.slow_params
    (array([ 0., -3.]), array([ 0., -3.]))
    """

    slots = {"slow_params": Slot(initial=_start)}
    running = {"steps_since_sync": 0.0}
    domains = {"sync_period": Interval(1, whole=True), "slow_step_size": FRACTION}

    def __init__(
        self,
        optimizer: Optimizer,
        sync_period: int = 5,
        slow_step_size: float = 0.5,
        reset_state: bool = False,
    ) -> None:
        super().__init__(
            optimizer,
            sync_period=sync_period,
            slow_step_size=slow_step_size,
            reset_state=reset_state,
        )

    _passed = False

    def _check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        checked = super()._check(values)
        inner = self._optimizer
        if checked["reset_state"] and inner.shared:
            raise TypeError(
                f"{type(self).__name__}: reset_state is True; {type(inner).__name__} has numbers that all parameters "
                f"share ({', '.join(inner.shared)}), which cannot begin anew for one of them"
            )
        return checked

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return 1.0 if h["steps_since_sync"] == 0.0 else 0.0, h["slow_step_size"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        returns, rate = c
        (slow,) = s
        slow = where(returns, slow + rate * (p - slow), slow)
        return where(returns, slow, p), (slow,)

    @property
    def slow_params(self) -> Any:
        """The slow parameters, structured as `params`; views, not copies."""
        return self._forest.build([own["slow_params"].read() for own in self._workspace.slots])

    def _step(self, leaves: list[Any], request: Request) -> StepInfo:
        w = self._workspace
        if w.follows:
            w.follow()
        before = self._copied(w.parameters) if self.monitor else None
        info = self._inner_step(leaves, request)
        if request.skip_nonfinite and info.skipped:
            return info
        stepped = self._optimizer._workspace.gradients != 0
        since = w.settings["steps_since_sync"]  # which no kernel changes
        since += stepped
        returning = stepped & (since >= w.settings["sync_period"])
        since[returning] = 0
        passed = stepped if any(option in w.declared.kinds for option in OPTIONS) else returning
        # at the first step over nothing, which compiles what later ones need
        if passed.any() or not self._passed:
            self._pass_over(passed)
            self._passed = True
        for k in np.flatnonzero(returning & w.settings["reset_state"]).tolist():
            checkpoint.forget(self._optimizer._workspace, k)
        return info if before is None else self._with_norms(info, before)

    def _pass_over(self, some: np.ndarray) -> None:
        """The rule, for some of the parameters; it reads no gradient, whose place theirs can take."""
        w = self._workspace
        for table in w.tables:
            w.gradients[table.tensors] = np.where(some[table.tensors], table.addresses[:, 0], 0)
        self._update()
