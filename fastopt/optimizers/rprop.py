"""Rprop: step sizes that grow while the gradient keeps its sign and shrink when it turns."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import sign, where
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return h["lr"]


class Rprop(Optimizer):
    r"""Resilient backpropagation: only signs count, and every element has a step size of its own.

    .. math::

        (\eta, g) &\leftarrow \begin{cases}
            (\min(\eta_+ \eta, \Gamma_{max}),\; g) & g_{prev}\, g > 0 \\
            (\max(\eta_- \eta, \Gamma_{min}),\; 0) & g_{prev}\, g < 0 \\
            (\eta,\; g) & \text{else} \end{cases} \\
        p &\leftarrow p - \eta \operatorname{sign} g, \qquad g_{prev} \leftarrow g

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Every element's step size :math:`\eta` before the first step; has no effect later.
    etas : tuple of two floats
        :math:`\eta_-` in (0, 1) and :math:`\eta_+` above 1.
    step_sizes : tuple of two floats
        :math:`\Gamma_{min}, \Gamma_{max}`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the variant without backtracking of weights: after a turn of sign the element stays and the next
    step counts as the first; no decay; prev starts at 0, step_size at the lr of the first step. Same as
    torch.optim.Rprop, but the signs are multiplied, and not the gradients, whose product may underflow.

    References
    ----------
    Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm"; the variant is Rprop- with a pause of Igel and Huesken 2003.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Rprop(w, lr=0.25)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> info = opt.step(np.array([10.0, 0.1]))
    >>> w, opt.state[0]["step_size"]
    (array([0.45, 1.25]), array([0.3  , 0.125]))
    """

    slots = {"prev": Slot(), "step_size": Slot(initial=_start)}
    domains = {
        "etas": (Interval(0, 1, above=True, below=True), Interval(1, above=True)),
        "step_sizes": ANY,
    }
    first_step = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        first = 1.0 if t == 1 else 0.0  # lr may have changed since the slot was made
        return first, h["lr"], h["eta1"], h["eta2"], h["step_size1"], h["step_size2"], 0.0, 1.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        first, lr, shrink, grow, smallest, largest, zero, one = c
        previous, size = s
        agree = sign(g) * sign(previous)
        factor = where(agree > zero, grow, where(agree < zero, shrink, one))
        size = factor * where(first, lr, size)
        size = where(size < smallest, smallest, size)  # clamp also asks whether the limits are NaN
        size = where(size > largest, largest, size)
        g = where(agree < zero, zero, g)
        return p - size * sign(g), (g, size)
