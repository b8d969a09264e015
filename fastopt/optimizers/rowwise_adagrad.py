"""RowwiseAdagrad: Adagrad with one accumulator for each row, for embedding tables."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["initial_accumulator_value"]


def _square(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    g = g + c[0] * p
    return (g * g,)


def _add_mean(c: Any, value: Any, measured: Any, count: Any) -> Any:
    return value + measured[0] / count


class RowwiseAdagrad(Optimizer):
    r"""Divide by the root of the sum of each row's mean squared gradients.

    .. math::

        g &\leftarrow g + \lambda p, \qquad
            R_i \leftarrow R_i + \text{mean of } g^2 \text{ in row } i \\
        p_{ij} &\leftarrow p_{ij} - \frac{\eta}{1 + (t - 1) \kappa} \, \frac{g_{ij}}{\sqrt{R_i} + \epsilon}

    A table of n rows of d numbers has n accumulators, not n d. A vector keeps one for each element, as Adagrad does.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Real numbers only.
    lr : float
        Learning rate :math:`\eta`.
    lr_decay : float
        :math:`\kappa`: how fast the rate decays with the number of steps.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    initial_accumulator_value : float
        R before the first step.
    eps : float
        :math:`\epsilon`, outside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root; coupled decay, inside the mean; rows are those of the last two
    dimensions: row_sum has shape (..., R, 1), and a tensor of fewer than 2 dimensions has sum instead. For matrices
    the same as FBGEMM's EXACT_ROWWISE_ADAGRAD with its L2 mode of decay, which has no lr_decay, and whose eps is
    1e-8; names and defaults are those of torch.optim.Adagrad.

    References
    ----------
    Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization", with an accumulator for each row as in Naumov et al. 2019, "Deep learning recommendation model for
    personalization and recommendation systems" (DLRM), and FBGEMM.

    Examples
    --------
    >>> w = np.ones((2, 2))
    >>> opt = fastopt.RowwiseAdagrad(w, lr=0.5)
    >>> info = opt.step(np.array([[1.0, 7.0], [0.0, 0.0]]))
    >>> w, opt.state[0]["row_sum"]
    (array([[0.9, 0.3],
           [1. , 1. ]]), array([[25.],
           [ 0.]]))
    """

    slots = {
        "row_sum": Slot(shape="row", initial=_start, combine=_add_mean),
        "sum": Slot(shape="vector", initial=_start),
    }
    measures = (Measure(_square, scope="lines"),)
    domains = {"lr_decay": NONNEGATIVE, "initial_accumulator_value": NONNEGATIVE}
    supports = Optimizer.supports - {"complex"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        is_vector = h["rows"] + h["columns"] == 0
        rate = h["lr"] / (1.0 + (t - 1) * h["lr_decay"])
        return h["weight_decay"], rate, h["eps"], 1.0 if is_vector else 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, rate, eps, own = c
        row, v = s
        g = g + l2 * p
        v = v + own * (g * g)  # of a matrix it stays 0, as row is of a vector
        return p - rate * (g / (sqrt(row + v) + eps)), (row, v)
