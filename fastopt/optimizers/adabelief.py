"""AdaBelief: Adam that divides by how far gradients are from their average."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class AdaBelief(Optimizer):
    r"""AdaBelief: large steps where the gradient is as the momentum foretold.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) (g - m)^2 + \epsilon_r \\
        \hat m &= \frac{m}{1 - \beta_1^t} \;\text{ or, with nesterov, }\;
            \frac{\beta_1 m}{1 - \beta_1^{t+1}} + \frac{(1 - \beta_1) g}{1 - \beta_1^t} \\
        p &\leftarrow (1 - \eta \lambda) p - \eta \, \frac{\hat m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

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
    eps_root : float
        :math:`\epsilon_r`, added to the average in every step.
    nesterov : bool
        Step along the momentum which the next step will have.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: eps outside the root, added after the correction; eps_root inside it, and kept: exp_avg_var gathers
    up to :math:`\epsilon_r / (1 - \beta_2)`; the difference is that to the new average; decoupled decay, multiplied
    by lr; slots start at 0. Same as optax.adabelief, which has no decay; that, its default, the one of lr, and the
    names of the slots are of the authors' adabelief-pytorch, whose rectification is not here.

    References
    ----------
    Zhuang et al. 2020, "AdaBelief optimizer: Adapting stepsizes by the belief in observed gradients", algorithm 2,
    where eps_root is called epsilon, and eps is 0.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.AdaBelief(w, lr=0.125)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)  # the first average holds a tenth of the gradient, which differs from it by nine
    array([0.861111, 1.138889])
    """

    slots = {"exp_avg": Slot(), "exp_avg_var": Slot()}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        weight_decay: float = 0.0,
        *,
        eps_root: float = 1e-16,
        nesterov: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            eps_root=eps_root,
            nesterov=nesterov,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        root2 = sqrt(1.0 - power(beta2, t))
        along_g, along_m = 0.0, lr * root2 / (1.0 - power(beta1, t))
        if h["nesterov"]:
            along_g, along_m = (
                along_m * (1.0 - beta1),
                lr * root2 * beta1 / (1.0 - power(beta1, t + 1)),
            )
        return (
            lr * h["weight_decay"], 1.0 - beta1, beta2, 1.0 - beta2, h["eps_root"],
            along_g, along_m, h["eps"] * root2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        shrink, fresh1, beta2, fresh2, eps_root, along_g, along_m, eps = c
        m, v = s
        m = m + fresh1 * (g - m)
        surprise = g - m
        v = beta2 * v + fresh2 * (surprise * surprise) + eps_root
        step = (along_g * g + along_m * m) / (sqrt(v) + eps)
        return p - (shrink * p + step), (m, v)
