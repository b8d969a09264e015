"""MoMo: momentum whose step size follows from an average of the objective's values."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY, DECAY
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers.polyak_sgd import NEGLIGIBLE
from fastopt.scalar import maximum, minimum
from fastopt.slots import Slot


def model_step(h: Any, value: Any, gamma: Any, bound: Any, correction: Any) -> tuple[Any, Any]:
    """The step size with which the model of the objective comes down to its lower bound, and the next such bound.

    The model is an average of lines, of `value` and `gamma`, whose weights add up to `correction`.
    """
    lr, least, square = h["lr"], h["lower_bound"], h["avg_sq"]
    shrunk = 1.0 + lr * h["weight_decay"]
    reach = shrunk * (value - gamma) + h["avg_dot"]
    if h["adapt_lower_bound"] and reach < shrunk * correction * bound:
        bound = maximum(reach / (2.0 * shrunk * correction), least)
    needed = maximum(reach - shrunk * correction * bound, 0.0)
    size = 0.0 if square <= NEGLIGIBLE else minimum(lr / correction, needed / square)
    if h["adapt_lower_bound"]:
        model = value - gamma + h["avg_dot"] - 0.5 * size * square
        bound = maximum(model / correction, least)
    return size, bound


def _average(c: Any, g: Any, m: Any) -> Any:
    return c[0] * m + c[1] * g


def _products(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    (m,) = s
    m = _average(c, g, m)
    return m * m, m * p, g * p


class MoMo(Optimizer):
    r"""Momentum with a step size that takes an average of past lines down to the least value, and no further.

    .. math::

        m &\leftarrow \beta m + (1 - \beta) g, \qquad
            \bar f \leftarrow \beta \bar f + (1 - \beta) f, \qquad
            \gamma \leftarrow \beta \gamma + (1 - \beta) \langle g, p \rangle \\
        \tau &= \min\left(\eta, \frac{\max(0, (1 + \eta \lambda) (\bar f - f^* - \gamma) + \langle m, p \rangle)}
            {\lVert m \rVert^2}\right) \\
        p &\leftarrow \frac{p}{1 + \eta \lambda} - \tau m

    Products and norms are over all tensors together. f is the objective's value where the gradient was taken:
    ``opt.step(grads, value=f)``. The first step has :math:`\beta = 0`.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, the largest step size: rather large.
    beta : float
        :math:`\beta` in [0, 1).
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
    Conventions: decoupled decay as a division by 1 + lr * weight_decay, of p alone; averages start with the first
    gradient and value; no step where the squared norm of m is at most 2.2e-16. The numbers barf, gamma, lb (the
    bound) and step_size (:math:`\tau`) in ``opt.state[k]`` are the same for all k; float64, where optax has the
    dtype of the parameters. Same as optax.contrib.momo. The authors' Momo divides :math:`p - \tau m` by 1 + lr *
    weight_decay, and calls lower_bound lb, adapt_lower_bound use_fstar; its bias_correction is not here. Groups may
    differ in lr and weight_decay, unless the bound adapts; the other values must agree. A tensor without a gradient
    counts in no sum of that step.

    References
    ----------
    Schaipp, Ohana, Eickenberg, Defazio and Gower 2024, "MoMo: Momentum models for adaptive learning rates".

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> opt = fastopt.MoMo(w)
    >>> info = opt.step(2 * w, value=w @ w)
    >>> w, opt.state[0]["step_size"]
    (array([1.5, 2. ]), 0.25)
    """

    inputs = ("value",)
    slots = {"exp_avg": Slot()}
    running = {"barf": 0.0, "gamma": 0.0, "lb": 0.0, "step_size": 0.0, "count": 0.0}
    shared = ("barf", "gamma", "lb", "step_size", "count")
    measures = (Measure(_products, scope="all", results=("avg_sq", "avg_dot", "grad_dot")),)
    domains = {"beta": DECAY, "lower_bound": ANY}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        beta: float = 0.9,
        lower_bound: float = 0.0,
        weight_decay: float = 0.0,
        adapt_lower_bound: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            beta=beta,
            lower_bound=lower_bound,
            weight_decay=weight_decay,
            adapt_lower_bound=adapt_lower_bound,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        first = h["count"] == 0.0
        beta, bound = (0.0, h["lower_bound"]) if first else (h["beta"], h["lb"])
        value = beta * h["barf"] + (1.0 - beta) * h["value"]
        gamma = beta * h["gamma"] + (1.0 - beta) * h["grad_dot"]
        size, bound = model_step(h, value, gamma, bound, 1.0)
        return value, gamma, bound, size, h["count"] + 1.0

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        # once the sums are measured, `advance` has counted the first step; if they are 0, so are m and g
        first = h["count"] == 0.0 or (h["count"] == 1.0 and h["avg_sq"] != 0.0)
        beta, decay = 0.0 if first else h["beta"], h["lr"] * h["weight_decay"]
        return beta, 1.0 - beta, decay / (1.0 + decay), h["step_size"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        (m,) = s
        m = _average(c, g, m)
        return p - (c[2] * p + c[3] * m), (m,)
