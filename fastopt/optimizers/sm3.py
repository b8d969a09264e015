"""SM3: Adagrad whose accumulators cover rows and columns instead of elements."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import minimum, sqrt, where
from fastopt.slots import Slot


def _accumulated(g: Any, s: Any) -> Any:
    row, column, own, _ = s
    # a matrix has no accumulator per element, a vector none per row and column: absent ones are 0
    return g * g + (own + minimum(row, column))


def _measured(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return (_accumulated(g, s),)


def _largest(c: Any, value: Any, measured: Any, count: Any) -> Any:
    return measured[0]


def _before(c: Any, before: Any, after: Any, mean: Any) -> Any:
    return before


class SM3(Optimizer):
    r"""Square root of minima of sums of maxima of squared gradients, with momentum.

    .. math::

        \nu_{ij} &= \min(r_i, c_j) + g_{ij}^2, \qquad
            r_i \leftarrow \max_j \nu_{ij}, \qquad c_j \leftarrow \max_i \nu_{ij} \\
        m &\leftarrow \mu m + (1 - \mu) \frac{g}{\sqrt{\nu + \epsilon}} \quad (0 \text{ where } \nu = 0) \\
        p &\leftarrow p - \eta m

    A vector keeps :math:`\nu` itself, as Adagrad does.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Real numbers only.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu` in [0, 1); 0 keeps no slot for it.
    eps : float
        :math:`\epsilon`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon inside the root although it is called eps, for optax calls it so; no decay; momentum is an
    average over normalised gradients; everything starts at 0. The second form of the paper (SM3-II). Same as
    optax.sm3 for vectors and matrices; there eps is an argument of scale_by_sm3 alone, and lr has no default.
    Differs for more than 2 dimensions: here each matrix of the last two has its rows and columns, where optax has an
    accumulator for each index of each axis. A scalar is a vector of one element, where optax fails.

    References
    ----------
    Anil, Gupta, Koren and Singer 2019, "Memory-efficient adaptive optimization", algorithm SM3-II.

    Examples
    --------
    >>> w = np.ones((2, 2))
    >>> opt = fastopt.SM3(w, lr=0.5, momentum=0.0, eps=0.0)
    >>> info = opt.step(np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> w
    array([[0.5, 1. ],
           [1. , 0.5]])
    >>> opt.state[0]["row_accumulator"]
    array([[ 9.],
           [16.]])
    """

    slots = {
        "row_accumulator": Slot(shape="row", combine=_largest, seen=_before),
        "col_accumulator": Slot(shape="column", combine=_largest, seen=_before),
        "accumulator": Slot(shape="vector"),
        "momentum_buffer": Slot(when="momentum"),
    }
    measures = (Measure(_measured, scope="lines", reduce="max"),)
    domains = {"momentum": DECAY}
    supports = Optimizer.supports - {"complex"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.9,
        eps: float = 1e-8,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, eps=eps, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["eps"], h["momentum"], 1.0 - h["momentum"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        eps, mu, fresh, lr = c
        row, column, _, m = s
        v = _accumulated(g, s)
        m = mu * m + fresh * where(v, g / sqrt(v + eps), v)  # 0 where v is
        return p - lr * m, (row, column, v, m)
