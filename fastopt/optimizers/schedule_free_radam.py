"""Schedule-free RAdam: no warm-up either."""

from __future__ import annotations

from typing import Any

from fastopt.optimizers.radam import rectification
from fastopt.optimizers.schedule_free import ScheduleFree, average, descend, weigh
from fastopt.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from fastopt.scalar import power, sqrt, where

_SHORTEST = 4.0  # an average of squares that is no longer is not trusted


def _rate(h: Any, t: Any) -> Any:
    rectified = rectification(h["beta2"], t, _SHORTEST)
    if rectified == 0.0 and not h["silent_sgd_phase"]:
        return h["lr"]
    return h["lr"] * rectified


class ScheduleFreeRAdam(ScheduleFree):
    r"""Schedule-free AdamW whose learning rate is RAdam's: it needs neither a schedule nor a warm-up.

    .. math::

        y &= (1 - \beta_1) z + \beta_1 x, \qquad g = \nabla f(y), \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad \eta_t = \eta r_t \\
        z &\leftarrow z - \eta_t \left( \frac{g}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda y \right) \\
        x &\leftarrow (1 - c_t) x + c_t z, \qquad c_t = w_t \Big/ \sum_{i \le t} w_i, \qquad
            w_t = t^r \, (\max_{i \le t} \eta_i)^q

    with :math:`r_t, \rho_t` of `fastopt.RAdam`. While :math:`\rho_t \le 4`, :math:`r_t` is 0, or with
    silent_sgd_phase=False it is 1 and g is not divided.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr, betas, eps, weight_decay, r, weight_lr_power, maximize
        As of `fastopt.ScheduleFreeAdamW`.
    silent_sgd_phase : bool
        Whether the first steps, before the average of squares can be trusted, leave the parameters alone; else they
        are those of schedule-free SGD.

    Notes
    -----
    Conventions: as of ScheduleFreeAdamW: epsilon outside the root, added after the correction; decoupled decay at y,
    multiplied by the rectified rate; v starts at 0, x, y and z as the parameter at its first step; rectified from
    :math:`\rho_t > 4` on (RAdam: 5). Same as RAdamScheduleFree of the authors' package, but it starts in train mode,
    and parameters count their steps and add up their weights by themselves.

    References
    ----------
    Defazio et al. 2024, "The road less scheduled"; Liu et al. 2020, "On the variance of the adaptive learning rate and
    beyond"; put together in the authors' package schedulefree.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.ScheduleFreeRAdam(w, lr=1.0)
    >>> for _ in range(200):
    ...     info = opt.step(2 * w)
    >>> opt.eval()
    >>> bool(abs(w[0]) < 1e-3)
    True
    """

    slots = ScheduleFreeAdamW.slots
    domains = ScheduleFreeAdamW.domains
    interpolation = staticmethod(ScheduleFreeAdamW.interpolation)

    def __init__(
        self,
        params: Any,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        silent_sgd_phase: bool = True,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            r=r,
            weight_lr_power=weight_lr_power,
            silent_sgd_phase=silent_sgd_phase,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        return weigh(h, t, _rate(h, t))

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta2, rate = h["beta2"], _rate(h, t)
        fresh, beta, fraction, first = average(h, t, h["beta1"])
        trusted = rectification(beta2, t, _SHORTEST) > 0.0
        root = sqrt(1.0 - power(beta2, t))
        plain, adaptive = (0.0, rate * root) if trusted else (rate, 0.0)
        return (
            fresh, beta, fraction, first, rate * h["weight_decay"], beta2, 1.0 - beta2, plain, adaptive,
            h["eps"] * root,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        shrink, beta2, fresh2, plain, adaptive, eps = c[4:]
        z, v = s
        v = beta2 * v + fresh2 * (g * g)
        # a select: what is not taken may be infinite or not a number
        step = where(adaptive, adaptive * (g / (sqrt(v) + eps)), plain * g)
        p, z = descend(c, p, z, step + shrink * p)
        return p, (z, v)
