"""PowerSign: gradients grow where they agree with their average and shrink where they do not."""

from __future__ import annotations

import math
from typing import Any

from fastopt.hyperparameters import DECAY, NONNEGATIVE, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sign, where
from fastopt.slots import Slot


class PowerSign(Optimizer):
    r"""Gradient descent with every gradient multiplied or divided by a base.

    .. math::

        m \leftarrow \beta m + (1 - \beta) g, \qquad
        p \leftarrow p - \eta \, b^{f \operatorname{sign}(g) \operatorname{sign}(m)} \, g

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    base : float
        :math:`b` above 0.
    beta : float
        :math:`\beta` in [0, 1).
    sign_decay : float
        :math:`f`: the weight of the signs. The paper lets it fall to 0, by a line or a cosine: give it one of
        `fastopt.schedules`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the gradient is in m already when their signs are compared; no decay, no epsilon, no bias
    correction; exp_avg starts at 0. Same as TensorFlow's tf.contrib.opt.PowerSignOptimizer, where sign_decay is a function;
    not in torch or optax. See `AddSign`.

    References
    ----------
    Bello, Zoph, Vasudevan and Le 2017, "Neural optimizer search with reinforcement learning", section 4.5.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.PowerSign(w, lr=0.5, base=2.0)
    >>> info = opt.step(np.array([0.5, 0.5]))
    >>> info = opt.step(np.array([0.5, -0.1]))  # the average of the second still points up
    >>> w.round(6)
    array([0.   , 0.525])
    """

    slots = {"exp_avg": Slot()}
    domains = {"base": Interval(0, above=True), "beta": DECAY, "sign_decay": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 0.1,
        base: float = math.e,
        beta: float = 0.9,
        sign_decay: float = 1.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, base=base, beta=beta, sign_decay=sign_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["beta"], 1.0 - h["beta"], power(h["base"], h["sign_decay"]), h["lr"], 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        beta, fresh, factor, lr, zero = c
        (m,) = s
        m = beta * m + fresh * g
        agree = sign(g) * sign(m)
        g = where(agree > zero, g * factor, where(agree < zero, g / factor, g))
        return p - lr * g, (m,)
