"""Optimistic Adam: the next step of Adam is expected to change as this one did."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class OptimisticAdam(Optimizer):
    r"""Adam with the change of its step added once more, for games such as adversarial training.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \hat m &= \frac{\beta_1 m}{1 - \beta_1^{t+1}} + \frac{(1 - \beta_1) g}{1 - \beta_1^t}
            \;\text{ if nesterov, else }\; \frac{m}{1 - \beta_1^t} \\
        r_t &= \frac{\hat m}{\sqrt{v / (1 - \beta_2^t) + \epsilon_r} + \epsilon} \\
        p &\leftarrow p - \eta \left( (\alpha + \beta) r_t - \beta r_{t-1} \right), \qquad r_0 = r_1

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. All players of a game can be in it: hand in the gradients that each is to go down.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    alpha : float
        :math:`\alpha`: the weight of the step.
    beta : float
        :math:`\beta`: the weight of its change; 0 keeps no slot for it.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    nesterov : bool
        Step along the momentum that the next step will have.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; no decay; the first step knows of no change;
    slots start at 0 (and a beta that is switched on later takes it for the step before). Same as
    optax.optimistic_adam_v2, with Adam's lr, since optax has no default; ``optax.optimistic_adam(lr, optimism)``, which
    it replaces, is ``beta=optimism / lr``. The paper is ``nesterov=False``. Not in torch.

    References
    ----------
    Daskalakis, Ilyas, Syrgkanis and Zeng 2018, "Training GANs with optimism", algorithm 1.

    Examples
    --------
    The saddle x y, down in x and up in y:

    >>> w = np.array([1.0, 2.0])
    >>> opt = fastopt.OptimisticAdam(w, lr=0.01, beta=100.0)
    >>> for _ in range(1024):
    ...     info = opt.step(np.array([w[1], -w[0]]))
    >>> bool(abs(w).max() < 0.01)
    True
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot(), "previous_step": Slot(when="beta")}
    first_step = True
    domains = {"alpha": NONNEGATIVE, "beta": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        eps_root: float = 0.0,
        nesterov: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            alpha=alpha,
            beta=beta,
            eps_root=eps_root,
            nesterov=nesterov,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, change = h["beta1"], h["beta2"], h["lr"] * h["beta"]
        correction1, correction2 = 1.0 - power(beta1, t), 1.0 - power(beta2, t)
        root2 = sqrt(correction2)
        along_m, along_g = root2 / correction1, 0.0
        if h["nesterov"]:
            along_m = root2 * beta1 / (1.0 - power(beta1, t + 1))
            along_g = root2 * (1.0 - beta1) / correction1
        now = h["lr"] * h["alpha"] + (0.0 if t == 1 else change)
        return (
            1.0 - beta1, beta2, 1.0 - beta2, along_m, along_g,
            h["eps"] * root2, h["eps_root"] * correction2, now, change,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, beta2, fresh2, along_m, along_g, eps, eps_root, now, before = c
        m, v, previous = s
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        r = (along_m * m + along_g * g) / (sqrt(v + eps_root) + eps)
        return p - (now * r - before * previous), (m, v, r)
