"""SignSGD: every element moves by the learning rate, against the sign of its gradient."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import sign


class SignSGD(Optimizer):
    r"""Descent along the signs of the gradient.

    .. math::

        p \leftarrow p - \eta \left( \operatorname{sign} g + \lambda p \right)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`: how far every element moves.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: decoupled decay, multiplied by lr; where the gradient is 0, only the decay moves. Same as
    optax.sign_sgd, which has no decay and no default of lr; both are those of Signum in MXNet, whose wd_lh is
    weight_decay. Not in torch.

    References
    ----------
    Bernstein et al. 2018, "signSGD: Compressed optimisation for non-convex problems", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.SignSGD(w, lr=0.125).step(np.array([10.0, -0.1]))
    >>> w
    array([0.875, 1.125])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        decay, lr = c
        return p - lr * (sign(g) + decay * p), ()
