"""MoMoAdam: MoMo with Adam's preconditioner."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers.momo import model_step
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


def _direction(c: Any, g: Any, s: Any) -> tuple[Any, Any, Any]:
    """Momentum over the root of the second moment, and the new averages."""
    beta1, fresh1, beta2, fresh2, scale, eps = c[:6]
    m, v = s
    m = beta1 * m + fresh1 * g
    v = beta2 * v + fresh2 * (g * g)
    return scale * (m / (sqrt(v) + eps)), m, v


def _products(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    u, m, _ = _direction(c, g, s)
    return m * u, m * p, g * p


class MoMoAdam(Optimizer):
    r"""Adam with a step size that takes an average of past lines down to the least value, and no further.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            u = \frac{m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} \\
        \bar f &\leftarrow \beta_1 \bar f + (1 - \beta_1) f, \qquad
            \gamma \leftarrow \beta_1 \gamma + (1 - \beta_1) \langle g, p \rangle, \qquad \rho = 1 - \beta_1^t \\
        \tau &= \min\left(\frac{\eta}{\rho},
            \frac{\max(0, (1 + \eta \lambda) (\bar f - \rho f^* - \gamma) + \langle m, p \rangle)}
            {\langle m, u \rangle}\right) \\
        p &\leftarrow \frac{p}{1 + \eta \lambda} - \tau u

    Products are over all tensors together. f is the objective's value where the gradient was taken:
    ``opt.step(grads, value=f)``.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, the largest step size.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    lower_bound : float
        :math:`f^*`, the least value of the objective or a bound below it; with maximize, of its negative.
    weight_decay : float
        :math:`\lambda`, decoupled.
    adapt_lower_bound : bool
        Estimate :math:`f^*` on the way; lower_bound is then the first and the least estimate.
    maximize : bool
        Ascend instead: descend the negative of the objective.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; decoupled decay as a division by 1 + lr *
    weight_decay, of p alone; everything starts at 0; no step where the product of m and u is at most 2.2e-16. The
    numbers barf, gamma, lb (the bound) and step_size (:math:`\tau`) in ``opt.state[k]`` are the same for all k;
    float64, where optax has the dtype of the parameters. Same as optax.contrib.momo_adam. The authors' MomoAdam
    divides :math:`p - \tau u` by 1 + lr * weight_decay, and calls lower_bound lb, adapt_lower_bound use_fstar.
    Groups may differ in lr, eps and weight_decay, unless the bound adapts; the other values must agree. The
    correction of v counts a parameter's own steps, that of m those of the optimizer. A tensor without a gradient
    counts in no sum of that step.

    References
    ----------
    Schaipp, Ohana, Eickenberg, Defazio and Gower 2024, "MoMo: Momentum models for adaptive learning rates".

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> opt = fastopt.MoMoAdam(w, lr=1.0)
    >>> info = opt.step(2 * w, value=w @ w)
    >>> w.round(6)
    array([2., 3.])
    """

    inputs = ("value",)
    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    running = {"barf": 0.0, "gamma": 0.0, "lb": 0.0, "step_size": 0.0, "count": 0.0}
    shared = ("barf", "gamma", "lb", "step_size", "count")
    measures = (Measure(_products, scope="all", results=("avg_sq", "avg_dot", "grad_dot")),)
    domains = {"lower_bound": ANY}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        lower_bound: float = 0.0,
        weight_decay: float = 0.0,
        adapt_lower_bound: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            lower_bound=lower_bound,
            weight_decay=weight_decay,
            adapt_lower_bound=adapt_lower_bound,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        beta, count = h["beta1"], h["count"] + 1.0
        bound = h["lower_bound"] if h["count"] == 0.0 else h["lb"]
        value = beta * h["barf"] + (1.0 - beta) * h["value"]
        gamma = beta * h["gamma"] + (1.0 - beta) * h["grad_dot"]
        size, bound = model_step(h, value, gamma, bound, 1.0 - power(beta, int(count)))
        return value, gamma, bound, size, count

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, decay = h["beta1"], h["beta2"], h["lr"] * h["weight_decay"]
        root2 = sqrt(1.0 - power(beta2, t))
        return (
            beta1, 1.0 - beta1, beta2, 1.0 - beta2, root2, h["eps"] * root2, decay / (1.0 + decay),
            h["step_size"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        u, m, v = _direction(c, g, s)
        return p - (c[6] * p + c[7] * u), (m, v)
