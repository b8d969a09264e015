"""Yogi: Adam whose average of squares moves by bounded amounts."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sign, sqrt
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["initial_accumulator_value"]


class Yogi(Optimizer):
    r"""Yogi: Adam that forgets large gradients slowly.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
            v \leftarrow v - (1 - \beta_2) \operatorname{sign}(v - g^2) \, g^2 \\
        p &\leftarrow p - \eta \, \frac{m / (1 - \beta_1^t)}
            {\sqrt{v / (1 - \beta_2^t) + \epsilon_r} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root; by default far larger than Adam's.
    initial_accumulator_value : float
        Where m and v start.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: both epsilons are added after the correction; no decay; both slots start at
    initial_accumulator_value, the average of gradients too. Same as optax.yogi, which takes the last two from
    optax.scale_by_yogi and has no default of lr (0.01 is the paper's); the paper has no corrections.

    References
    ----------
    Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Yogi(w, lr=0.125, eps=0.0, initial_accumulator_value=0.0)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.875, 1.125])
    """

    slots = {"exp_avg": Slot(initial=_start), "exp_avg_sq": Slot(initial=_start)}
    domains = {"initial_accumulator_value": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-3,
        initial_accumulator_value: float = 1e-6,
        *,
        eps_root: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            initial_accumulator_value=initial_accumulator_value,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2 = h["beta1"], h["beta2"]
        correction2 = 1.0 - power(beta2, t)
        root2 = sqrt(correction2)
        return (
            1.0 - beta1, 1.0 - beta2, h["lr"] * root2 / (1.0 - power(beta1, t)),
            h["eps"] * root2, h["eps_root"] * correction2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, fresh2, step, eps, eps_root = c
        m, v = s
        m = m + fresh1 * (g - m)
        square = g * g
        v = v - fresh2 * (sign(v - square) * square)
        return p - step * (m / (sqrt(v + eps_root) + eps)), (m, v)
