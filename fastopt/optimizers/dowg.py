"""DoWG: DoG whose gradients count the more, the further it has come."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers.dog import descend, squares, start
from fastopt.scalar import maximum, sqrt
from fastopt.slots import Slot


def _squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    d, g, _ = squares(c, p, g, s)
    return d, g


class DoWG(Optimizer):
    r"""Distance over weighted gradients: no learning rate to be tuned, one for all tensors is found on the way.

    .. math::

        g &\leftarrow g + \lambda p, \qquad
            \bar r^2 \leftarrow \max(\bar r^2, \lVert p - p_0 \rVert^2), \qquad
            v \leftarrow v + \bar r^2 \lVert g \rVert^2 \\
        p &\leftarrow p - \eta \frac{\bar r^2}{\sqrt{v} + \epsilon} g

    The norms are over all tensors together.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, by which the found rate is multiplied: leave it at 1, or let it be a schedule.
    init_estim_sq_dist : float, optional
        The first :math:`\bar r^2 > 0`; None for eps.
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root; coupled decay, inside the norm; init_params starts at the parameters, v
    at 0. The numbers estim_sq_dist, weighted_sq_norm_grads and step_size (the rate without lr) in ``opt.state[k]``
    are the same for all k. Same as optax.contrib.dowg; the paper has no epsilon. A tensor without a gradient counts
    in no norm of that step.

    References
    ----------
    Khaled, Mishchenko and Jin 2023, "DoWG unleashed: An efficient universal parameter-free gradient descent
    method", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.DoWG(w)
    >>> for _ in range(50):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.01), round(opt.state[0]["estim_sq_dist"], 1)
    (True, 10.2)
    """

    slots = {"init_params": Slot(initial=start)}
    running = {"estim_sq_dist": 0.0, "weighted_sq_norm_grads": 0.0, "step_size": 0.0}
    shared = ("estim_sq_dist", "weighted_sq_norm_grads", "step_size")
    measures = (Measure(_squares, scope="all", results=("dist_sq", "grad_sq")),)
    domains = {"init_estim_sq_dist": Interval(0, above=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        init_estim_sq_dist: float | None = None,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            init_estim_sq_dist=init_estim_sq_dist,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        first, eps = h["init_estim_sq_dist"], h["eps"]
        first = first if first == first else eps
        distance = maximum(maximum(h["estim_sq_dist"], first), h["dist_sq"])
        total = h["weighted_sq_norm_grads"] + distance * h["grad_sq"]
        rate = 0.0 if sqrt(total) + eps == 0.0 else distance / (sqrt(total) + eps)
        return distance, total, rate

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["lr"] * h["step_size"]

    update = staticmethod(descend)
