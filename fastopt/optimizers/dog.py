"""DoG: gradient descent whose rate is the distance that it has come over the norms of its gradients."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, sqrt
from fastopt.slots import Slot

HEURISTIC, DISTANCE, LEARNING_RATE = range(3)


def start(h: Any, p: Any) -> Any:
    """The parameters before the first step."""
    return p


def squares(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    """Of the distance from the start, of the gradient with its decay, and of the start."""
    (first,) = s
    d, g = first - p, g + c[0] * p
    return d * d, g * g, first * first


def descend(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
    """A step along the gradient with its decay."""
    l2, rate = c
    return p - rate * (g + l2 * p), s


class DoG(Optimizer):
    r"""Distance over gradients: no learning rate to be tuned, one for all tensors is found on the way.

    .. math::

        g &\leftarrow g + \lambda p, \qquad
            \bar r \leftarrow \max(\bar r, \lVert p - p_0 \rVert), \qquad
            G \leftarrow G + \lVert g \rVert^2 \\
        p &\leftarrow p - \eta \frac{\bar r}{\sqrt{G + \epsilon}} g

    The norms are over all tensors together. :math:`\bar r` starts at :math:`\alpha (1 + \lVert p_0 \rVert)`.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`, by which the found rate is multiplied: leave it at 1, or let it be a schedule.
    init_step : float
        :math:`\alpha`, small enough for a first step that does no harm.
    init_step_type : {"heuristic", "distance", "learning_rate"}
        What init_step is: :math:`\alpha` above, the first :math:`\bar r` itself, or the rate of the first step.
    eps : float
        :math:`\epsilon`, inside the root.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon inside the root, added to the sum of squares; coupled decay, inside the norm; init_params
    starts at the parameters, G at 0. The numbers max_dist, sum_sq_norm_grads and step_size (the rate without lr) in
    ``opt.state[k]`` are the same for all k. Same as optax.contrib.dog, whose init_step is the pair of
    init_step_type and init_step. The authors' DoG calls init_step reps_rel, and init_eta where it is a rate, and
    has a rate for each group; their layer-wise variant is not here. They advise to average the parameters: see
    ``ema_decay``. With batch normalisation they take 1e-4 for init_step. A tensor without a gradient counts in no
    norm of that step.

    References
    ----------
    Ivgi, Hinder and Carmon 2023, "DoG is SGD's best friend: A parameter-free dynamic step size schedule".

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.DoG(w)
    >>> for _ in range(200):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.01), round(opt.state[0]["max_dist"], 1)
    (True, 2.2)
    """

    slots = {"init_params": Slot(initial=start)}
    running = {"max_dist": 0.0, "sum_sq_norm_grads": 0.0, "is_init_step": 1.0, "step_size": 0.0}
    shared = ("max_dist", "sum_sq_norm_grads", "is_init_step", "step_size")
    measures = (Measure(squares, scope="all", results=("dist_sq", "grad_sq", "init_sq")),)
    choices = {"init_step_type": ("heuristic", "distance", "learning_rate")}
    domains = {"init_step": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        init_step: float = 1e-6,
        init_step_type: str = "heuristic",
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            init_step=init_step,
            init_step_type=init_step_type,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        kind, first = h["init_step_type"], h["init_step"]
        if kind == HEURISTIC:
            first = first * (1.0 + sqrt(h["init_sq"]))
        elif kind == LEARNING_RATE:
            first = 0.0
        distance = maximum(maximum(h["max_dist"], first), sqrt(h["dist_sq"]))
        total = h["sum_sq_norm_grads"] + h["grad_sq"]
        rate = 0.0 if total + h["eps"] == 0.0 else distance / sqrt(total + h["eps"])
        if kind == LEARNING_RATE and h["is_init_step"] == 1.0:
            rate = h["init_step"]
        return distance, total, 0.0, rate

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["lr"] * h["step_size"]

    update = staticmethod(descend)
