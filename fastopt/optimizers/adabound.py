"""AdaBound: Adam whose step sizes are drawn into the rate of gradient descent."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, sqrt, where
from fastopt.slots import Slot


class AdaBound(Optimizer):
    r"""AdaBound: Adam at first, gradient descent with momentum in the end.

    .. math::

        g &\leftarrow g + \lambda p \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            \hat v \leftarrow \max(\hat v, v) \;\text{ if amsbound, else }\; v \\
        \eta_t &= \operatorname{clip}\left( \frac{\eta \sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \,
            \frac{1}{\sqrt{\hat v} + \epsilon}, \;
            \eta_* \left( 1 - \frac{1}{\gamma t + 1} \right), \;
            \eta_* \left( 1 + \frac{1}{\gamma t} \right) \right) \\
        p &\leftarrow p - \eta_t m

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta` of Adam.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    final_lr : float
        :math:`\eta_*`: the rate of gradient descent that all step sizes converge to.
    gamma : float
        :math:`\gamma` in (0, 1): how fast they do.
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    amsbound : bool
        Divide by the largest average so far; keeps a slot for it.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root of the uncorrected v, so that its weight changes over the first steps, unlike
    in `Adam`; coupled decay; slots start at 0. Same as the authors' adabound.AdaBound with a constant lr (the paper has no
    correction and divides the rate by the root of t): theirs multiplies final_lr by lr over the
    initial lr, here it is final_lr whatever lr is and takes a schedule of its own. Not in torch or optax.

    References
    ----------
    Luo, Xiong, Liu and Sun 2019, "Adaptive gradient methods with dynamic bound of learning rate", algorithms 2
    and 3, and the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.AdaBound(w, lr=0.125, final_lr=0.5, gamma=0.5)
    >>> info = opt.step(np.array([10.0, -0.1]))  # within the bounds 1/6 and 3/2: only the second
    >>> w.round(6)
    array([0.833333, 1.015   ])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot(), "max_exp_avg_sq": Slot(when="amsbound")}
    domains = {"final_lr": NONNEGATIVE, "gamma": Interval(0, 1, above=True, below=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        final_lr: float = 0.1,
        gamma: float = 1e-3,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsbound: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            final_lr=final_lr,
            gamma=gamma,
            eps=eps,
            weight_decay=weight_decay,
            amsbound=amsbound,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, final, drawn = h["beta1"], h["beta2"], h["final_lr"], h["gamma"] * t
        step = h["lr"] * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        return (
            h["weight_decay"], 1.0 - beta1, beta2, 1.0 - beta2, step, h["eps"],
            final * (1.0 - 1.0 / (drawn + 1.0)), final * (1.0 + 1.0 / drawn),
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, fresh1, beta2, fresh2, step, eps, lowest, highest = c
        m, v, largest = s
        g = g + l2 * p
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        largest = maximum(largest, v)
        rate = step / (sqrt(largest) + eps)
        rate = where(rate < lowest, lowest, rate)  # clamp also asks whether the limits are NaN
        rate = where(rate > highest, highest, rate)
        return p - rate * m, (m, v, largest)
