"""Signum: SignSGD with momentum."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY
from fastopt.optimizer import Optimizer
from fastopt.scalar import sign
from fastopt.slots import Slot


class Signum(Optimizer):
    r"""Descent along the signs of an average of gradients.

    .. math::

        m &\leftarrow \mu m + (1 - \mu) g \\
        p &\leftarrow p - \eta \left( \operatorname{sign} m + \lambda p \right)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`: how far every element moves.
    momentum : float
        :math:`\mu` in [0, 1); 0 is `SignSGD` and keeps no slot.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: decoupled decay, multiplied by lr; no bias correction, which would turn no sign; the slot starts at
    0; where the average is 0, only the decay moves. Same as optax.signum, whose momentum is called beta, and which
    has no decay and no default of lr; both are those of Signum in MXNet, whose wd_lh is weight_decay. Not in torch.

    References
    ----------
    Bernstein et al. 2018, "signSGD: Compressed optimisation for non-convex problems", algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Signum(w, lr=0.125)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> info = opt.step(np.array([-1.0, -0.1]))
    >>> w
    array([0.75, 1.25])
    """

    slots = {"momentum_buffer": Slot(when="momentum")}
    domains = {"momentum": DECAY}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        mu = h["momentum"]
        return h["weight_decay"], h["lr"], mu, 1.0 - mu

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        decay, lr, mu, fresh = c
        (m,) = s
        m = mu * m + fresh * g
        return p - lr * (sign(m) + decay * p), (m,)
