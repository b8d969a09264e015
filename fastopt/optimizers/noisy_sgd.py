"""Gradient descent with noise that fades."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import ANY, NONNEGATIVE
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class NoisySGD(Optimizer):
    r"""Stochastic gradient descent, plain or with momentum, with normal noise added to the gradient.

    .. math::

        g &\leftarrow g + \lambda p + \sigma_t \xi, \qquad \xi \sim N(0, 1), \qquad \sigma_t^2 = \gamma_0 / t^\gamma \\
        m &\leftarrow \mu m + g, \qquad p \leftarrow p - \eta m

    with the number of the step :math:`t` from 1.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    momentum : float
        :math:`\mu`; 0 keeps no slot.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    eta : float
        :math:`\gamma_0`: the variance of the noise in the first step.
    gamma : float
        :math:`\gamma`: how fast it fades.
    seed : float
        Any number. The noise follows from seed, the parameter's position and number of steps, and the element's place in
        its memory: the same for any number of threads and after loading; the same in another optimizer with this seed.
    maximize : bool
        Ascend instead; the noise keeps its sign.

    Notes
    -----
    Conventions: noise before momentum, times lr; coupled decay; momentum as in `fastopt.SGD`, its buffer starts at 0; the
    noise takes no memory. Same as optax.noisy_sgd, which has neither momentum nor decay, and other random numbers. The
    paper counts steps from 0 and divides by :math:`(1 + t)^\gamma`.

    References
    ----------
    Neelakantan et al. 2015, "Adding gradient noise improves learning for very deep networks".

    Examples
    --------
    >>> w = np.zeros(10_000)
    >>> info = fastopt.NoisySGD(w, lr=1.0, eta=0.25, seed=1).step(np.ones(10_000))
    >>> w.mean().round(1), w.std().round(1)
    (np.float64(-1.0), np.float64(0.5))
    """

    slots = {
        "momentum_buffer": Slot(when="momentum"),
        "noise": Slot(shape="normal", when="eta"),
    }
    domains = {"eta": NONNEGATIVE, "gamma": NONNEGATIVE, "seed": ANY}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        eta: float = 0.01,
        gamma: float = 0.55,
        seed: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            eta=eta,
            gamma=gamma,
            seed=seed,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        spread = sqrt(h["eta"] / power(float(t), h["gamma"]))
        return h["weight_decay"], spread, h["momentum"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, spread, mu, lr = c
        m, noise = s
        m = mu * m + ((g + l2 * p) + spread * noise)
        return p - lr * m, (m, noise)
