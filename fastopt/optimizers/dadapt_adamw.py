"""D-Adaptation: AdamW that finds its learning rate from how gradients agree with their sum."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import abs, maximum, power, sqrt
from fastopt.slots import Slot


def _weighted_sum(c: Any, g: Any, total: Any) -> Any:
    return c[0] * total + c[1] * g


def _agreement(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    _, v, total = s
    return c[1] * (g * (total / (sqrt(v) + c[7]))), abs(_weighted_sum(c, g, total))


class DAdaptAdamW(Optimizer):
    r"""AdamW with a step size d that is a lower bound of the distance to the solution, one for all tensors.

    .. math::

        \gamma &= d \, \eta \sqrt{1 - \beta_2^t} / (1 - \beta_1^t), \qquad \beta_3 = \sqrt{\beta_2} \\
        r &\leftarrow \beta_3 r + (1 - \beta_3) \gamma \langle g, s / (\sqrt v + \epsilon) \rangle \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) \gamma g, \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            s \leftarrow \beta_3 s + (1 - \beta_3) \gamma g \\
        d &\leftarrow \max\left(d, \frac{r}{(1 - \beta_3) \lVert s \rVert_1}\right) \\
        p &\leftarrow p - \gamma \lambda p - \frac{m}{\sqrt{v} + \epsilon}

    The product, of s and v before the step, and the norm are over all tensors together.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, by which the found step size is multiplied: leave it at 1, or let it be a schedule.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon > 0`, outside the root.
    estim_lr0 : float
        :math:`d_0 > 0`, the first d: smaller than any good one.
    weight_decay : float
        :math:`\lambda`, decoupled.
    bias_correction : bool
        False leaves out :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, of the average that is not corrected; decoupled decay times gamma, with p
    before the step; gamma is that of the old d and stands inside m and s; slots start at 0, d at estim_lr0. d is
    the number ``opt.state[k]["estim_lr"]``, the same for all k (0 before the first step). Same as
    optax.contrib.dadapt_adamw, which has no bias_correction, except that d stays as it is while s is 0 everywhere,
    where optax divides 0 by 0. Same as the authors' DAdaptAdam with decouple=True, which calls estim_lr0 d0, and
    bias_correction, which is off there, use_bias_correction; its growth_rate and coupled decay are not here. Groups
    may differ in lr, eps and weight_decay; the other values say what d is and must agree. The corrections count a
    parameter's own steps.

    References
    ----------
    Defazio and Mishchenko 2023, "Learning-rate-free learning by D-adaptation"; its variant of Adam.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.DAdaptAdamW(w)
    >>> for _ in range(300):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.05), opt.state[0]["estim_lr"] > 0.01
    (True, True)
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot(), "grad_sum": Slot()}
    running = {"estim_lr": 0.0, "estim_lr_before": 0.0, "numerator_weighted": 0.0}
    shared = ("estim_lr", "estim_lr_before", "numerator_weighted")
    measures = (Measure(_agreement, scope="all", results=("numerator", "denominator")),)
    domains = {"estim_lr0": Interval(0, above=True), "eps": Interval(0, above=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        estim_lr0: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        bias_correction: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            estim_lr0=estim_lr0,
            weight_decay=weight_decay,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        beta3 = sqrt(h["beta2"])
        before = maximum(h["estim_lr"], h["estim_lr0"])
        numerator = beta3 * h["numerator_weighted"] + h["numerator"]
        if h["denominator"] == 0.0:
            return before, before, numerator
        estimate = numerator / ((1.0 - beta3) * h["denominator"])
        return maximum(before, estimate), before, numerator

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, beta3 = h["beta1"], h["beta2"], sqrt(h["beta2"])
        # once the sums are measured, `advance` has renewed the estimate that this step began with
        d = h["estim_lr"] if h["denominator"] == 0.0 else h["estim_lr_before"]
        rate = maximum(d, h["estim_lr0"]) * h["lr"]
        if h["bias_correction"]:
            rate = rate * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        return (
            beta3, (1.0 - beta3) * rate, beta1, (1.0 - beta1) * rate, beta2, 1.0 - beta2,
            rate * h["weight_decay"], h["eps"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, _, beta1, fresh1, beta2, fresh2, decay, eps = c
        m, v, total = s
        m = beta1 * m + fresh1 * g
        v = beta2 * v + fresh2 * (g * g)
        total = _weighted_sum(c, g, total)
        return p - (decay * p + m / (sqrt(v) + eps)), (m, v, total)
