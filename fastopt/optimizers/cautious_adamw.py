"""Cautious AdamW: no element moves against its present gradient."""

from __future__ import annotations

from typing import Any

from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, sqrt, where
from fastopt.slots import Slot


def _averages(c: Any, g: Any, s: Any) -> tuple[Any, Any]:
    fresh1, beta2, fresh2 = c[:3]
    m, v = s
    return m + fresh1 * (g - m), beta2 * v + fresh2 * (g * g)


def _agreement(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    none, one = c[-2:]
    m, _ = _averages(c, g, s)
    return (where(m * g > none, one, none),)


class CautiousAdamW(Optimizer):
    r"""AdamW whose step leaves out the elements in which momentum and gradient disagree.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \phi &= [m g > 0], \qquad \bar\phi = \max(\text{mean of } \phi \text{ over the tensor}, 10^{-3}) \\
        p &\leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \,
            \frac{\phi}{\bar\phi} \, \frac{m}{\sqrt{v} + \epsilon}, \qquad p \leftarrow p - \eta \lambda p

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a mean of its own.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.
    bias_correction : bool
        False leaves out :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root and added before the correction, so that its weight changes over the first
    steps, unlike in `AdamW`; decoupled decay of every element, after the step (line 13 of the paper's algorithm 2);
    slots start at 0; names as in `AdamW`, the authors' correct_bias is bias_correction. Same as the authors' first
    c_adamw.py (later versions decay before the step, as `AdamW` does), with its defaults, which are those of an
    early AdamW of Hugging Face: eps is 1e-6, weight_decay 0.

    References
    ----------
    Liang, Chen, Liu and Liu 2024, "Cautious optimizers: Improving training with one line of code", algorithm 2, with the
    mask divided by its mean as in the authors' code.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.CautiousAdamW(w, lr=0.125, eps=0.0)
    >>> info = opt.step(np.array([10.0, -10.0]))
    >>> info = opt.step(np.array([10.0, 0.1]))  # the second momentum still points up
    >>> w.round(6)
    array([0.625, 1.125])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    measures = (Measure(_agreement, scope="tensor", results=("agreeing",)),)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
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
            weight_decay=weight_decay,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        step = lr
        if h["bias_correction"]:
            step = lr * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        mean = maximum(h["agreeing"] / maximum(h["size"], 1), 1e-3)
        return (
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            h["eps"],
            step / mean,
            lr * h["weight_decay"],
            0.0,
            1.0,
        )

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        _, _, _, eps, step, decay, none, _ = c
        m, v = _averages(c, g, s)
        p = p - where(m * g > none, step, none) * (m / (sqrt(v) + eps))
        return p - decay * p, (m, v)
