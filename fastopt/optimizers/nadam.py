"""NAdam: Adam with Nesterov's momentum on a schedule of its own."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


def _momentum(h: Any, t: Any) -> Any:
    return h["beta1"] * (1.0 - 0.5 * power(0.96, t * h["momentum_decay"]))


class NAdam(Optimizer):
    r"""NAdam: Adam that steps along the momentum which the next step will have.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            \mu_t = \beta_1 (1 - \tfrac{1}{2} \, 0.96^{t \psi}) \\
        p &\leftarrow p - \eta \left( \frac{(1 - \mu_t) g}{1 - \prod_{i \le t} \mu_i}
            + \frac{\mu_{t+1} m}{1 - \prod_{i \le t+1} \mu_i} \right)
            \Big/ \left( \sqrt{v / (1 - \beta_2^t)} + \epsilon \right)

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
    momentum_decay : float
        :math:`\psi`: how fast the momentum rises to :math:`\beta_1`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; coupled decay by default; slots start at 0,
    ``mu_product`` in the state, the product of momenta so far, at 1. Same as torch.optim.NAdam. optax.nadam and
    optax.nadamw have no schedule of momenta: with a momentum_decay of 1e6, by which the first momentum is
    :math:`\beta_1` already, this is optax.nadam, and with decoupled_weight_decay, optax.nadamw.

    References
    ----------
    Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2 and its schedule of momenta.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.NAdam(w, lr=0.125)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6), round(opt.state[0]["mu_product"], 6)
    (array([0.867944, 1.132056]), 0.450073)
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    running = {"mu_product": 1.0}
    domains = {"momentum_decay": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
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
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return (h["mu_product"] * _momentum(h, t),)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr, decay = h["beta1"], h["beta2"], h["lr"], h["weight_decay"]
        product, ahead = h["mu_product"], _momentum(h, t + 1)
        root2 = sqrt(1.0 - power(beta2, t))
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = 1.0 - lr * decay if h["decoupled_weight_decay"] else 1.0
        return (
            l2, keep, 1.0 - beta1, beta2, 1.0 - beta2,
            lr * root2 * (1.0 - _momentum(h, t)) / (1.0 - product),
            lr * root2 * ahead / (1.0 - product * ahead), h["eps"] * root2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, fresh1, beta2, fresh2, along_g, along_m, eps = c
        m, v = s
        g = g + l2 * p
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        return keep * p - (along_g * g + along_m * m) / (sqrt(v) + eps), (m, v)
