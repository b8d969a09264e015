"""MADGRAD: dual averaging from the first parameters, with a cube root of summed squares."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY
from fastopt.optimizer import Optimizer
from fastopt.scalar import cbrt, sqrt, where
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return p


class MADGRAD(Optimizer):
    r"""Momentumized, adaptive, dual averaged gradient method.

    .. math::

        g &\leftarrow g + \lambda p \;\text{ unless decoupled}, \qquad
            \lambda_t = (\eta + \epsilon) \sqrt{t} \\
        s &\leftarrow s + \lambda_t g, \qquad v \leftarrow v + \lambda_t g^2 \\
        p &\leftarrow \mu p + (1 - \mu) \left( x_0 - \frac{s}{\sqrt[3]{v} + \epsilon} \right)
            \;\; [\, - (\eta + \epsilon) \lambda p \;\text{ if decoupled} \,]

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`; not comparable to Adam's or that of gradient descent.
    momentum : float
        :math:`\mu` in [0, 1).
    weight_decay : float
        :math:`\lambda`; less is needed than elsewhere, often none.
    eps : float
        :math:`\epsilon`, outside the root, and added to lr.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the cube root and in every lr; coupled decay by default, decoupled decay of p before
    the step; s and v (``grad_sum_sq``) start at 0, x0 at the parameters as the first step finds them. Where no
    gradient has been, p stays, with an eps of 0 too. Same as the authors' madgrad.MADGRAD, whose decouple_decay is
    decoupled_weight_decay; there a momentum of 0 keeps no x0 and finds it from p, here it is always kept, as in
    optax.contrib.madgrad, which has no decoupled decay and divides 0 by 0 without epsilon. t counts a parameter's own
    steps. Not in torch.

    References
    ----------
    Defazio and Jelassi 2022, "Adaptivity without compromise: A momentumized, adaptive, dual averaged gradient method
    for stochastic optimization", algorithm 1, and the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.MADGRAD(w, lr=0.125, momentum=0.5, eps=0.0).step(np.array([8.0, -1.0]))
    >>> w.round(6)
    array([0.75 , 1.125])
    """

    slots = {"grad_sum_sq": Slot(), "s": Slot(), "x0": Slot(initial=_start)}
    domains = {"momentum": DECAY}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eps: float = 1e-6,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            eps=eps,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        lr, mu, decay = h["lr"] + h["eps"], h["momentum"], h["weight_decay"]
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = mu - lr * decay if h["decoupled_weight_decay"] else mu
        return l2, lr * sqrt(1.0 * t), h["eps"], keep, 1.0 - mu

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, weight, eps, keep, fresh = c
        v, total, start = s
        g = g + l2 * p
        v = v + weight * (g * g)
        total = total + weight * g
        root = cbrt(v) + eps
        # a sum that is divided by 0 is 0 itself
        return keep * p + fresh * (start - where(root, total / root, total)), (v, total, start)
