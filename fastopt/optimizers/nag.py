"""Nesterov's accelerated gradient, with the gradient taken where the momentum leads."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastopt.hyperparameters import DECAY
from fastopt.optimizer import Optimizer
from fastopt.pipeline import Request
from fastopt.slots import Slot
from fastopt.step_info import StepInfo


class NAG(Optimizer):
    r"""Nesterov's accelerated gradient as written: the gradient is taken at the look-ahead point.

    .. math::

        v \leftarrow \mu v - \eta \nabla f(p + \mu v), \qquad p \leftarrow p + v

    `lookahead` moves the parameters to :math:`p + \mu v` in place, the caller takes the gradient there, and
    `step` ends at :math:`p + v`.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu` in [0, 1).
    weight_decay : float
        An L2 term, taken at the look-ahead point like the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: lr inside the velocity, which starts at 0; coupled decay. Same as the paper; differs from `SGD` with
    ``nesterov=True``, torch's too, which takes the gradient at p and approximates the look-ahead. A parameter
    whose gradient is None, and all of a skipped step, move back to p (to within rounding). `step` and `propose` without
    `lookahead` before them are a RuntimeError.

    References
    ----------
    Nesterov 1983; Sutskever et al. 2013, eq. 3-4.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.NAG(w, lr=0.1, momentum=0.9)
    >>> for _ in range(3):
    ...     opt.lookahead()
    ...     info = opt.step(2 * w)
    >>> w.round(6)
    array([0.17792])
    """

    slots = {"momentum_buffer": Slot()}
    domains = {"momentum": DECAY}
    supports = Optimizer.supports - {"jit_step", "rows"}  # the step needs a look-ahead before it

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.9,
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self._ahead = False
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["momentum"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, mu, lr = c
        (v,) = s
        step = lr * (g + l2 * p)
        return p - step, (mu * v - step,)  # p is already at p + mu v

    @staticmethod
    def _ahead_by_momentum(c: Any, p: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, mu, _ = c
        (v,) = s
        return p + mu * v, (v,)

    @staticmethod
    def _back(c: Any, p: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, mu, _ = c
        (v,) = s
        return p - mu * v, (v,)

    moves = {"lookahead": _ahead_by_momentum, "back": _back}

    def lookahead(self) -> None:
        """Move the parameters to where the momentum leads; take the gradient there, then `step`.

        Raises
        ------
        RuntimeError
            If they are there already.
        """
        self._enter("lookahead")
        try:
            self._require_ahead(
                False,
                "lookahead: the parameters are already ahead; call step() with the gradient there",
            )
            if self._workspace.follows:  # by the momentum of the coming step
                self._workspace.follow()
            self._runner.move("lookahead")
            self._ahead = True
        finally:
            self._busy.release()

    def propose(self, grads: Any, out: Any = None, **options: Any) -> Any:
        """`Optimizer.propose`; without `lookahead` before it a RuntimeError."""
        self._require_ahead(True, "propose: call lookahead() first and take the gradient there")
        made = super().propose(grads, out, **options)
        w, leaves = self._workspace, [self._forest.leaves(a) for a in (grads, made)]
        if w.on_device:
            self._move_copies_back(*leaves)
            return made
        for k, (gradient, target) in enumerate(zip(*leaves, strict=True)):
            if gradient is None:
                momentum = target.real.dtype.type(w.header["momentum"][k])
                v = w.slots[k]["momentum_buffer"].read()
                target[...] = self._back((0, momentum, 0), w.parameters[k], (v,))[0]
        return made

    def _move_copies_back(self, gradients: list[Any], copies: list[Any]) -> None:
        """On a device, move copies of the parameters that have no gradient."""
        from fastopt.device import DeviceArray

        absent = np.array([g is None for g in gradients], np.int64)
        if absent.any():
            with self._alone("propose"):
                self._runner.move("back", absent, [DeviceArray.of(a).ctypes.data for a in copies])

    def _step(self, leaves: list[Any], request: Request) -> StepInfo:
        w = self._workspace
        self._require_ahead(True, "step: call lookahead() first and take the gradient there")
        info = super()._step(leaves, request)
        self._ahead = False
        if info.skipped:
            self._runner.move("back")
        elif np.count_nonzero(w.gradients) < w.gradients.size:
            self._runner.move("back", (w.gradients == 0).astype(np.int64))
        return info

    def _assign(self, group: Any, new: Any) -> None:
        if "momentum" in new:  # it says how far ahead the parameters are
            self._require_ahead(False, "param_groups: the parameters are ahead; call step() first")
        super()._assign(group, new)

    def state_dict(self) -> dict[str, Any]:
        """`Optimizer.state_dict`; between `lookahead` and `step` a RuntimeError."""
        self._require_ahead(False, "state_dict: the parameters are ahead; call step() first")
        return super().state_dict()

    def load_state_dict(self, d: Any, strict: bool = True) -> None:
        """`Optimizer.load_state_dict`; between `lookahead` and `step` a RuntimeError."""
        self._require_ahead(False, "load_state_dict: the parameters are ahead; call step() first")
        super().load_state_dict(d, strict)

    def _require_ahead(self, ahead: bool, message: str) -> None:
        if self._ahead != ahead:
            raise RuntimeError(message)
