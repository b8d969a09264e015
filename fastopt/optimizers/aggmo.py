"""Aggregated momentum: several momenta, each damping the oscillations of the others."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import DECAY
from fastopt.optimizer import Optimizer
from fastopt.slots import Slot


class AggMo(Optimizer):
    r"""Aggregated momentum: the mean step of three momenta with decays of their own.

    .. math::

        g \leftarrow g + \lambda p, \qquad
        m_i \leftarrow \beta_i m_i + g \quad (i = 1, 2, 3), \qquad
        p \leftarrow p - \frac{\eta}{3} (m_1 + m_2 + m_3)

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    beta1, beta2, beta3 : float
        :math:`\beta_i` in [0, 1); 0 keeps no slot: its momentum is the gradient.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: heavy-ball momenta, lr outside of them; coupled decay, before momentum; slots start at 0. Same as the
    authors' aggmo.py with three betas (it takes a list of any number of them); three, and these, are the
    defaults of the paper. Equal betas are `SGD` with that momentum. Not in torch or optax.

    References
    ----------
    Lucas, Sun, Zemel and Grosse 2019, "Aggregated momentum: Stability through passive damping".

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.AggMo(w, lr=0.75, beta2=0.5, beta3=0.75)
    >>> for _ in range(2):
    ...     info = opt.step(np.array([1.0]))
    >>> w
    array([-0.8125])
    """

    slots = {
        "momentum_buffer1": Slot(when="beta1"),
        "momentum_buffer2": Slot(when="beta2"),
        "momentum_buffer3": Slot(when="beta3"),
    }
    domains = {"beta1": DECAY, "beta2": DECAY, "beta3": DECAY}

    def __init__(
        self,
        params: Any,
        lr: float,
        beta1: float = 0.0,
        beta2: float = 0.9,
        beta3: float = 0.99,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            beta3=beta3,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return h["weight_decay"], h["beta1"], h["beta2"], h["beta3"], h["lr"] / 3.0

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, beta1, beta2, beta3, step = c
        m1, m2, m3 = s
        g = g + l2 * p
        m1 = beta1 * m1 + g
        m2 = beta2 * m2 + g
        m3 = beta3 * m3 + g
        return p - step * (m1 + m2 + m3), (m1, m2, m3)
