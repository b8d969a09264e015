"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, where
from fastopt.slots import Slot


def _rate(h: Any, t: Any) -> Any:
    """The learning rate after t steps."""
    return h["lr"] / power(1.0 + h["lambd"] * h["lr"] * t, h["alpha"])


def _weight(h: Any, t: Any) -> Any:
    """What the parameter after t + 1 steps weighs in the average."""
    return 1.0 / maximum(1.0, t - h["t0"]) if t > 0 else 1.0


class ASGD(Optimizer):
    r"""Averaged stochastic gradient descent: a decaying rate, and a mean of the parameters beside them.

    .. math::

        g &\leftarrow g + w p, \qquad
            \eta = \frac{\eta_0}{(1 + \lambda \eta_0 (t - 1))^\alpha}, \qquad
            \mu = \frac{1}{\max(1, t - 1 - t_0)} \\
        p &\leftarrow (1 - \lambda \eta) p - \eta g, \qquad
            \bar p \leftarrow \bar p + \mu (p - \bar p)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta_0`.
    lambd : float
        :math:`\lambda`: decay of the rate, and of the parameters.
    alpha : float
        :math:`\alpha`: power of the decay of the rate.
    t0 : float
        :math:`t_0`: the step after which averaging begins; until then the average is the parameter.
    weight_decay : float
        :math:`w`, an L2 term in the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: coupled decay by weight_decay, decoupled by lambd; the average :math:`\bar p` is the slot ``ax``,
    which no step reads; ``eta`` and ``mu`` in the state are those of the coming step. Same as torch.optim.ASGD with
    a constant lr; a change of lr holds from the next step on, in torch from the one after it.

    References
    ----------
    Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the rate: Xu 2011, "Towards
    optimal one pass large scale learning with averaged stochastic gradient descent".

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.ASGD(w, lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     info = opt.step(np.ones(1))
    >>> w, opt.state[0]["ax"]
    (array([-0.5]), array([-0.25]))
    """

    slots = {"ax": Slot()}
    first_step = True
    running = {"eta": 0.0, "mu": 1.0}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return _rate(h, t), _weight(h, t)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        eta, mu = _rate(h, t - 1), _weight(h, t - 1)
        return h["weight_decay"], 1.0 - h["lambd"] * eta, eta, mu if mu < 1.0 else 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, eta, mu = c
        (average,) = s
        p = keep * p - eta * (g + l2 * p)
        return p, (where(mu, average + mu * (p - average), p),)
