"""Adan: Adam with an average of the gradient's changes."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot

OPTAX, PAPER = range(2)


class Adan(Optimizer):
    r"""Adaptive Nesterov momentum: the gradient is corrected by how it has been changing.

    .. math::

        d &= g - g_{prev} \;\text{ (0 in the first step)}, \qquad
            \omega = 1 - \beta_2 \;\text{ or, with form="paper", }\; \beta_2 \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
            n \leftarrow \beta_2 n + (1 - \beta_2) d, \qquad
            v \leftarrow \beta_3 v + (1 - \beta_3) (g + \omega d)^2 \\
        u &= \frac{m / (1 - \beta_1^t) + \omega n / (1 - \beta_2^t)}
            {\sqrt{v / (1 - \beta_3^t) + \epsilon_r} + \epsilon} \\
        p &\leftarrow p - \eta (u + \lambda p) \;\text{ or, with form="paper", }\; \frac{p - \eta u}{1 + \eta \lambda}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of three floats
        :math:`\beta_1, \beta_2, \beta_3` in [0, 1): what the averages of gradients, of their changes and of squares
        keep.
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by about lr times weight_decay in every step.
    form : {"optax", "paper"}
        Whose weight of the changes, and whose decay.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: both epsilons are added after the correction; decoupled decay, multiplied by lr; slots start at 0.
    Same as optax.adan with ``form="optax"``. The paper writes its betas the other way round (0.02, 0.08, 0.01), so
    that its weight :math:`1 - \beta_2` is 0.92; optax has turned the betas and left the weight, which is 0.08 there.
    ``form="paper"`` with ``eps_root=0`` is the authors' Adan (no_prox=False), whose defaults are the same
    otherwise; their neg_pre_grad is minus previous_grad. lr has no default in optax and is theirs.

    References
    ----------
    Xie et al. 2022, "Adan: Adaptive Nesterov momentum algorithm for faster optimizing deep models", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Adan(w, lr=0.125, form="paper", eps_root=0.0)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.875, 1.125])
    """

    slots = {
        "exp_avg": Slot(),
        "exp_avg_diff": Slot(),
        "exp_avg_sq": Slot(),
        "previous_grad": Slot(),
    }
    first_step = True
    choices = {"form": ("optax", "paper")}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        form: str = "optax",
        *,
        eps_root: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            form=form,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, beta3, lr = h["beta1"], h["beta2"], h["beta3"], h["lr"]
        correction3 = 1.0 - power(beta3, t)
        root3 = sqrt(correction3)
        weight, shrink, rate = 1.0 - beta2, lr * h["weight_decay"], lr * root3
        if h["form"] == PAPER:
            proximal = 1.0 + shrink
            weight, shrink, rate = beta2, shrink / proximal, rate / proximal
        return (
            0.0 if t == 1 else 1.0, weight, shrink, 1.0 - beta1, beta2, 1.0 - beta2, beta3, 1.0 - beta3,
            rate / (1.0 - power(beta1, t)), rate * weight / (1.0 - power(beta2, t)),
            h["eps"] * root3, h["eps_root"] * correction3,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        later, weight, shrink, fresh1, beta2, fresh2, beta3, fresh3 = c[:8]
        along_m, along_n, eps, eps_root = c[8:]
        m, n, v, previous = s
        change = later * (g - previous)
        ahead = g + weight * change
        m = m + fresh1 * (g - m)
        n = beta2 * n + fresh2 * change
        v = beta3 * v + fresh3 * (ahead * ahead)
        step = (along_m * m + along_n * n) / (sqrt(v + eps_root) + eps)
        return p - (shrink * p + step), (m, n, v, g)
