"""QHAdam: Adam with quasi-hyperbolic averages of the gradient and of its square."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY, FRACTION
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, sqrt
from fastopt.slots import Slot


class QHAdam(Optimizer):
    r"""Quasi-hyperbolic Adam: both averages are mixed with what was averaged last.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        w_i &\leftarrow 1 + \beta_i w_i, \qquad
            m \leftarrow m + (g - m) / w_1, \qquad v \leftarrow v + (g^2 - v) / w_2 \\
        p &\leftarrow p - \eta \, \frac{(1 - \nu_1) g + \nu_1 m}
            {\sqrt{(1 - \nu_2) g^2 + \nu_2 v} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    nus : tuple of two floats
        :math:`\nu_1`, and :math:`\nu_2` in [0, 1]; 1 and 1 is Adam, :math:`\beta_1` and 1 close to NAdam.
    weight_decay : float
        :math:`\lambda`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    eps : float
        :math:`\epsilon`, outside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root; coupled decay by default, decoupled decay before the step; the slots start
    at 0 and hold *corrected* averages: with constant betas, Adam's over :math:`1 - \beta^t`; the sums of weights
    :math:`w_i` are ``beta1_weight`` and ``beta2_weight`` in the state. Same as the authors' qhoptim.pyt.QHAdam, whose
    decouple_weight_decay is decoupled_weight_decay. Not in torch or optax.

    References
    ----------
    Ma and Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", and the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.QHAdam(w, lr=0.125, nus=(0.5, 1.0), eps=0.0)
    >>> for g in ([10.0, -0.1], [10.0, 0.1]):
    ...     info = opt.step(np.array(g))
    >>> w.round(6)
    array([0.75    , 1.059211])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    running = {"beta1_weight": 0.0, "beta2_weight": 0.0}
    domains = {"nus": (ANY, FRACTION)}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        nus: tuple[float, float] = (1.0, 1.0),
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        eps: float = 1e-8,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            nus=nus,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            eps=eps,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return 1.0 + h["beta1"] * h["beta1_weight"], 1.0 + h["beta2"] * h["beta2_weight"]

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        lr, decay, nu1, nu2 = h["lr"], h["weight_decay"], h["nu1"], h["nu2"]
        # below 1 only while the first step is looked ahead at
        fresh1 = 1.0 / maximum(h["beta1_weight"], 1.0)
        fresh2 = 1.0 / maximum(h["beta2_weight"], 1.0)
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = 1.0 - lr * decay if h["decoupled_weight_decay"] else 1.0
        return (
            l2, keep, fresh1, 1.0 - fresh2, fresh2, lr * nu1, lr * (1.0 - nu1), nu2, 1.0 - nu2, h["eps"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, fresh1, kept2, fresh2, along_m, along_g, nu2, rest2, eps = c
        m, v = s
        g = g + l2 * p
        square = g * g
        m = m + fresh1 * (g - m)
        v = kept2 * v + fresh2 * square
        return (
            keep * p - (along_m * m + along_g * g) / (sqrt(nu2 * v + rest2 * square) + eps),
            (m, v),
        )
