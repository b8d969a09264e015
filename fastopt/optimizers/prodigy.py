"""Prodigy: AdamW that finds its learning rate from the distance it has come."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY, NONNEGATIVE, Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import abs, maximum, power, sqrt
from fastopt.slots import Slot


def _beta3(h: Any) -> Any:
    return h["beta3"] if h["beta3"] == h["beta3"] else sqrt(h["beta2"])


def _weighted_sum(c: Any, g: Any, total: Any) -> Any:
    return c[0] * total + c[1] * g


def _distance(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    _, _, total, start = s
    return c[2] * (g * (start - p)), abs(_weighted_sum(c, g, total))


def _start(h: Any, p: Any) -> Any:
    return p


class Prodigy(Optimizer):
    r"""AdamW with a step size d that grows with the distance from the start, one for all tensors.

    .. math::

        \gamma &= d \, \eta \sqrt{1 - \beta_2^t} / (1 - \beta_1^t) \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) d g, \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) d^2 g^2 \\
        s &\leftarrow \beta_3 s + \frac{\gamma d}{d_0} g, \qquad
            r \leftarrow \beta_3 r + \frac{\gamma d}{d_0} \langle g, p_0 - p \rangle \\
        d' &= \max(d, \kappa r / \lVert s \rVert_1) \\
        p &\leftarrow p - \gamma \lambda p - \gamma \frac{m}{\sqrt{v} + d' \epsilon}, \qquad d \leftarrow d'

    The product and the norm are over all tensors together.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, by which the found step size is multiplied: leave it at 1, or let it be a schedule.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    beta3 : float, optional
        :math:`\beta_3` in [0, 1); None for the square root of :math:`\beta_2`.
    eps : float
        :math:`\epsilon`, outside the root, times d.
    estim_lr0 : float
        :math:`d_0 > 0`, the first d: smaller than any good one.
    estim_lr_coef : float
        :math:`\kappa`.
    weight_decay : float
        :math:`\lambda`, decoupled.
    safeguard_warmup : bool
        Put d in the place of :math:`\gamma` in s, so that a rate that warms up does not count in it.
    bias_correction : bool
        False leaves out :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, times the new d, while all else is times the old one; decoupled decay
    times gamma, with p before the step; slots start at 0, params0 at the parameters, d at estim_lr0. d is the
    number ``opt.state[k]["estim_lr"]``, the same for all k (0 before the first step). Same as
    optax.contrib.prodigy, which has no bias_correction, except that d stays as it is while s is 0 everywhere, where
    optax divides 0 by 0. The authors' package calls estim_lr0 d0, estim_lr_coef d_coef, and bias_correction, which
    is off there, use_bias_correction; its growth_rate, slice_p and coupled decay are not here. Groups may differ in
    lr, eps and weight_decay; the other values say what d is and must agree. The corrections count a parameter's own
    steps.

    References
    ----------
    Mishchenko and Defazio 2024, "Prodigy: An expeditiously adaptive parameter-free learner", algorithm 4.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.Prodigy(w)
    >>> for _ in range(150):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.05), opt.state[0]["estim_lr"] > 0.01
    (True, True)
    """

    slots = {
        "exp_avg": Slot(),
        "exp_avg_sq": Slot(),
        "grad_sum": Slot(),
        "params0": Slot(initial=_start),
    }
    running = {"estim_lr": 0.0, "estim_lr_before": 0.0, "numerator_weighted": 0.0}
    shared = ("estim_lr", "estim_lr_before", "numerator_weighted")
    measures = (Measure(_distance, scope="all", results=("numerator", "denominator")),)
    domains = {"beta3": DECAY, "estim_lr0": Interval(0, above=True), "estim_lr_coef": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        beta3: float | None = None,
        eps: float = 1e-8,
        estim_lr0: float = 1e-6,
        estim_lr_coef: float = 1.0,
        weight_decay: float = 0.0,
        safeguard_warmup: bool = False,
        *,
        bias_correction: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            beta3=beta3,
            eps=eps,
            estim_lr0=estim_lr0,
            estim_lr_coef=estim_lr_coef,
            weight_decay=weight_decay,
            safeguard_warmup=safeguard_warmup,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        before = maximum(h["estim_lr"], h["estim_lr0"])
        numerator = _beta3(h) * h["numerator_weighted"] + h["numerator"]
        if h["denominator"] == 0.0:
            return before, before, numerator
        estimate = h["estim_lr_coef"] * numerator / h["denominator"]
        return maximum(before, estimate), before, numerator

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2 = h["beta1"], h["beta2"]
        now = maximum(h["estim_lr"], h["estim_lr0"])
        # once the sums are measured, `advance` has renewed the estimate that this step began with
        d = now if h["denominator"] == 0.0 else h["estim_lr_before"]
        rate = d * h["lr"]
        if h["bias_correction"]:
            rate = rate * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        weight = d / h["estim_lr0"]
        return (
            _beta3(h), weight * (d if h["safeguard_warmup"] else rate), weight * rate,
            beta1, (1.0 - beta1) * d, beta2, (1.0 - beta2) * d * d,
            rate * h["weight_decay"], rate, now * h["eps"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, _, _, beta1, fresh1, beta2, fresh2, decay, rate, eps = c
        m, v, total, start = s
        m = beta1 * m + fresh1 * g
        v = beta2 * v + fresh2 * (g * g)
        total = _weighted_sum(c, g, total)
        return p - (decay * p + rate * (m / (sqrt(v) + eps))), (m, v, total, start)
