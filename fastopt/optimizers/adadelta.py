"""AdaDelta: steps in the parameter's own units."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import FRACTION
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt
from fastopt.slots import Slot


class Adadelta(Optimizer):
    r"""AdaDelta: scale by the running size of past steps over that of past gradients.

    .. math::

        g &\leftarrow g + \lambda p, \qquad v \leftarrow \rho v + (1 - \rho) g^2 \\
        d &= g \sqrt{\frac{u + \epsilon}{v + \epsilon}}, \qquad u \leftarrow \rho u + (1 - \rho) d^2, \qquad
            p \leftarrow p - \eta d

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, 1 in the paper.
    rho : float
        :math:`\rho` in [0, 1], the weight of the past.
    eps : float
        :math:`\epsilon`, inside both roots.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon inside the roots, which are taken of the quotient at once; coupled decay; slots
    start at 0. Same as torch.optim.Adadelta.

    References
    ----------
    Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.Adadelta(w, eps=0.01).step(np.array([2.0, -2.0]))
    >>> w.round(6)
    array([0.687652, 1.312348])
    """

    slots = {"square_avg": Slot(), "acc_delta": Slot()}
    domains = {"rho": FRACTION}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["rho"], 1.0 - h["rho"], h["eps"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, rho, fresh, eps, lr = c
        v, u = s
        g = g + l2 * p
        v = rho * v + fresh * (g * g)
        d = g * sqrt((u + eps) / (v + eps))
        return p - lr * d, (v, rho * u + fresh * (d * d))
