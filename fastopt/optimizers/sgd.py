"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import where
from fastopt.slots import Slot


class SGD(Optimizer):
    r"""Stochastic gradient descent, plain, with momentum, or with Nesterov's.

    .. math::

        g &\leftarrow g + \lambda p \\
        m &\leftarrow \mu m + (1 - \tau) g \quad (m \leftarrow g \text{ in the first step}) \\
        p &\leftarrow p - \eta m, \quad\text{or}\quad p - \eta (g + \mu m) \text{ with nesterov}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu`; 0 keeps no slot.
    dampening : float
        :math:`\tau`.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    nesterov : bool
        Step along :math:`g + \mu m`; needs a momentum and no dampening.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: heavy-ball momentum with lr outside the buffer; coupled decay, before momentum; the first
    step is not dampened (a momentum that is switched on later is, where torch would not). Same as torch.optim.SGD.

    References
    ----------
    Polyak 1964; Sutskever et al. 2013, "On the importance of initialization and momentum in deep
    learning", eq. 1-2, with lr outside the velocity.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> info = fastopt.SGD(w, lr=0.5, momentum=0.9).step(np.array([1.0, 1.0]))
    >>> w
    array([ 0.5, -2.5])
    """

    slots = {"momentum_buffer": Slot(when="momentum")}
    first_step = "dampening"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    @classmethod
    def validate(cls, hyperparameters: Mapping[str, Any]) -> None:
        h = hyperparameters
        if h["nesterov"] and (h["momentum"] <= 0 or h["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov with momentum {h['momentum']!r} and dampening {h['dampening']!r}; "
                "expected a momentum above 0 and no dampening"
            )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        mu, lr = h["momentum"], h["lr"]
        fresh = 1.0 if t == 1 or mu == 0 else 1.0 - h["dampening"]
        if h["nesterov"]:
            return h["weight_decay"], mu, fresh, lr * mu, lr
        return h["weight_decay"], mu, fresh, lr, 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, mu, fresh, along_m, along_g = c
        (m,) = s
        g = g + l2 * p
        m = mu * m + fresh * g
        along = where(along_g, along_m * m + along_g * g, along_m * m)  # never 0 * inf
        return p - along, (m,)
