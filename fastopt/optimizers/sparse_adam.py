"""SparseAdam: Adam for embedding tables, of which a step touches some rows."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class SparseAdam(Optimizer):
    r"""Adam as torch.optim has it for sparse gradients: meant for `step_rows`.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        p &\leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \, \frac{m}{\sqrt{v} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta` > 0.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon` > 0, outside the root, and not corrected.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: as Adam, but epsilon is added to the root of the uncorrected v, as in the last paragraph of the paper's
    section 2; no decay; slots start at 0; t counts the parameter's steps, also for a row that is touched
    for the first time. Same as torch.optim.SparseAdam; `step` takes a whole gradient for one of all rows, which
    torch refuses. Every other optimizer that can steps rows too: `Adam` does with its own place of epsilon.

    References
    ----------
    Kingma and Ba 2015, algorithm 1, in the order of the last paragraph of section 2.

    Examples
    --------
    >>> table = np.zeros((1000, 2))
    >>> opt = fastopt.SparseAdam(table, lr=0.5)
    >>> info = opt.step_rows([7, 3], np.array([[1.0, 2.0], [-1.0, 0.0]]))
    >>> table[[3, 7]].round(6)
    array([[ 0.5,  0. ],
           [-0.5, -0.5]])
    """

    slots = {"exp_avg": Slot(), "exp_avg_sq": Slot()}
    domains = {
        "lr": Interval(0, above=True),
        "betas": Interval(0, 1, below=True),
        "eps": Interval(0, above=True),
    }
    supports = Optimizer.supports - {"complex"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, maximize=maximize)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2 = h["beta1"], h["beta2"]
        step = h["lr"] * sqrt(1.0 - power(beta2, t)) / (1.0 - power(beta1, t))
        return 1.0 - beta1, beta2, 1.0 - beta2, step, h["eps"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, beta2, fresh2, step, eps = c
        m, v = s
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        return p - step * (m / (sqrt(v) + eps)), (m, v)
