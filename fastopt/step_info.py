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
        The global L2 norm of the gradients, where the step needed it.

    Examples
    --------
    >>> fastopt.SGD(np.ones(3), lr=0.1).step(np.ones(3))
    StepInfo(skipped=False, grad_norm=None)
    """

    skipped: bool = False
    grad_norm: float | None = None
