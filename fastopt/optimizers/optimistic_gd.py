"""Optimistic gradient descent: the next gradient is expected to change as this one did."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.slots import Slot


class OptimisticGD(Optimizer):
    r"""Gradient descent with the change of the gradient added once more, for games and saddle points.

    .. math::

        p \leftarrow p - \eta \left( (\alpha + \beta) g_t - \beta g_{t-1} \right), \qquad g_0 = g_1

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. All players of a game can be in it: hand in the gradients that each is to go down.
    lr : float
        Learning rate :math:`\eta`.
    alpha : float
        :math:`\alpha`: the weight of the gradient.
    beta : float
        :math:`\beta`: the weight of its change; 0 keeps no slot.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: the first step knows of no change and is along alpha times g; no decay; previous_gradient starts at
    0 (and a beta that is switched on later takes it for the gradient before). Same as
    optax.optimistic_gradient_descent. Not in torch.

    References
    ----------
    Popov 1980; Daskalakis et al. 2018, "Training GANs with optimism"; with two weights: Mokhtari, Ozdaglar and
    Pattathil 2020, "A unified analysis of extra-gradient and optimistic gradient methods for saddle point problems".

    Examples
    --------
    The saddle x y, down in x and up in y, which plain gradient descent circles ever further away:

    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.OptimisticGD(w, lr=0.25)
    >>> for _ in range(400):
    ...     info = opt.step(np.array([w[1], -w[0]]))
    >>> bool(abs(w).max() < 1e-3)
    True
    """

    slots = {"previous_gradient": Slot(when="beta")}
    first_step = True
    domains = {"alpha": NONNEGATIVE, "beta": NONNEGATIVE}

    def __init__(
        self,
        params: Any,
        lr: float,
        alpha: float = 1.0,
        beta: float = 1.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, alpha=alpha, beta=beta, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        change = h["lr"] * h["beta"]
        return h["lr"] * h["alpha"] + (0.0 if t == 1 else change), change

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        now, before = c
        (previous,) = s
        return p - (now * g - before * previous), (g,)
