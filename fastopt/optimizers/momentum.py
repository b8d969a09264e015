"""Gradient descent with momentum, in the forms of the classic texts."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY
from fastopt.optimizer import Optimizer
from fastopt.optimizers.sgd import SGD
from fastopt.scalar import power
from fastopt.slots import Slot

HEAVY_BALL, EMA, VELOCITY = range(3)


class Momentum(Optimizer):
    r"""Gradient descent with momentum, in three forms.

    .. math::

        \text{heavy\_ball:}\quad m &\leftarrow \mu m + g, & p &\leftarrow p - \eta m \\
        \text{ema:}\quad m &\leftarrow \mu m + (1 - \mu) g, & p &\leftarrow p - \eta m
            \;\text{ or }\; p - \eta m / (1 - \mu^t) \\
        \text{velocity:}\quad m &\leftarrow \mu m - \eta g, & p &\leftarrow p + m

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu` in [0, 1).
    form : {"heavy_ball", "ema", "velocity"}
        Where the learning rate and :math:`1 - \mu` stand.
    bias_correction : bool
        Divide the average by :math:`1 - \mu^t`; for ``form="ema"`` only.
    weight_decay : float
        An L2 term, added to the gradient as weight_decay times p.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: coupled decay, before momentum; the slot starts at 0. The forms agree for a constant
    learning rate, up to its scale; when the rate changes, the velocity form keeps steps already taken in.
    One formula (that of `SGD`) with three sets of coefficients. Same as torch.optim.SGD for heavy_ball;
    keras.optimizers.SGD has the velocity.

    References
    ----------
    Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Rumelhart, Hinton
    and Williams 1986; Sutskever et al. 2013, eq. 1-2 (velocity).

    Examples
    --------
    >>> w = np.array([-15.0, 20.0])
    >>> opt = fastopt.Momentum(w, lr=0.001, momentum=0.9)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([6.0, 20.0]) * w)
    >>> w.round(2)
    array([-14.74,  18.85])
    """

    slots = {"momentum_buffer": Slot(when="momentum")}
    domains = {"momentum": DECAY}
    choices = {"form": ("heavy_ball", "ema", "velocity")}

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.9,
        form: str = "heavy_ball",
        bias_correction: bool = False,
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            form=form,
            bias_correction=bias_correction,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @classmethod
    def validate(cls, hyperparameters: Any) -> None:
        if hyperparameters["bias_correction"] and hyperparameters["form"] != "ema":
            raise ValueError(
                f"Momentum: bias_correction with form {hyperparameters['form']!r}; "
                'only form="ema" has a bias to correct'
            )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        mu, lr = h["momentum"], h["lr"]
        fresh, step = 1.0, lr
        if h["form"] == EMA:
            fresh = 1.0 - mu
            if h["bias_correction"]:
                step = lr / (1.0 - power(mu, t))
        elif h["form"] == VELOCITY:
            fresh, step = -lr, -1.0
        return h["weight_decay"], mu, fresh, step, 0.0

    update = staticmethod(SGD.update)
