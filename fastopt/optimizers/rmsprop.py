"""RMSprop: divide by a running root mean square of the gradient."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt
from fastopt.slots import Slot


class RMSprop(Optimizer):
    r"""RMSprop: divide by a running root mean square of the gradient.

    .. math::

        g &\leftarrow g + \lambda p, \qquad v \leftarrow \alpha v + (1 - \alpha) g^2, \qquad
            a \leftarrow \alpha a + (1 - \alpha) g \quad\text{if centered, else } 0 \\
        b &\leftarrow \mu b + \frac{g}{\sqrt{v - a^2 + \epsilon_r} + \epsilon}, \qquad p \leftarrow p - \eta b

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    alpha : float
        :math:`\alpha`, the weight of the past.
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    momentum : float
        :math:`\mu`; 0 keeps no slot for b.
    centered : bool
        Divide by the standard deviation instead; keeps a slot for a.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root unless eps_root is given; no bias correction; coupled decay;
    slots start at 0. Same as torch.optim.RMSprop, which has no eps_root.

    References
    ----------
    Tieleman and Hinton 2012, "Neural networks for machine learning", lecture 6e; centered: Graves 2013,
    "Generating sequences with recurrent neural networks", eq. 38-45.

    Examples
    --------
    >>> w = np.array([-15.0, 20.0])
    >>> opt = fastopt.RMSprop(w, lr=0.05, alpha=0.9, eps=0.0, eps_root=1e-8)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([6.0, 20.0]) * w)
    >>> w.round(2)
    array([-14.73,  19.73])
    """

    slots = {
        "square_avg": Slot(),
        "momentum_buffer": Slot(when="momentum"),
        "grad_avg": Slot(when="centered"),
    }
    domains = {"alpha": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        eps_root: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        fresh = 1.0 - h["alpha"]
        center = fresh if h["centered"] else 0.0
        return (
            h["weight_decay"], h["alpha"], fresh, center, h["momentum"], h["lr"], h["eps"], h["eps_root"]
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, alpha, fresh, center, mu, lr, eps, eps_root = c
        v, b, a = s
        g = g + l2 * p
        v = alpha * v + fresh * (g * g)
        a = a + center * (g - a)
        b = mu * b + g / (sqrt(v - a * a + eps_root) + eps)
        return p - lr * b, (v, b, a)
