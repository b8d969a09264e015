"""SimplifiedAdEMAMix: AdEMAMix with one momentum, mixed with the gradient itself."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class SimplifiedAdEMAMix(Optimizer):
    r"""AdEMAMix with one long momentum and a share of the gradient itself.

    .. math::

        m &\leftarrow \beta_1 m + g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        p &\leftarrow (1 - \eta \lambda) p - \eta \, \frac{m + \alpha g}
            {\sqrt{v / (1 - \beta_2^t) + \epsilon_r} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`; the momentum is a sum, so take :math:`1 - \beta_1` times what Adam bears.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    alpha : float
        :math:`\alpha`: what the gradient weighs beside the momentum; the authors' code has 0 to 100.
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: both epsilons are added after the correction; the momentum is a sum and is not corrected; decoupled
    decay, multiplied by lr; slots start at 0. Same as optax.contrib.simplified_ademamix (lr, which
    has none there).

    References
    ----------
    Morwani et al. 2025, "Connections between Schedule-Free optimizers, AdEMAMix, and accelerated SGD variants".

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.SimplifiedAdEMAMix(w, lr=0.125, alpha=1.0)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.75, 1.25])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    domains = {"alpha": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.99, 0.95),
        alpha: float = 0.0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        eps_root: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta2, lr = h["beta2"], h["lr"]
        correction2 = 1.0 - power(beta2, t)
        step = lr * sqrt(correction2)
        return (
            lr * h["weight_decay"], h["beta1"], beta2, 1.0 - beta2, step, step * h["alpha"],
            h["eps"] * sqrt(correction2), h["eps_root"] * correction2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        shrink, beta1, beta2, fresh2, along_m, along_g, eps, eps_root = c
        m, v = s
        m = beta1 * m + g
        v = beta2 * v + fresh2 * (g * g)
        step = (along_m * m + along_g * g) / (sqrt(v + eps_root) + eps)
        return p - (shrink * p + step), (m, v)
