"""RAdam: Adam that waits until its average of squares can be trusted."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt, where
from fastopt.slots import Slot


def rectification(beta2: Any, t: Any, shortest: Any) -> Any:
    """What the adaptive rate of step t is scaled by; 0 while its average is no longer than `shortest`."""
    beta2_t = power(beta2, t)
    final = 2.0 / (1.0 - beta2) - 1.0
    length = final - 2.0 * t * beta2_t / (1.0 - beta2_t)
    if length <= shortest:
        return 0.0
    whole = (final - 4.0) * (final - 2.0) / final
    return sqrt((length - 4.0) * (length - 2.0) / length / whole)


class RAdam(Optimizer):
    r"""Rectified Adam: plain momentum while the variance of the adaptive rate is large, then Adam, scaled by it.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \rho_\infty &= \frac{2}{1 - \beta_2} - 1, \qquad
            \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
            r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \\
        p &\leftarrow p - \eta \, \frac{m}{1 - \beta_1^t} \cdot \begin{cases}
            r_t \sqrt{1 - \beta_2^t} \,/\, (\sqrt v + \epsilon) & \rho_t > 5 \\ 1 & \text{else} \end{cases}

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
        :math:`\lambda`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root of the uncorrected v; rectified from :math:`\rho_t > 5` on (optax.radam:
    from 5 on); coupled decay by default; slots start at 0. Same as torch.optim.RAdam.

    References
    ----------
    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2, with the threshold 5 of
    the authors' code (the paper: 4).

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.RAdam(w, lr=0.125)
    >>> info = opt.step(np.array([1.0, -0.5]))  # not rectified yet
    >>> w
    array([0.875 , 1.0625])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr, decay = h["beta1"], h["beta2"], h["lr"], h["weight_decay"]
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = 1.0 - lr * decay if h["decoupled_weight_decay"] else 1.0
        step = lr / (1.0 - power(beta1, t))
        rectified = rectification(beta2, t, 5.0)
        plain = step if rectified == 0.0 else 0.0
        adaptive = step * rectified * sqrt(1.0 - power(beta2, t))
        return l2, keep, 1.0 - beta1, beta2, 1.0 - beta2, h["eps"], plain, adaptive

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, fresh1, beta2, fresh2, eps, plain, adaptive = c
        m, v = s
        g = g + l2 * p
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        # a select: what is not taken may be infinite or not a number
        return keep * p - where(plain, plain * m, adaptive * (m / (sqrt(v) + eps))), (m, v)
