"""Schedule-free SGD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.optimizers.schedule_free import ScheduleFree, average, descend, start, warmed_up
from fastopt.slots import Slot


class ScheduleFreeSGD(ScheduleFree):
    r"""Schedule-free SGD: an average of the iterates in place of a falling learning rate.

    .. math::

        y &= (1 - \beta) z + \beta x \\
        z &\leftarrow z - \eta_t (\nabla f(y) + \lambda y) \\
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
    momentum : float
        :math:`\beta` in (0, 1): how near to the average x gradients are taken.
    weight_decay : float
        :math:`\lambda`, an L2 term in the gradient, taken at y.
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
    Conventions: coupled decay at y; x, y and z start as the parameter at its first step. Same as SGDScheduleFree of
    the authors' package, but it starts in train mode, and parameters count their steps and add up their weights by
    themselves (``lr_max``, ``weight_sum`` in the state). The mode is ``train_mode`` in the groups; it is saved,
    pickled and copied, in either mode, and parameters must be saved in the mode that is loaded with them. An
    assigned momentum holds at once: x stays. `step` in eval mode is a RuntimeError, but a kernel of `jit_step`
    does not see the mode.

    References
    ----------
    Defazio et al. 2024, "The road less scheduled", eq. 1-3, algorithm 1 without Adam.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> opt = fastopt.ScheduleFreeSGD(w, lr=0.125)
    >>> for _ in range(20):
    ...     info = opt.step(2 * w)
    >>> opt.eval()
    >>> w.round(6)
    array([-0.049059])
    """

    slots = {"z": Slot(initial=start)}
    domains = {**ScheduleFree.domains, "momentum": Interval(0, 1, above=True, below=True)}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        momentum: float = 0.9,
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
            momentum=momentum,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
            maximize=maximize,
        )

    @staticmethod
    def interpolation(hyperparameters: Mapping[str, Any]) -> Any:
        return hyperparameters["momentum"]

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        fresh, beta, fraction, first = average(h, t, h["momentum"])
        return fresh, beta, fraction, first, h["weight_decay"], warmed_up(h, t)

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        l2, lr = c[4:]
        (z,) = s
        p, z = descend(c, p, z, lr * (g + l2 * p))
        return p, (z,)
