"""COCOB: no learning rate, but bets on the next gradient with what earlier bets have won."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import abs, maximum, where
from fastopt.slots import Slot


def _start(h: Any, p: Any) -> Any:
    return p


def _smallest(h: Any, p: Any) -> Any:
    return h["eps"]


class COCOB(Optimizer):
    r"""COntinuous COin Betting through backpropagation: gradient descent without a learning rate.

    .. math::

        g &\leftarrow \eta \, (g + \lambda p), \qquad L \leftarrow \max(L, |g|), \qquad G \leftarrow G + |g| \\
        R &\leftarrow \max(R - (p - p_0)\, g,\; 0), \qquad C \leftarrow C - g \\
        p &\leftarrow p_0 + \frac{C}{L \max(G + L, \alpha L)} \, (L + R)

    with :math:`L` starting at :math:`\epsilon`.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        :math:`\eta`: a factor of the gradient, for schedules. A constant one has hardly any effect.
    alpha : float
        :math:`\alpha`: the fraction that is bet at first is 1 over it.
    eps : float
        :math:`\epsilon` above 0: what the largest gradient is taken to be before the first.
    weight_decay : float
        :math:`\lambda`.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon is the initial state of scale and is added nowhere; coupled decay; lr multiplies the gradient,
    decay included; the other slots start at 0, init_particles (:math:`p_0`) as the parameter at its first step. Same
    as optax.contrib.cocob, whose :math:`p_0` is the parameter when the optimizer is made.

    References
    ----------
    Orabona and Tommasi 2017, "Training deep networks without learning rates through coin betting", algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.COCOB(w)
    >>> for _ in range(300):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.2)
    True
    """

    slots = {
        "init_particles": Slot(initial=_start),
        "cumulative_gradients": Slot(),
        "scale": Slot(initial=_smallest),
        "subgradients": Slot(),
        "reward": Slot(),
    }
    domains = {"alpha": NONNEGATIVE, "eps": Interval(0, above=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        alpha: float = 100.0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, maximize=maximize
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        first = 1.0 if t == 1 else 0.0  # p may have changed since the slots were made
        return first, h["lr"], h["lr"] * h["weight_decay"], h["alpha"], 0.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        first, lr, l2, alpha, zero = c
        start, total, largest, size, reward = s
        start = where(first, p, start)
        g = lr * g + l2 * p
        largest = maximum(largest, abs(g))
        size = size + abs(g)
        reward = maximum(reward - (p - start) * g, zero)
        total = total - g
        bet = (total / largest) / maximum(size + largest, alpha * largest)
        return start + bet * (largest + reward), (start, total, largest, size, reward)
