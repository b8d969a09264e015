"""AdaGrad: the learning rate shrinks with the sum of squared gradients."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["initial_accumulator_value"]


class Adagrad(Optimizer):
    r"""AdaGrad: divide by the root of the sum of all squared gradients.

    .. math::

        g &\leftarrow g + \lambda p, \qquad v \leftarrow v + g^2 \\
        p &\leftarrow p - \frac{\eta}{1 + (t - 1) \kappa} \, \frac{g}{\sqrt{v + \epsilon_r} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    lr_decay : float
        :math:`\kappa`: how fast the rate decays with the number of steps.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    initial_accumulator_value : float
        v before the first step.
    eps : float
        :math:`\epsilon`, outside the root.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root unless eps_root is given; coupled decay. Same as
    torch.optim.Adagrad, which has no eps_root.

    References
    ----------
    Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization", the diagonal version of fig. 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.Adagrad(w, lr=0.5).step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.5, 1.5])
    """

    slots = {"sum": Slot(initial=_start)}
    domains = {"lr_decay": NONNEGATIVE, "initial_accumulator_value": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        eps_root: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["lr"] / (1.0 + (t - 1) * h["lr_decay"]), h["eps"], h["eps_root"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, lr, eps, eps_root = c
        (v,) = s
        g = g + l2 * p
        v = v + g * g
        return p - lr * (g / (sqrt(v + eps_root) + eps)), (v,)
