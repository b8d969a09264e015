"""AdEMAMix: AdamW with a second, slow momentum."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class AdEMAMix(Optimizer):
    r"""AdEMAMix: a fast and a slow average of gradients, mixed.

    .. math::

        m_1 &\leftarrow \beta_1 m_1 + (1 - \beta_1) g, \qquad
            m_2 \leftarrow \beta_3 m_2 + (1 - \beta_3) g, \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        p &\leftarrow (1 - \eta \lambda) p - \eta \, \frac{m_1 / (1 - \beta_1^t) + \alpha m_2}
            {\sqrt{v / (1 - \beta_2^t) + \epsilon_r} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of three floats
        :math:`\beta_1, \beta_2, \beta_3` in [0, 1): the fast average, that of squares, the slow average.
    alpha : float
        :math:`\alpha`: how much of the slow average is added.
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
    Conventions: both epsilons are added after the correction; the slow average is not corrected, so that it fills
    slowly; decoupled decay, multiplied by lr; slots start at 0. Same as optax.contrib.ademamix (lr,
    which has none there, and the names of the slots are the authors', whose code has alpha=2). The authors' warm-up
    of alpha and of the slow average: give alpha and the third of betas a schedule.

    References
    ----------
    Pagliardini, Ablin and Grangier 2024, "The AdEMAMix optimizer: Better, faster, older", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.AdEMAMix(w, lr=0.125, betas=(0.9, 0.999, 0.99), alpha=4.0)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)  # the slow average adds 4 times a hundredth
    array([0.87, 1.13])
    """

    slots = {"exp_avg_fast": Slot(), "exp_avg_slow": Slot(), "exp_avg_sq": Slot()}
    domains = {"alpha": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
        alpha: float = 5.0,
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
        beta1, beta2, beta3, lr = h["beta1"], h["beta2"], h["beta3"], h["lr"]
        correction2 = 1.0 - power(beta2, t)
        root2 = sqrt(correction2)
        return (
            lr * h["weight_decay"], 1.0 - beta1, beta2, 1.0 - beta2, 1.0 - beta3,
            lr * root2 / (1.0 - power(beta1, t)), lr * root2 * h["alpha"],
            h["eps"] * root2, h["eps_root"] * correction2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        shrink, fresh1, beta2, fresh2, fresh3, along_fast, along_slow, eps, eps_root = c
        fast, slow, v = s
        fast = fast + fresh1 * (g - fast)
        slow = slow + fresh3 * (g - slow)
        v = beta2 * v + fresh2 * (g * g)
        step = (along_fast * fast + along_slow * slow) / (sqrt(v + eps_root) + eps)
        return p - (shrink * p + step), (fast, slow, v)
