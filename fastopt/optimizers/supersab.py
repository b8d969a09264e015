"""SuperSAB: momentum, with a learning rate for each element that adapts to the gradient's sign."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import sign, where
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["lr"]


class SuperSAB(Optimizer):
    r"""Self-adapting backpropagation: learning rates grow while the gradient keeps its sign; a turn undoes the step.

    .. math::

        g_{prev}\, g \ge 0: \quad \eta &\leftarrow \min(\eta_+ \eta, \eta_{max}) \;\text{ if } g_{prev}\, g > 0, \qquad
            \Delta \leftarrow \mu \Delta - \eta g, \qquad p \leftarrow p + \Delta, \qquad g_{prev} \leftarrow g \\
        g_{prev}\, g < 0: \quad \eta &\leftarrow \eta_- \eta, \qquad p \leftarrow p - \Delta, \qquad
            \Delta \leftarrow 0, \qquad g_{prev} \leftarrow 0

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Every element's learning rate :math:`\eta` before the first step; has no effect later.
    momentum : float
        :math:`\mu` in [0, 1).
    etas : tuple of two floats
        :math:`\eta_-` in (0, 1) and :math:`\eta_+` above 1.
    max_lr : float or None
        :math:`\eta_{max}`, above 0: learning rates grow exponentially, and a bound keeps them from overshooting. None
        sets no bound, as in the paper.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the learning rate is adapted before it is used; where the sign turned, the element goes back by its last
    step (to within rounding), its momentum is forgotten, and the next step counts as the first: the learning rate
    then stays and nothing can be undone twice. A gradient of 0 neither agrees nor turns. The signs are multiplied, and
    not the gradients, whose product may underflow. No decay; prev and momentum_buffer (:math:`\Delta`) start at 0,
    step_size (:math:`\eta`) at the lr of the first step. The paper leaves open what is compared after a turn. In no
    other library here; the gradient should be of all data, or its signs are noise.

    References
    ----------
    Tollenaere 1990, "SuperSAB: Fast adaptive back propagation with good scaling properties", Neural Networks 3.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.SuperSAB(w, lr=0.125, momentum=0.0)
    >>> for g in (2.0, 2.0, -1.0):  # a step, a longer one, back again
    ...     info = opt.step(np.array([g]))
    ...     print(w, opt.state[0]["step_size"])
    [0.75] [0.125]
    [0.4875] [0.13125]
    [0.75] [0.065625]
    """

    slots = {"prev": Slot(), "step_size": Slot(initial=_start), "momentum_buffer": Slot()}
    domains = {
        "momentum": DECAY,
        "etas": (Interval(0, 1, above=True, below=True), Interval(1, above=True)),
        "max_lr": Interval(0, above=True),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        momentum: float = 0.9,
        etas: tuple[float, float] = (0.5, 1.05),
        max_lr: float | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, etas=etas, max_lr=max_lr, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        first = 1.0 if t == 1 else 0.0  # lr may have changed since the slot was made
        return first, h["lr"], h["eta1"], h["eta2"], h["max_lr"], h["momentum"], 0.0, 1.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        first, lr, shrink, grow, largest, mu, zero, one = c
        previous, rate, step = s
        agree = sign(g) * sign(previous)
        turned = agree < zero
        rate = where(agree > zero, grow, where(turned, shrink, one)) * where(first, lr, rate)
        rate = where(rate > largest, largest, rate)  # never for NaN, which stands for no bound
        ahead = mu * step - rate * g
        p = p + where(turned, -step, ahead)
        return p, (where(turned, zero, g), rate, where(turned, zero, ahead))
