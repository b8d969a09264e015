"""MARS-AdamW: AdamW over gradients whose variance is reduced by those of the step before."""

from __future__ import annotations

from typing import Any

from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, sqrt
from fastopt.slots import Slot


def _corrected(c: Any, g: Any, previous: Any) -> Any:
    """The gradient, moved on by what it has changed."""
    return g + c[0] * (g - previous)


def _square(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    x = _corrected(c, g, s[0])
    return (x * x,)


class MARSAdamW(Optimizer):
    r"""MARS-AdamW: AdamW with gradients corrected by their change since the last step, clipped tensor by tensor.

    .. math::

        c &= g + \gamma \frac{\beta_1}{1 - \beta_1} (g - g_{prev}), \qquad
            c \leftarrow c \,/ \max(1, \lVert c \rVert), \qquad g_{prev} \leftarrow g \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) c, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) c^2 \\
        p &\leftarrow p - \eta \left( \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}
            + \lambda p \right)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a norm of its own.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`.
    amsgrad : bool
        Divide by the largest v so far.
    gamma : float
        :math:`\gamma`: how much the gradients are corrected.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; decoupled decay, multiplied by lr; slots start at
    0, so that the first correction is of the whole gradient; the approximate version, whose previous gradient
    (last_grad) is that of the last step and its batch, where the exact one takes the gradient of this batch at the last
    parameters. Same as the authors' MARS with mars_type="mars-adamw" and optimize_1d=True. They update tensors that
    are not matrices with AdamW by default, for which groups of another optimizer are the way here.

    References
    ----------
    Yuan et al. 2024, "MARS: Unleashing the power of variance reduction for training large models", algorithm 2;
    the start of last_grad is that of the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.MARSAdamW(w, lr=0.125)
    >>> info = opt.step(np.array([3.0, -4.0]))
    >>> w.round(6), opt.state[0]["exp_avg"].round(6)
    (array([0.875, 1.125]), array([ 0.03, -0.04]))
    """

    slots = {
        "last_grad": Slot(),
        "exp_avg": Slot(),
        "exp_avg_sq": Slot(),
        "max_exp_avg_sq": Slot(when="amsgrad"),
    }
    measures = (Measure(_square, scope="tensor", results=("corrected_sq",)),)

    def __init__(
        self,
        params: Any,
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.95, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        gamma: float = 0.025,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            gamma=gamma,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        root2 = sqrt(1.0 - power(beta2, t))
        return (
            h["gamma"] * beta1 / (1.0 - beta1),
            1.0 / sqrt(h["corrected_sq"]) if h["corrected_sq"] > 1.0 else 1.0,
            1.0 - beta1, beta2, 1.0 - beta2, lr * root2 / (1.0 - power(beta1, t)), h["eps"] * root2,
            lr * h["weight_decay"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, shorten, fresh1, beta2, fresh2, step, eps, shrink = c
        previous, m, v, largest = s
        x = shorten * _corrected(c, g, previous)
        m = m + fresh1 * (x - m)
        v = beta2 * v + fresh2 * (x * x)
        largest = maximum(largest, v)
        return p - (shrink * p + step * (m / (sqrt(largest) + eps))), (g, m, v, largest)
