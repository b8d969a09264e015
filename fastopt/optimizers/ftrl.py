"""FTRL: follow the regularized leader, each element at a rate of its own, with an L1 term that gives exact zeros."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import clamp, power, sqrt, where
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["initial_accumulator_value"]


def _usual(hyperparameters: Any) -> bool:
    return bool(hyperparameters["lr_power"] == -0.5)


class FTRL(Optimizer):
    r"""Follow the regularized leader, proximal: for large sparse linear models, whose L1 term makes exact zeros.

    .. math::

        n' &= n + g^2, \qquad \sigma = (n'^{-q} - n^{-q}) / \eta \\
        z &\leftarrow z + g + 2 \lambda_s p - \sigma p, \qquad n \leftarrow n' \\
        p &\leftarrow \frac{\operatorname{clamp}(z, -\lambda_1, \lambda_1) - z}
            {(n^{-q} + \beta) / \eta + 2 \lambda_2}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`, above 0.
    lr_power : float
        :math:`q \le 0`; 0 keeps the learning rate as it is. The usual one, -0.5, costs two roots, another two logarithms
        and exponentials.
    initial_accumulator_value : float
        What n starts at.
    l1, l2 : float
        :math:`\lambda_1, \lambda_2`: of the regularizer that is solved for.
    l2_shrinkage : float
        :math:`\lambda_s`: an L2 term in the gradient, which does not enter n.
    beta : float
        :math:`\beta`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: no epsilon; an element whose n, beta and l2 are 0 stays where it is (Keras: NaN); l2_shrinkage is coupled
    decay; linear (z) starts at 0, accumulator (n) at initial_accumulator_value. The parameters follow from z alone, so
    the first step forgets where they were, all but the part that :math:`\sigma` counts: start at 0. Same as
    keras.optimizers.Ftrl, where lr_power is learning_rate_power, and l1, l2 and l2_shrinkage end in
    _regularization_strength.

    References
    ----------
    McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1.

    Examples
    --------
    >>> w = np.zeros(2)
    >>> opt = fastopt.FTRL(w, lr=0.5, l1=0.25)
    >>> info = opt.step(np.array([1.0, 0.125]))
    >>> w.round(6), opt.state[0]["linear"]
    (array([-0.357548,  0.      ]), array([1.   , 0.125]))
    """

    slots = {
        "accumulator": Slot(initial=_start),
        "linear": Slot(),
        "square_roots": Slot(shape="switch", when=_usual),
    }
    domains = {
        "lr": Interval(0, above=True),
        "lr_power": Interval(high=0),
        **dict.fromkeys(("initial_accumulator_value", "l1", "l2"), NONNEGATIVE),
        **dict.fromkeys(("l2_shrinkage", "beta"), NONNEGATIVE),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        lr_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        l2_shrinkage: float = 0.0,
        beta: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_power=lr_power,
            initial_accumulator_value=initial_accumulator_value,
            l1=l1,
            l2=l2,
            l2_shrinkage=l2_shrinkage,
            beta=beta,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return (
            -h["lr_power"], 1.0 / h["lr"], 2.0 * h["l2"] + h["beta"] / h["lr"], 2.0 * h["l2_shrinkage"], h["l1"],
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        exponent, per_lr, ridge, l2, l1 = c
        before, z, square_roots = s
        n = before + g * g
        if square_roots:
            old, new = sqrt(before), sqrt(n)
        else:
            old, new = power(before, exponent), power(n, exponent)
        z = z + ((g + l2 * p) - (new - old) * per_lr * p)
        quadratic = new * per_lr + ridge
        return where(quadratic, (clamp(z, -l1, l1) - z) / quadratic, p), (n, z, square_roots)
