"""Fromage: gradient descent by steps that are proportional to each tensor's norm."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers.lars import trust_ratio
from fastopt.scalar import maximum, sqrt


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return p * p, g * g


class Fromage(Optimizer):
    r"""Frobenius matched descent: each tensor moves by lr times its norm, and is shrunk to keep it.

    .. math::

        r &= \frac{\max(\lVert p \rVert, \nu)}{\max(\lVert g \rVert, \nu)} \\
        p &\leftarrow \frac{p}{\sqrt{1 + \eta^2}} - \frac{\eta}{\sqrt{1 + \eta^2}} r g

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a ratio of its own.
    lr : float
        :math:`\eta`: the length of a step, relative to the norm of the tensor.
    min_norm : float
        :math:`\nu`: smaller norms count as this.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: both norms are bounded by min_norm from below, nothing is added to them; if it is 0, the ratio is 1
    where a norm is 0; the division by :math:`\sqrt{1 + \eta^2}` is part of every step, also where the gradient is
    0; no weight_decay, no state. Same as optax.fromage, which has no default of lr: 0.01 is the authors', whose own
    Fromage has min_norm = 0 and can bound the norms (p_bound), which is not here.

    References
    ----------
    Bernstein, Vahdat, Yue and Liu 2020, "On the distance between two neural networks and the stability of
    learning", algorithm 1.

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> opt = fastopt.Fromage(w, lr=0.75)
    >>> info = opt.step(np.array([0.0, 2.0]))
    >>> w
    array([2.4, 0.2])
    """

    measures = (Measure(_squares, scope="tensor", results=("param_sq", "grad_sq")),)
    domains = {"min_norm": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        min_norm: float = 1e-6,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, min_norm=min_norm, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        lr, least = h["lr"], h["min_norm"] * h["min_norm"]
        ratio = trust_ratio(maximum(h["param_sq"], least), maximum(h["grad_sq"], least), 1.0, 0.0)
        root = sqrt(1.0 + lr * lr)
        return lr * lr / (root * (root + 1.0)), lr / root * ratio  # the first is 1 - 1 / root

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        decay, rate = c
        return p - (decay * p + rate * g), s
