"""Schedule-free AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.hyperparameters import DECAY, Interval
from fastopt.optimizers.schedule_free import ScheduleFree, average, descend, start, warmed_up
from fastopt.scalar import power, sqrt
from fastopt.slots import Slot


class ScheduleFreeAdamW(ScheduleFree):
    r"""Schedule-free AdamW: an average of the iterates in place of a falling learning rate and of Adam's momentum.

    .. math::

        y &= (1 - \beta_1) z + \beta_1 x, \qquad g = \nabla f(y), \qquad
            v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        z &\leftarrow z - \eta_t \left( \frac{g}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda y \right) \\
        x &\leftarrow (1 - c_t) x + c_t z, \qquad c_t = w_t \Big/ \sum_{i \le t} w_i, \qquad
            w_t = t^r \, (\max_{i \le t} \eta_i)^q

    with :math:`\eta_t = \eta \min(1, t / T)`. Between steps the parameters are y; `eval` moves them to x, `train` back
    to y.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1` in (0, 1): how near to the average x gradients are taken; :math:`\beta_2` in [0, 1).
    eps : float
        :math:`\epsilon`, outside the root.
    weight_decay : float
        :math:`\lambda`: decoupled, taken at y.
    warmup_steps : float
        :math:`T`: the number of steps in which the learning rate rises to lr.
    r : float
        :math:`r`: power of the number of the step in its weight.
    weight_lr_power : float
        :math:`q`: power of the largest learning rate so far in the weight.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon outside the root, added after the correction; decoupled decay at y, multiplied by lr; v starts
    at 0, x, y and z as the parameter at its first step. Same as AdamWScheduleFree of the authors' package, but it
    starts in train mode, and parameters count their steps and add up their weights by themselves (``lr_max``,
    ``weight_sum`` in the state). The mode is ``train_mode`` in the groups; it is saved, pickled and copied, in either
    mode, and parameters must be saved in the mode that is loaded with them. An assigned :math:`\beta_1` holds at once:
    x stays. `step` in eval mode is a RuntimeError, but a kernel of `jit_step` does not see the mode.

    References
    ----------
    Defazio et al. 2024, "The road less scheduled", algorithm 1, with the correction of v of the authors' package.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.ScheduleFreeAdamW(w, lr=0.25)
    >>> for _ in range(20):
    ...     info = opt.step(2 * w)
    >>> opt.eval()
    >>> w.round(6)
    array([-0.071213])
    """

    slots = {"z": Slot(initial=start), "exp_avg_sq": Slot()}
    domains = {**ScheduleFree.domains, "betas": (Interval(0, 1, above=True, below=True), DECAY)}

    def __init__(
        self,
        params: Any,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
            maximize=maximize,
        )

    @staticmethod
    def interpolation(hyperparameters: Mapping[str, Any]) -> Any:
        return hyperparameters["betas"][0]

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta2 = h["beta2"]
        fresh, beta, fraction, first = average(h, t, h["beta1"])
        lr = warmed_up(h, t)
        root = sqrt(1.0 - power(beta2, t))
        return (
            fresh, beta, fraction, first, lr * h["weight_decay"], beta2, 1.0 - beta2, lr * root,
            h["eps"] * root,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        shrink, beta2, fresh2, step, eps = c[4:]
        z, v = s
        v = beta2 * v + fresh2 * (g * g)
        p, z = descend(c, p, z, step * (g / (sqrt(v) + eps)) + shrink * p)
        return p, (z, v)
