"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.optimizers.adam import Adam


class AdamW(Adam):
    r"""Adam with decoupled weight decay: `Adam` with ``decoupled_weight_decay=True`` and a default decay.

    .. math::

        p \leftarrow (1 - \eta \lambda) p - \eta \, \frac{m / (1 - \beta_1^t)}
            {\sqrt{\hat v / (1 - \beta_2^t) + \epsilon_r} + \epsilon}

    with m and v as in `Adam`.

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr, betas, eps, amsgrad, maximize, bias_correction, eps_root
        See `Adam`.
    weight_decay : float
        :math:`\lambda`: the parameters shrink by lr times weight_decay in every step.

    Notes
    -----
    Conventions: the decay is multiplied by lr (torch's way; the paper multiplies by the schedule alone); else as in `Adam`.
    Same as torch.optim.AdamW.

    References
    ----------
    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2.

    Examples
    --------
    >>> w = np.array([2.0, 2.0])
    >>> opt = fastopt.AdamW(w, lr=0.125, weight_decay=0.5)
    >>> info = opt.step(np.array([10.0, -0.1]))
    >>> w.round(6)
    array([1.75, 2.  ])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        eps_root: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            bias_correction=bias_correction,
            eps_root=eps_root,
        )

    @classmethod
    def validate(cls, hyperparameters: Mapping[str, Any]) -> None:
        if not hyperparameters["decoupled_weight_decay"]:
            raise ValueError(
                "AdamW: decoupled_weight_decay is False; expected True (Adam has it either way)"
            )
