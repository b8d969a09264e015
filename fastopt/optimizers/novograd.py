"""NovoGrad: momentum over gradients that are divided by the running norm of their tensor."""

from __future__ import annotations

from typing import Any

from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import sqrt
from fastopt.slots import Slot


def _square(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    return (g * g,)


class NovoGrad(Optimizer):
    r"""NovoGrad: one second moment for each tensor, momentum over what it normalises.

    .. math::

        v &\leftarrow \beta_2 v + (1 - \beta_2) \lVert g \rVert^2
            \quad (v \leftarrow \lVert g \rVert^2 \text{ in the first step}) \\
        m &\leftarrow \beta_1 m + \frac{g}{\sqrt{v + \epsilon_r} + \epsilon} + \lambda p \\
        p &\leftarrow p - \eta m

    Parameters
    ----------
    params
        See `fastopt.Optimizer`. Each array is a tensor with a second moment of its own.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`, added to the normalised gradient as weight_decay times p.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root; decay after the division, before the momentum; heavy-ball momentum (no
    factor of 1 - beta1), which starts at 0; v is a number, ``opt.state[k]["exp_avg_sq"]``, which the first step
    sets to the whole squared norm, so nothing is corrected for bias. Same as optax.novograd, whose default of beta2
    is 0.25 and which has none of lr.

    References
    ----------
    Ginsburg et al. 2019, "Stochastic gradient methods with layer-wise adaptive moments for training of
    deep networks", algorithm 1.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.NovoGrad(w, lr=0.5, eps=0.0)
    >>> info = opt.step(np.array([3.0, 4.0]))
    >>> w.round(6), opt.state[0]["exp_avg_sq"]
    (array([0.7, 0.6]), 25.0)
    """

    slots = {"exp_avg": Slot()}
    running = {"exp_avg_sq": 0.0}
    measures = (Measure(_square, scope="tensor", results=("grad_sq",)),)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.25),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        eps_root: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            eps_root=eps_root,
            maximize=maximize,
        )

    @staticmethod
    def advance(h: Any, t: Any) -> tuple[Any, ...]:
        beta2 = 0.0 if t == 1 else h["beta2"]
        return (beta2 * h["exp_avg_sq"] + (1.0 - beta2) * h["grad_sq"],)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        norm = sqrt(h["exp_avg_sq"] + h["eps_root"]) + h["eps"]
        return h["beta1"], 1.0 / norm, h["weight_decay"], h["lr"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        beta1, scale, decay, lr = c
        (m,) = s
        m = beta1 * m + (scale * g + decay * p)
        return p - lr * m, (m,)
