"""Grams: as far as Adam steps, in the direction of the gradient."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import abs, power, sign, sqrt
from fastopt.slots import Slot


class Grams(Optimizer):
    r"""Gradient descent with adaptive momentum scaling: Adam gives the size of a step, the gradient its sign.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        p &\leftarrow (1 - \eta \lambda) p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \,
            \operatorname{sign}(g) \, \frac{|m|}{\sqrt{v} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    bias_correction : bool
        False leaves out :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root and added before the correction, so that its weight changes over the first
    steps, unlike in `AdamW`; decoupled decay; where the gradient is 0, only the decay moves; slots start at 0. Same
    as the authors' grams.Grams, whose correct_bias is bias_correction. Not in torch or optax.

    References
    ----------
    Cao, Li and Song 2024, "Grams: Gradient descent with adaptive momentum scaling", and the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Grams(w, lr=0.125, eps=0.0)
    >>> info = opt.step(np.array([10.0, -10.0]))
    >>> info = opt.step(np.array([10.0, 0.1]))  # the second momentum still points up, the gradient down
    >>> w.round(6)
    array([0.75    , 1.042177])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        step = lr
        if h["bias_correction"]:
            step = lr * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        return 1.0 - beta1, beta2, 1.0 - beta2, h["eps"], step, lr * h["weight_decay"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, beta2, fresh2, eps, step, decay = c
        m, v = s
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        return p - (decay * p + step * (sign(g) * (abs(m) / (sqrt(v) + eps)))), (m, v)
