"""What a step tells."""

from __future__ import annotations

from typing import NamedTuple


class StepInfo(NamedTuple):
    """What `Optimizer.step` tells.

    Attributes
    ----------
    skipped : bool
        Whether nothing was updated because a gradient was not finite.
    grad_norm : float or None
        The global L2 norm of the scaled gradients before clipping, where the step needed it.
    update_norm, param_norm : float or None
        L2 norms of the change of the parameters, and of the parameters after it, over those that had
        a gradient, with ``opt.monitor = True``; None in a skipped step.

    Examples
    --------
    >>> fastopt.SGD(np.ones(3), lr=0.1).step(np.ones(3))
    StepInfo(skipped=False, grad_norm=None)
    """

    skipped: bool = False
    grad_norm: float | None = None
    update_norm: float | None = None
    param_norm: float | None = None

    def __repr__(self) -> str:
        shown = {n: v for n, v in self._asdict().items() if v is not None or n == "grad_norm"}
        return f"StepInfo({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
