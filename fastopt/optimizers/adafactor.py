"""Adafactor: second moments kept as a row and a column for each matrix."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, minimum, power, sqrt, where
from fastopt.slots import Slot


def _square(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return (g * g,)


def _renewed(c: Any, value: Any, measured: Any, count: Any) -> Any:
    return value + c[0] * (measured[0] / count - value)


def _over_mean(c: Any, before: Any, after: Any, mean: Any) -> Any:
    return after / maximum(mean, c[2])


def _normalised(c: Any, g: Any, s: Any) -> tuple[Any, Any]:
    """The gradient over the root of its second moment, and a vector's second moment."""
    _, fresh, _, floor, _, _ = c
    row, column, v = s
    v = v + fresh * (g * g - v)  # of a matrix it stays 0, as row and column are of a vector
    return g / sqrt(maximum(row * column + v, floor)), v


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    u, _ = _normalised(c, g, s)
    return p * p, u * u


class Adafactor(Optimizer):
    r"""Adafactor: a factored second moment, clipped updates, steps relative to the parameter's size.

    .. math::

        R &\leftarrow R + t^{\tau} (\text{mean of } g^2 \text{ in each row} - R), \qquad
            C \leftarrow C + t^{\tau} (\text{mean in each column} - C) \\
        v_{ij} &= \frac{R_i C_j}{\max(\text{mean of } R, \epsilon_1)}, \quad\text{of a vector}\quad
            v \leftarrow v + t^{\tau} (g^2 - v) \\
        u &= \frac{g}{\sqrt{\max(v, \epsilon_1^2)}}, \qquad
            \alpha = \max(\epsilon_2, \text{RMS}(p)) \min(\eta, 1 / \sqrt t) \\
        p &\leftarrow (1 - \eta \lambda) p - \alpha \frac{u}{\max(1, \text{RMS}(u) / d)}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Real numbers only.
    lr : float
        :math:`\eta`: the largest relative step size, and the rate of the decay.
    beta2_decay : float
        :math:`\tau \le 0`: step t counts for :math:`t^\tau` of the second moments.
    eps : tuple of two floats
        :math:`\epsilon_1`, the least root of a second moment, None for the machine epsilon of the
        parameter's dtype; and :math:`\epsilon_2`, the least size that steps are relative to.
    d : float
        Updates whose root mean square is larger than d >= 1 are scaled down to it.
    weight_decay : float
        :math:`\lambda`, decoupled.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: no eps is added: eps[0] bounds the mean of the rows, and its square the second moment, from below;
    decoupled decay times lr, before the step, with RMS(p) taken before the decay; slots start at 0, of which the
    first step keeps nothing. Means where the paper has sums; tensors of more than 2 dimensions are matrices over
    the last two; row_var has shape (..., R, 1), col_var (..., 1, C), and a tensor of fewer than 2 dimensions has
    variance instead. Same as torch.optim.Adafactor. Differs from optax.adafactor and the paper, which add eps[0] to
    the squares.

    References
    ----------
    Shazeer and Stern 2018, "Adafactor: Adaptive learning rates with sublinear memory cost", algorithms 4
    to 6, with torch's place of epsilon and use of the learning rate.

    Examples
    --------
    >>> w = np.full((2, 2), 2.0)
    >>> opt = fastopt.Adafactor(w, lr=0.25)
    >>> info = opt.step(np.array([[1.0, 2.0], [2.0, 4.0]]))
    >>> w, opt.state[0]["col_var"]
    (array([[1.5, 1.5],
           [1.5, 1.5]]), array([[ 2.5, 10. ]]))
    """

    slots = {
        "row_var": Slot(shape="row", combine=_renewed, seen=_over_mean),
        "col_var": Slot(shape="column", combine=_renewed),
        "variance": Slot(shape="vector"),
    }
    measures = (
        Measure(_square, scope="lines"),
        Measure(_squares, scope="tensor", results=("param_sq", "update_sq")),
    )
    domains = {"beta2_decay": Interval(high=0), "d": Interval(1)}
    supports = Optimizer.supports - {"complex"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            beta2_decay=beta2_decay,
            eps=eps,
            d=d,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        lr, size = h["lr"], maximum(h["size"], 1)
        eps = h["ep1"] if h["ep1"] == h["ep1"] else h["machine_eps"]
        fresh = power(float(t), h["beta2_decay"])
        is_vector = h["rows"] + h["columns"] == 0
        rms = sqrt(h["param_sq"] / size)
        excess = sqrt(h["update_sq"] / size) / h["d"]
        # as torch, a NaN in a norm does not count: it stays in its rows and columns
        relative = where(rms > h["ep2"], rms, h["ep2"]) * minimum(lr, 1.0 / sqrt(t))
        return (
            fresh, fresh if is_vector else 0.0, eps, eps * eps, 1.0 - lr * h["weight_decay"],
            relative / where(excess > 1.0, excess, 1.0),
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        row, column, _ = s
        u, v = _normalised(c, g, s)
        return c[4] * p - c[5] * u, (row, column, v)
