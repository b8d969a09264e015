"""ADOPT: Adam that divides each gradient by the squares of those before it."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt, where
from fastopt.slots import Slot

_UNLIMITED = float("inf")


class ADOPT(Optimizer):
    r"""ADOPT: the gradient is divided by what is known without it, then averaged.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        u &= \operatorname{clamp}\left( \frac{g}{\max(\sqrt{v}, \epsilon)}, \pm (t - 1)^\kappa \right) \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) u, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        p &\leftarrow p - \eta m \;\text{ or, with nesterov, }\;
            p - \eta \left( \beta_1 m + (1 - \beta_1) u \right)

    The first step only sets v to the squared gradient.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, the least that gradients are divided by.
    weight_decay : float
        :math:`\lambda`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    nesterov : bool
        Step along the momentum which the next step will have.
    use_clipping : bool
        Whether to limit the divided gradient.
    clip_exponent : float
        :math:`\kappa`: how fast the limit grows with the number of steps before this one.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: eps is a lower bound of the root, and is not added; v of before the step divides; no bias
    correction; coupled decay by default; decoupled decay in the first step too; slots start at 0. Same as
    optax.contrib.adopt, which has no decay and no default of lr (0.001 is the authors') and whose clip_value_fn is
    the power 0.25. Names and order of the decays as in the authors' code, whose later versions limit by a
    decaying lower bound in place of the clip.

    References
    ----------
    Taniguchi et al. 2024, "ADOPT: Modified Adam can converge with any beta2 with the optimal rate", with
    the clipping of its later versions.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.ADOPT(w, lr=0.125)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.9875, 1.0125])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    first_step = True
    domains = {"clip_exponent": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.9999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        nesterov: bool = False,
        use_clipping: bool = True,
        clip_exponent: float = 0.25,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            nesterov=nesterov,
            use_clipping=use_clipping,
            clip_exponent=clip_exponent,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        lr, decay = h["lr"], h["weight_decay"]
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        shrink = lr * decay if h["decoupled_weight_decay"] else 0.0
        beta1, beta2 = (1.0, 0.0) if t == 1 else (h["beta1"], h["beta2"])
        limit = power(t - 1.0, h["clip_exponent"]) if h["use_clipping"] else _UNLIMITED
        along_m, along_u = (lr * beta1, lr * (1.0 - beta1)) if h["nesterov"] else (lr, 0.0)
        return l2, shrink, h["eps"], limit, 1.0 - beta1, beta2, 1.0 - beta2, along_m, along_u

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, shrink, eps, limit, fresh1, beta2, fresh2, along_m, along_u = c
        m, v = s
        g = g + l2 * p
        root = sqrt(v)
        u = g / where(root < eps, eps, root)  # selects that keep NaN
        u = where(u > limit, limit, u)
        u = where(u < -limit, -limit, u)
        m = m + fresh1 * (u - m)
        v = beta2 * v + fresh2 * (g * g)
        return p - (shrink * p + along_m * m + along_u * u), (m, v)
