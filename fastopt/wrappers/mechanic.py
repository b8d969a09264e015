"""Mechanic: another optimizer's learning rate, found while it runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.pipeline import Request, decide
from fastopt.scalar import where
from fastopt.slots import Slot
from fastopt.step_info import StepInfo
from fastopt.variant import ZERO_GRADS
from fastopt.wrappers.wrapper import WRAPPER, Wrapper

_TUNED = "tuned"


def _start(h: Any, p: Any) -> Any:
    return p


def _products(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    """The parameter before the step, to be kept, and what the sums are of."""
    x0 = where(c[0], p, s[0])
    away = x0 - p
    return p, g * g, p * p, g * away, p * away


class Tuner:
    """Scales that bet on the next step, one for each beta; theirs is the sum.

    Attributes
    ----------
    r, m, v, s : float64 (num_betas,)
        Rewards, largest products, sums of squared products, scales; as in the paper.
    """

    def __init__(self, num_betas: int, s_init: float) -> None:
        self.r, self.m, self.v = np.zeros((3, num_betas))
        self.s = np.full(num_betas, s_init)

    @property
    def scale(self) -> float:
        """The sum of the scales."""
        return float(self.s.sum())

    def bet(self, product: float, s_init: float, eps: float) -> None:
        """Renew the scales by the product of the gradient and the way from the start."""
        betas = 1.0 - 0.1 ** np.arange(1, self.s.size + 1)
        clipped = np.clip(product, -self.m, self.m)
        self.m = np.maximum(betas * self.m, abs(product) + eps)
        self.v = betas**2 * self.v + product**2
        self.r = betas * self.r + clipped * self.s
        wealth = s_init / self.s.size * self.m + np.maximum(0.0, self.r)
        self.s = wealth / (np.sqrt(self.v) + eps)


class Mechanic(Wrapper):
    r"""A factor for another optimizer's steps, learned by betting on the next gradient.

    .. math::

        \Delta &= (x_0 - x) / (s + \epsilon), \qquad
            h = \Big\langle g + \lambda s \frac{\lVert g \rVert}{\lVert x \rVert + \epsilon} x, \; \Delta \Big\rangle \\
        r_i &\leftarrow \beta_i r_i + s_i \,\mathrm{clamp}(h, -m_i, m_i), \qquad
            m_i \leftarrow \max(\beta_i m_i, |h| + \epsilon), \qquad
            v_i \leftarrow \beta_i^2 v_i + h^2 \\
        s_i &= \frac{s_\text{init} m_i / n + \max(0, r_i)}{\sqrt{v_i} + \epsilon}, \qquad
            s = \sum_{i=1}^n s_i, \qquad x \leftarrow x_0 - s (\Delta - u)

    where :math:`u` is the step of the optimizer inside, :math:`\beta_i = 1 - 10^{-i}`, and products and norms are over all
    tensors together.

    Parameters
    ----------
    optimizer : Optimizer
        The one inside, with a learning rate of about 1, such as ``fastopt.SGD(params, lr=1.0)``; it may be a schedule.
    weight_decay : float
        :math:`\lambda`, beside that of the optimizer inside.
    eps : float
        :math:`\epsilon`.
    s_init : float
        :math:`s_\text{init} > 0`: smaller than any good factor.
    num_betas : int
        :math:`n`.

    Notes
    -----
    Conventions: epsilon is added to all that divides; the decay is in the gradient of the product only; x0 is the
    parameter as its first step finds it, r, m and v start at 0 and each :math:`s_i` at s_init. Same as
    optax.contrib.mechanize, but all numbers that are not of an element are float64; gradients are those that the
    optimizer inside sees, scaled and clipped. A parameter without a gradient stays where it is and counts in no sum.
    The factor is ``opt.scale``. Steps that normalise by the parameters, such as those of LARS and LAMB, leave it
    little to find.

    References
    ----------
    Cutkosky, Defazio and Mehta 2023, "Mechanic: a learning rate tuner", algorithm 1, with the clamp that its authors
    added later.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> opt = fastopt.Mechanic(fastopt.SGD(w, lr=1.0))
    >>> for _ in range(300):
    ...     info = opt.step(2 * w)
    >>> bool(abs(w).max() < 0.05), opt.scale > 0.01
    (True, True)
    """

    slots = {"x0": Slot(initial=_start), "before": Slot()}
    running = {"scale": 0.0, "scale_before": 0.0}  # renewed by `_tune`
    shared = ("scale", "scale_before")
    measures = (
        Measure(
            _products,
            scope="all",
            results=("grad_sq", "param_sq", "grad_away", "param_away"),
            into="before",
        ),
    )
    domains = {"s_init": Interval(0, above=True), "num_betas": Interval(1, whole=True)}

    def __init__(
        self,
        optimizer: Optimizer,
        weight_decay: float = 1e-2,
        eps: float = 1e-8,
        s_init: float = 1e-6,
        num_betas: int = 6,
    ) -> None:
        super().__init__(
            optimizer, weight_decay=weight_decay, eps=eps, s_init=s_init, num_betas=num_betas
        )
        self._begin()

    @property
    def scale(self) -> float:
        """The factor of the steps: s."""
        return self._tuner.scale

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        return 1.0 if t == 1 else 0.0, 1.0 / (h["scale_before"] + h["eps"]), h["scale"]

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        first, per_scale, scale = c
        x0, before = s  # p has taken the step of the optimizer inside
        x0 = where(first, before, x0)
        return x0 - scale * (per_scale * (x0 - before) - (p - before)), (x0, before)

    def _step(self, leaves: list[Any], request: Request) -> StepInfo:
        w, inner = self._workspace, self._optimizer
        if w.follows:
            w.follow()
        w.settings["maximize"] = inner._workspace.settings["maximize"]
        infos: list[StepInfo] = []

        def between() -> None:
            infos.append(self._inner_step(leaves, request))
            if w.gradients.any():
                self._tune()

        if not self._step_around(leaves, request, between):
            return self._inner_step(leaves, request)
        if not self.monitor:
            return infos[0]
        return self._with_norms(infos[0], [own["before"].read() for own in w.slots])

    def _step_around(
        self, leaves: list[Any], request: Request, between: Callable[[], None]
    ) -> bool:
        """The sums, `between`, and the rule; False if it is to be skipped, and nothing was done."""
        if self._workspace.on_device:
            from fastopt.device import pipeline

            self._runner.exact = self.exact
            return pipeline.step_around(self._runner, leaves, request, between)
        held = self._runner.locate(leaves, zeroed=request.zero_grads)
        try:
            _, go, options = decide(self._runner, request)
            if go:
                self._runner.update(options - {ZERO_GRADS}, between=between)
        finally:
            self._runner.forget_request()
        del held
        return go

    def _tune(self) -> None:
        """Find the factor of this step from the sums over all tensors that have a gradient."""
        w, tuner = self._workspace, self._tuner
        grad_sq, param_sq, grad_away, param_away = w.totals[w.gradients != 0].sum(axis=0).tolist()
        h = w.header[0]
        scale, eps = tuner.scale, float(h["eps"])
        decay = h["weight_decay"] * scale * math.sqrt(grad_sq) / (math.sqrt(param_sq) + eps)
        w.header["scale_before"] = scale
        tuner.bet((grad_away + decay * param_away) / (scale + eps), float(h["s_init"]), eps)
        w.header["scale"] = tuner.scale

    # ---- copies -------------------------------------------------------------------------------------

    def _more(self) -> dict[str, Any]:
        return {_TUNED: {name: numbers.tolist() for name, numbers in vars(self._tuner).items()}}

    def _prepared_more(self, saved: Mapping[str, Any], strict: bool) -> Callable[[], None]:
        given = saved.get(_TUNED)
        if given is None and not strict:
            return self._begin
        count = int(saved.get("num_betas", self._tuner.s.size))
        tuner = Tuner(count, 0.0)
        for name in vars(tuner):
            try:
                numbers = np.array(given[name], np.float64)  # type: ignore[index]
            except (TypeError, KeyError, ValueError):
                numbers = np.zeros(0)
            if numbers.shape != (count,):
                raise ValueError(
                    f"load_state_dict: {_TUNED} of a group's {WRAPPER} is {given!r}; expected {count} numbers for "
                    f"each of {', '.join(vars(tuner))}"
                )
            setattr(tuner, name, numbers)
        return functools.partial(setattr, self, "_tuner", tuner)

    def _begin(self) -> None:
        h = self._workspace.header[0]
        self._tuner = Tuner(int(h["num_betas"]), float(h["s_init"]))
