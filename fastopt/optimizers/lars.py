"""LARS: momentum with a rate for each tensor, proportional to its norm over its gradient's."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt, where
from fastopt.slots import Slot


def trust_ratio(param_sq: Any, update_sq: Any, coefficient: Any, eps: Any) -> Any:
    """The norm of a tensor over that of its update, times a coefficient; 1 where either norm is 0."""
    if param_sq == 0.0 or update_sq == 0.0:
        return 1.0
    return coefficient * sqrt(param_sq) / (sqrt(update_sq) + eps)


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    g = g + c[0] * p
    return p * p, g * g


class LARS(Optimizer):
    r"""Layer-wise adaptive rate scaling: momentum, each tensor's rate scaled by a trust ratio.

    .. math::

        g &\leftarrow g + \lambda p, \qquad
            r = \tau \frac{\lVert p \rVert}{\lVert g \rVert + \epsilon}
            \quad (1 \text{ if either norm is } 0) \\
        m &\leftarrow \mu m + \eta r g \\
        p &\leftarrow p - m, \quad\text{or}\quad p - (\mu m + \eta r g) \text{ with nesterov}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a ratio of its own.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu`; 0 keeps no slot.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    trust_coefficient : float
        :math:`\tau`.
    eps : float
        :math:`\epsilon`, added to the norm of the gradient.
    nesterov : bool
        Step along :math:`\mu m + \eta r g`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: coupled decay, inside the norm of the gradient; the rate stands inside the buffer, which starts at 0; where a
    norm is 0 the ratio is 1, not trust_coefficient. Same as optax.lars, which has no default of lr and whose trace
    is the negative of the buffer; its masks are not here: groups can have a weight_decay of their own, but every
    tensor has a ratio. The norms are L2 norms of all elements of a tensor.

    References
    ----------
    You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1 (which
    adds the decay to the norm of the gradient, not to the gradient, before the norm).

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> opt = fastopt.LARS(w, lr=0.5, trust_coefficient=0.25)
    >>> info = opt.step(np.array([0.0, 2.0]))
    >>> w
    array([3.   , 3.375])
    """

    slots = {"momentum_buffer": Slot(when="momentum")}
    measures = (Measure(_squares, scope="tensor", results=("param_sq", "update_sq")),)
    domains = {"trust_coefficient": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        eps: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            trust_coefficient=trust_coefficient,
            eps=eps,
            nesterov=nesterov,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        ratio = trust_ratio(h["param_sq"], h["update_sq"], h["trust_coefficient"], h["eps"])
        return h["weight_decay"], h["momentum"], h["lr"] * ratio, 1.0 if h["nesterov"] else 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, mu, rate, ahead = c
        (m,) = s
        step = rate * (g + l2 * p)
        m = mu * m + step
        return p - where(ahead, mu * m + ahead * step, m), (m,)
