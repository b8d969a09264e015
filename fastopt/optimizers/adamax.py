"""Adamax: Adam with a running maximum in place of the root mean square."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import abs, maximum, power
from fastopt.slots import Slot


class Adamax(Optimizer):
    r"""Adamax: momentum over the largest recent gradient, which fades.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad u \leftarrow \max(\beta_2 u, |g| + \epsilon) \\
        p &\leftarrow p - \frac{\eta}{1 - \beta_1^t} \, \frac{m}{u}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, added to the absolute gradient.
    weight_decay : float
        :math:`\lambda`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon inside the maximum, so that it enters exp_inf; only the momentum is corrected, the maximum
    needs none; coupled decay by default; slots start at 0. Same as torch.optim.Adamax, which has no
    decoupled_weight_decay; with it, optax.adamaxw, whose decay is 1e-4 by default.

    References
    ----------
    Kingma and Ba 2015, "Adam: A method for stochastic optimization", algorithm 2; decoupled decay: Loshchilov and
    Hutter 2019.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Adamax(w, lr=0.125)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.875, 1.125])
    """

    slots = {"exp_avg": Slot(), "exp_inf": Slot()}

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, lr, decay = h["beta1"], h["lr"], h["weight_decay"]
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        shrink = lr * decay if h["decoupled_weight_decay"] else 0.0
        return l2, shrink, 1.0 - beta1, h["beta2"], h["eps"], lr / (1.0 - power(beta1, t))

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, shrink, fresh1, beta2, eps, step = c
        m, u = s
        g = g + l2 * p
        m = m + fresh1 * (g - m)
        u = maximum(beta2 * u, abs(g) + eps)
        return p - (shrink * p + step * (m / u)), (m, u)
