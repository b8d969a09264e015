"""AddSign: gradients are doubled where they agree with their average and left out where they do not."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY, NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import sign
from fastopt.slots import Slot


class AddSign(Optimizer):
    r"""Gradient descent with a rate that is larger or smaller by the agreement of signs.

    .. math::

        m \leftarrow \beta m + (1 - \beta) g, \qquad
        p \leftarrow p - \eta \left( \alpha + f \operatorname{sign}(g) \operatorname{sign}(m) \right) g

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    alpha : float
        :math:`\alpha`: what the gradient is multiplied by without regard to signs.
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
    correction; exp_avg starts at 0. Same as TensorFlow's tf.contrib.opt.AddSignOptimizer, where sign_decay is a function;
    not in torch or optax. See `PowerSign`.

    References
    ----------
    Bello, Zoph, Vasudevan and Le 2017, "Neural optimizer search with reinforcement learning", section 4.5.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.AddSign(w, lr=0.5)
    >>> info = opt.step(np.array([0.5, 0.5]))
    >>> info = opt.step(np.array([0.5, -0.1]))  # the average of the second still points up
    >>> w
    array([0. , 0.5])
    """

    slots = {"exp_avg": Slot()}
    domains = {"alpha": NONNEGATIVE, "beta": DECAY, "sign_decay": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 0.1,
        alpha: float = 1.0,
        beta: float = 0.9,
        sign_decay: float = 1.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, beta=beta, sign_decay=sign_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta, lr = h["beta"], h["lr"]
        return beta, 1.0 - beta, lr * h["alpha"], lr * h["sign_decay"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        beta, fresh, always, signed = c
        (m,) = s
        m = beta * m + fresh * g
        return p - (always + signed * (sign(g) * sign(m))) * g, (m,)
