"""Sophia: momentum over an average of curvatures, clipped where they cannot be trusted."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import NONNEGATIVE, Interval
from fastopt.optimizer import Optimizer
from fastopt.scalar import clamp, maximum, power
from fastopt.slots import Slot


def _average(c: Any, p: Any, h: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
    beta2, fresh2 = c[-2:]
    m, hessian = s
    return p, (m, beta2 * hessian + fresh2 * h)


class Sophia(Optimizer):
    r"""Second-order clipped stochastic optimization: a diagonal Newton step, no element of it longer than a bound.

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g \\
        u &= \operatorname{clamp}\left( \frac{m / (1 - \beta_1^t)}{\max(\gamma h, \epsilon)}, -\rho, \rho \right),
            \qquad p \leftarrow p - \eta (u + \lambda p) \\
        h &\leftarrow \beta_2 h + (1 - \beta_2) \hat h \qquad \text{in update\_hessian}

    Parameters
    ----------
    params
        See `fastopt.Optimizer`.
    lr : float
        Learning rate :math:`\eta`.
    betas : tuple of two floats
        :math:`\beta_1, \beta_2` in [0, 1).
    eps : float
        :math:`\epsilon` above 0: the least curvature that is divided by.
    weight_decay : float
        :math:`\lambda`.
    gamma : float
        :math:`\gamma`: a smaller one clips more elements.
    clip_threshold : float
        :math:`\rho`.
    bias_correction : bool
        False leaves out the division by :math:`1 - \beta_1^t`.
    maximize : bool
        Ascend instead; the sign of curvatures is turned too.

    Notes
    -----
    Conventions: epsilon is a lower bound of the curvature, times gamma; decoupled decay, multiplied by lr; slots start
    at 0, so that until the first `update_hessian` nearly all elements step by the bound, along the sign of the momentum.
    Same as optax.contrib.sophia, which estimates the curvature itself, after every tenth step from the first on, and
    has no bias_correction and no default of lr (0.001 is the authors' SophiaH's); its clip_threshold of None is a large
    number here. The paper has :math:`\beta_1` = 0.96, :math:`\beta_2` = 0.99, :math:`\epsilon` = 1e-12, a decay of 0.2,
    no bias correction, and for gamma 0.01 with Hutchinson's estimator (Sophia-H) and 0.05 with Gauss-Newton-Bartlett's
    (Sophia-G); tune gamma so that 10 to 50% of the elements are not clipped. The authors' SophiaG starts from betas
    (0.965, 0.99) and a decay of 0.1.

    References
    ----------
    Liu et al. 2023, "Sophia: A scalable stochastic second-order optimizer for language model pre-training",
    algorithm 3.

    Examples
    --------
    >>> curvature, w = np.array([100.0, 1.0]), np.array([1.0, 1.0])
    >>> opt = fastopt.Sophia(w, lr=0.5, gamma=1.0, weight_decay=0.0)
    >>> for t in range(20):
    ...     if t % 10 == 0:
    ...         opt.update_hessian(curvature)
    ...     info = opt.step(curvature * w)
    >>> opt.state[0]["hessian"]
    array([1.99  , 0.0199])
    """

    slots = {"exp_avg": Slot(), "hessian": Slot()}
    folds = {"update_hessian": _average}
    domains = {
        "eps": Interval(0, above=True),
        "gamma": NONNEGATIVE,
        "clip_threshold": Interval(0, above=True),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.965, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 1e-4,
        gamma: float = 0.01,
        clip_threshold: float = 1.0,
        *,
        bias_correction: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            gamma=gamma,
            clip_threshold=clip_threshold,
            bias_correction=bias_correction,
            maximize=maximize,
        )

    def update_hessian(self, h: Any) -> None:
        r"""Take a new estimate of the curvature into its average, in one pass; every tenth step or so.

        Parameters
        ----------
        h : structured as `params`
            The estimate :math:`\hat h` of the diagonal of the Hessian: arrays of the parameters' shapes and dtypes, any
            strides, only read. None leaves that parameter's average alone. Hutchinson's: ``u * (H u)`` for a vector u
            of normal numbers or signs, where ``H u`` is a Hessian-vector product. Gauss-Newton-Bartlett's:
            ``B * g * g`` for the gradient g of the mean loss over B samples whose labels are drawn from what the model
            predicts.

        Raises
        ------
        TypeError, ValueError
            If an array does not fit or overlaps a parameter or a slot; nothing was changed.

        Examples
        --------
        >>> opt = fastopt.Sophia(np.zeros(2), lr=1e-3)
        >>> opt.update_hessian(np.array([3.0, -1.0]))
        >>> opt.state[0]["hessian"]
        array([ 0.03, -0.01])
        """
        self._fold("update_hessian", h, "h")

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        beta1, beta2, lr = h["beta1"], h["beta2"], h["lr"]
        corrected = 1.0 / (1.0 - power(beta1, t)) if h["bias_correction"] else 1.0
        return (
            1.0 - beta1, corrected, h["gamma"], h["eps"], h["clip_threshold"], lr, lr * h["weight_decay"],
            beta2, 1.0 - beta2,
        )  # fmt: skip

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh1, corrected, gamma, eps, bound, lr, shrink, _, _ = c
        m, h = s
        m = m + fresh1 * (g - m)
        u = clamp(corrected * m / maximum(gamma * h, eps), -bound, bound)
        return p - (shrink * p + lr * u), (m, h)
