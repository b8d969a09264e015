"""LaProp: momentum of the steps that were normalized one by one."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, sqrt
from fastopt.slots import Slot


class LaProp(Optimizer):
    r"""LaProp: every gradient is divided by its own root mean square before it enters the momentum.

    .. math::

        v &\leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            \hat v \leftarrow \max(\hat v, v) \;\text{ if amsgrad, else }\; v \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) \eta \,
            \frac{g}{\sqrt{\hat v / (1 - \beta_2^t)} + \epsilon}, \qquad
            \bar\eta \leftarrow \beta_1 \bar\eta + (1 - \beta_1) \eta \\
        p &\leftarrow (1 - \lambda) \left( p - \frac{\eta}{\bar\eta} m \right)

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
        :math:`\lambda`: the part of itself that a parameter loses in every step, whatever the lr.
    amsgrad : bool
        Divide by the largest average so far; keeps a slot for it.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; decoupled decay after the step and *not*
    multiplied by lr, unlike everywhere else here, so a schedule of lr needs one of weight_decay beside it; lr inside
    the momentum, and the correction divides by its average, which is :math:`\eta (1 - \beta_1^t)` while it is
    constant (``exp_avg_lr_1`` in the state, as the authors call it); slots start at 0. Same as the authors'
    laprop.py, without its centered; at an lr of 0 nothing moves, where theirs goes on by m. Not in torch
    or optax.

    References
    ----------
    Ziyin, Wang and Ueda 2020, "LaProp: Separating momentum and adaptivity in Adam", algorithm 1, and the
    authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.LaProp(w, lr=0.125)
    >>> for g in ([10.0, -0.1], [10.0, 0.1]):
    ...     info = opt.step(np.array(g))
    >>> w.round(6)
    array([0.75    , 1.118421])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot(), "max_exp_avg_sq": Slot(when="amsgrad")}
    running = {"exp_avg_lr_1": 0.0}

    def __init__(
        self,
        params: Any,
        lr: float = 4e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-15,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return (h["beta1"] * h["exp_avg_lr_1"] + (1.0 - h["beta1"]) * h["lr"],)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr, mean = h["beta1"], h["beta2"], h["lr"], h["exp_avg_lr_1"]
        root2 = sqrt(1.0 - power(beta2, t))
        return (
            beta1, (1.0 - beta1) * lr * root2, beta2, 1.0 - beta2, h["eps"] * root2,
            lr / mean if mean > 0.0 else 0.0, h["weight_decay"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        beta1, fresh1, beta2, fresh2, eps, step, decay = c
        m, v, largest = s
        v = beta2 * v + fresh2 * (g * g)
        largest = maximum(largest, v)
        m = beta1 * m + fresh1 * (g / (sqrt(largest) + eps))
        p = p - step * m
        return p - decay * p, (m, v, largest)
