"""LAMB: Adam with a rate for each tensor, proportional to its norm over its update's."""

from __future__ import annotations

from typing import Any

from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers.lars import trust_ratio
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


def _direction(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, Any, Any]:
    """The update before it is scaled, and the new averages."""
    fresh1, beta2, fresh2, scale, eps, eps_root, decay, _ = c
    m, v = s
    m = m + fresh1 * (g - m)
    v = beta2 * v + fresh2 * (g * g)
    return scale * (m / (sqrt(v + eps_root) + eps)) + decay * p, m, v


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    u, _, _ = _direction(c, p, g, s)
    return p * p, u * u


class LAMB(Optimizer):
    r"""Layer-wise adaptive moments: Adam's update with decay, scaled by each tensor's trust ratio.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        u &= \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t) + \epsilon_r} + \epsilon} + \lambda p \\
        p &\leftarrow p - \eta \frac{\lVert p \rVert}{\lVert u \rVert} u
            \quad (\text{ratio } 1 \text{ if either norm is } 0)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a ratio of its own.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`, added to the update as weight_decay times p.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    bias_correction : bool
        False leaves out the divisions by :math:`1 - \beta^t`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; decay after the division, inside the norm of
    the update, times lr and the ratio; slots start at 0; the norms are L2 norms of all elements and are not limited
    (the paper's phi is the identity). Same as optax.lamb, which has no bias_correction and no default of lr (0.001
    is Keras's).

    References
    ----------
    You et al. 2020, "Large batch optimization for deep learning: Training BERT in 76 minutes", algorithm 2.

    Examples
    --------
    >>> w = np.array([2.0, 2.0])
    >>> opt = fastopt.LAMB(w, lr=0.125, eps=0.0)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([1.75, 2.25])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    measures = (Measure(_squares, scope="tensor", results=("param_sq", "update_sq")),)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        eps_root: float = 0.0,
        bias_correction: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            eps_root=eps_root,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2 = h["beta1"], h["beta2"]
        correction1 = 1.0 - power(beta1, t) if h["bias_correction"] else 1.0
        correction2 = 1.0 - power(beta2, t) if h["bias_correction"] else 1.0
        root2 = sqrt(correction2)
        return (
            1.0 - beta1, beta2, 1.0 - beta2, root2 / correction1, h["eps"] * root2,
            h["eps_root"] * correction2, h["weight_decay"],
            h["lr"] * trust_ratio(h["param_sq"], h["update_sq"], 1.0, 0.0),
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        u, m, v = _direction(c, p, g, s)
        return p - c[-1] * u, (m, v)
