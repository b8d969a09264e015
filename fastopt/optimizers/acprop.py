"""ACProp: a gradient over the deviations that were found before it."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class ACProp(Optimizer):
    r"""Asynchronous centered propagation: divides by the deviation from the mean known before this gradient.

    .. math::

        u &= g \Big/ \left( \sqrt{v / (1 - \beta_2^{t - 1})} + \epsilon \right)
            \quad (u = g / (1 + \epsilon) \text{ in the first step}) \\
        v &\leftarrow \beta_2 v + (1 - \beta_2) (g - m)^2 + \epsilon_r, \qquad
            m \leftarrow \beta_1 m + (1 - \beta_1) g \\
        p &\leftarrow p - \eta (u + \lambda p)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1` of the mean, :math:`\beta_2` of the squared deviations, in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    eps_root : float
        :math:`\epsilon_r`, added to v in every step.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the step is along the gradient, not along its mean; v is that of the step before, and deviations are
    from the mean before this gradient; epsilon outside the root, added after the correction, and eps_root inside the
    average, where it adds up; decoupled decay; slots start at 0. Same as optax.contrib.acprop, with the authors' lr,
    since optax has no default; the paper takes the deviation from the mean that has this gradient in it. Not in torch.

    References
    ----------
    Zhuang et al. 2021, "Momentum centering and asynchronous update for adaptive gradient methods", algorithm 2, as
    in optax.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.ACProp(w, lr=0.125)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([2.0, -0.5]))  # the first deviation is the gradient itself
    >>> w.round(6)
    array([0.625 , 1.1875])
    """

    slots = {"exp_avg": Slot(), "exp_avg_var": Slot()}
    first_step = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        eps_root: float = 1e-16,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            eps_root=eps_root,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        first, root2 = (1.0, 1.0) if t == 1 else (0.0, sqrt(1.0 - power(beta2, t - 1)))
        return (
            1.0 - beta1, beta2, 1.0 - beta2, h["eps_root"],
            first, h["eps"] * root2, lr * root2, lr * h["weight_decay"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, beta2, fresh2, eps_root, first, eps, step, decay = c
        m, v = s
        deviation = g - m
        p = p - (decay * p + step * (g / (sqrt(v + first) + eps)))
        return p, (m + fresh1 * deviation, beta2 * v + fresh2 * (deviation * deviation) + eps_root)
