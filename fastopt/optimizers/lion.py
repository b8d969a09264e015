"""Lion: the sign of a momentum, with another momentum to remember."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import sign
from fastopt.slots import Slot


class Lion(Optimizer):
    r"""Evolved sign momentum: every element moves by the learning rate.

    .. math::

        p &\leftarrow p - \eta \left( \operatorname{sign}(\beta_1 m + (1 - \beta_1) g) + \lambda p \right) \\
        m &\leftarrow \beta_2 m + (1 - \beta_2) g

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`; 3 to 10 times smaller than for AdamW.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1): the average that is stepped along, and the one that is kept.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay; 3 to 10 times larger than for AdamW.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: decoupled decay, multiplied by lr; no bias correction; exp_avg starts at 0; where the average is
    0, only the decay moves. Same as optax.lion, with Keras's lr, since optax has no default. Not in
    torch.

    References
    ----------
    Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.Lion(w, lr=0.125, weight_decay=0.0).step(np.array([10.0, -0.1]))
    >>> w
    array([0.875, 1.125])
    """

    slots = {"exp_avg": Slot()}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 1e-3,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2 = h["beta1"], h["beta2"]
        return h["weight_decay"], h["lr"], beta1, 1.0 - beta1, beta2, 1.0 - beta2

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        decay, lr, beta1, fresh1, beta2, fresh2 = c
        (m,) = s
        p = p - lr * (sign(beta1 * m + fresh1 * g) + decay * p)
        return p, (beta2 * m + fresh2 * g,)
