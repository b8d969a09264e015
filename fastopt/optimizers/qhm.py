"""Quasi-hyperbolic momentum: between plain gradient descent and momentum."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY, DECAY
from fastopt.optimizer import Optimizer
from fastopt.slots import Slot


class QHM(Optimizer):
    r"""Quasi-hyperbolic momentum: a step along a weighted mean of the gradient and its moving average.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        m &\leftarrow \mu m + (1 - \mu) g \\
        p &\leftarrow p - \eta \left( (1 - \nu) g + \nu m \right)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu` in [0, 1); 0 keeps no slot.
    nu : float
        :math:`\nu`: 0 is gradient descent, 1 is momentum, :math:`\mu` is Nesterov's; other numbers are other
        methods, listed in the paper.
    weight_decay : float
        :math:`\lambda`.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the momentum is a moving average, so that an lr for ``SGD(momentum=mu)`` must be divided by
    :math:`1 - \mu`; it is not corrected for its start at 0; coupled decay by default, decoupled decay before the step.
    Same as the authors' qhoptim.pyt.QHM, whose weight_decay_type "direct" is decoupled_weight_decay, and which asks
    for momentum and nu: the defaults are those that the paper recommends. Not in torch or optax.

    References
    ----------
    Ma and Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", eq. 3-4.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> info = fastopt.QHM(w, lr=1.0, momentum=0.5, nu=0.5).step(np.array([1.0, -2.0]))
    >>> w
    array([0.25, 2.5 ])
    """

    slots = {"momentum_buffer": Slot(when="momentum")}
    domains = {"momentum": DECAY, "nu": ANY}

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.999,
        nu: float = 0.7,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            nu=nu,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        mu, nu, lr, decay = h["momentum"], h["nu"], h["lr"], h["weight_decay"]
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = 1.0 - lr * decay if h["decoupled_weight_decay"] else 1.0
        return l2, keep, mu, 1.0 - mu, lr * nu, lr * (1.0 - nu)

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, mu, fresh, along_m, along_g = c
        (m,) = s
        g = g + l2 * p
        m = mu * m + fresh * g
        return keep * p - (along_m * m + along_g * g), (m,)
