"""Steps of nearly fixed size."""

from __future__ import annotations

from typing import Any

from fastopt.optimizer import Optimizer
from fastopt.scalar import abs


class NormalizedGD(Optimizer):
    r"""Gradient descent with every component of the gradient divided by its own size.

    .. math::

        p \leftarrow p - \eta \, g / (|g| + \epsilon)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`: nearly the distance that every component moves.
    eps : float
        :math:`\epsilon`: far smaller gradients move by :math:`\eta g / \epsilon`.
    weight_decay : float
        An L2 term, added to the gradient as weight_decay times p.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: per element, not by the norm of the whole vector; epsilon is added to the absolute value;
    coupled decay. With eps 0 a gradient of 0 gives NaN. No slots. Not in torch, optax or Keras.

    References
    ----------
    Tieleman and Hinton 2012, "Neural networks for machine learning", lecture 6e: the sign-like limit of RMSprop
    without averaging.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.NormalizedGD(w, lr=0.25).step(np.array([100.0, -0.1]))
    >>> w.round(6)
    array([0.75, 1.25])
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        eps: float = 1e-8,
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["lr"], h["eps"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, lr, eps = c
        g = g + l2 * p
        return p - lr * (g / (abs(g) + eps)), ()
