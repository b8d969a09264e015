"""PolyakSGD: gradient descent by the step that would reach the least value if the function were a line."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, minimum

SPS, SPS_PLUS = range(2)

#: Sums of squares up to this count as 0, as in optax: no step is taken.
NEGLIGIBLE = 2.0**-52


def _square(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return (g * g,)


class PolyakSGD(Optimizer):
    r"""Gradient descent with Polyak's step size, which follows from the value of the objective.

    .. math::

        p \leftarrow p - s \min\left(\frac{f - f^*}{\lVert g \rVert^2 + \epsilon}, \eta\right) g

    The norm is over all tensors together. f is the objective's value where the gradient was taken:
    ``opt.step(grads, value=f)``.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, the largest step size.
    scaling : float
        :math:`s`, by which the step size is multiplied.
    f_min : float
        :math:`f^*`, the least value of the objective or a bound below it; with maximize, of its negative.
    eps : float
        :math:`\epsilon`, added to the squared norm.
    variant : {"sps", "sps+"}
        With "sps+" values below f_min count as f_min; otherwise steps turn around there.
    maximize : bool
        Ascend instead: descend the negative of the objective.

    Notes
    -----
    Conventions: epsilon is added to the squared norm; no step where norm and epsilon together are at most 2.2e-16;
    no decay, no state. Same as optax.polyak_sgd, which calls lr max_learning_rate. A tensor without a gradient does
    not count in the norm.

    References
    ----------
    Loizou, Vaswani, Laradji and Lacoste-Julien 2021, "Stochastic Polyak step-size for SGD: An adaptive learning
    rate for fast convergence". For "sps+": Garrigos, Gower and Schaipp 2023, "Function value learning: Adaptive
    learning rates based on the Polyak stepsize and function splitting in ERM".

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> opt = fastopt.PolyakSGD(w)
    >>> info = opt.step(2 * w, value=w @ w)
    >>> w
    array([1.5, 2. ])
    """

    inputs = ("value",)
    measures = (Measure(_square, scope="all", results=("grad_sq",)),)
    choices = {"variant": ("sps", "sps+")}
    domains = {"scaling": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        scaling: float = 1.0,
        f_min: float = 0.0,
        eps: float = 0.0,
        variant: str = "sps",
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            scaling=scaling,
            f_min=f_min,
            eps=eps,
            variant=variant,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        square, gap = h["grad_sq"] + h["eps"], h["value"] - h["f_min"]
        if square <= NEGLIGIBLE:
            return (0.0,)
        if h["variant"] == SPS_PLUS:
            gap = maximum(gap, 0.0)
        return (h["scaling"] * minimum(gap / square, h["lr"]),)

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        (rate,) = c
        return p - rate * g, s
