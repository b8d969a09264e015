"""Adam: momentum over a running root mean square, both corrected for their start at zero."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, power, sqrt
from fastopt.slots import Slot


class Adam(Optimizer):
    r"""Adam, with either place of epsilon, coupled or decoupled decay, AMSGrad, and without correction.

    .. math::

        p &\leftarrow (1 - \eta \lambda) p \;\text{ if decoupled, else }\; g \leftarrow g + \lambda p \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
            \hat v \leftarrow \max(\hat v, v) \;\text{ if amsgrad, else }\; v \\
        p &\leftarrow p - \eta \, \frac{m / (1 - \beta_1^t)}
            {\sqrt{\hat v / (1 - \beta_2^t) + \epsilon_r} + \epsilon}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`.
    amsgrad : bool
        Divide by the largest average so far; keeps a slot for it.
    decoupled_weight_decay : bool
        Shrink the parameters by lr times weight_decay instead of adding an L2 term to the gradient.
    bias_correction : bool
        False leaves out the divisions by :math:`1 - \beta^t`.
    eps_root : float
        :math:`\epsilon_r`, inside the root.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; the largest uncorrected v is kept
    for AMSGrad; coupled decay; slots start at 0. Same as torch.optim.Adam, which has neither
    eps_root (optax has) nor bias_correction. The corrections are folded into the step size and epsilon.

    References
    ----------
    Kingma and Ba 2015, algorithm 1, in the order of the last paragraph of section 2; AMSGrad: Reddi, Kale
    and Kumar 2018, algorithm 2; decoupled decay: Loshchilov and Hutter 2019, algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> opt = fastopt.Adam(w, lr=0.125)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([0.875, 1.125])
    """

    slots = {
        "exp_avg": Slot(),
        "exp_avg_sq": Slot(),
        "max_exp_avg_sq": Slot(when="amsgrad"),
    }
    # as torch, which takes betas=(0, 0.9) for a slip
    domains = {"betas": Interval(0, 1, below=True, floats=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        eps_root: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
            bias_correction=bias_correction,
            eps_root=eps_root,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr, decay = h["beta1"], h["beta2"], h["lr"], h["weight_decay"]
        correction1 = 1.0 - power(beta1, t) if h["bias_correction"] else 1.0
        correction2 = 1.0 - power(beta2, t) if h["bias_correction"] else 1.0
        root2 = sqrt(correction2)
        l2 = 0.0 if h["decoupled_weight_decay"] else decay
        keep = 1.0 - lr * decay if h["decoupled_weight_decay"] else 1.0
        return (
            l2, keep, 1.0 - beta1, beta2, 1.0 - beta2,
            lr * root2 / correction1, h["eps"] * root2, h["eps_root"] * correction2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, keep, fresh1, beta2, fresh2, step, eps, eps_root = c
        m, v, largest = s
        g = g + l2 * p
        m = m + fresh1 * (g - m)
        v = beta2 * v + fresh2 * (g * g)
        largest = maximum(largest, v)
        return keep * p - step * (m / (sqrt(largest + eps_root) + eps)), (m, v, largest)
