"""Muon: momentum, made nearly orthogonal by a Newton-Schulz iteration, for matrices."""

from __future__ import annotations

from typing import Any

from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.scalar import maximum, sqrt
from fastopt.slots import Slot

ORIGINAL, MATCH_RMS_ADAMW = range(2)


def _direction(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    """The direction before it is made orthogonal, and its square."""
    fresh, along_g, along_m = c[:3]
    m, _ = s
    d = along_g * g + along_m * (m + fresh * (g - m))
    return d, d * d


def _orthogonalize(h: Any, x: Any, room: Any) -> None:
    """Bring the singular values of x near 1, in place: steps of x = a x + b (x x') x + c (x x')^2 x."""
    xp = room.xp
    if x.shape[0] > x.shape[1]:
        x = x.T
    n, steps = x.shape[0], int(h["ns_steps"])
    a, b, c = (float(h[f"ns_coefficient{i}"]) for i in (1, 2, 3))
    norm = room("norm", (), x.dtype)
    gram, factor = (room(name, (n, n), x.dtype) for name in ("gram", "factor"))
    other, diagonal, transposed = room.like("other", x), factor.reshape(-1)[:: n + 1], gram.T
    norm[...] = xp.sqrt(h["direction_sq"])
    xp.clip(norm, float(h["eps"]), None, out=norm)
    now, then = (other, x) if steps % 2 else (x, other)  # so that the last step ends in x
    xp.divide(x, norm, out=now)
    for _ in range(steps):
        xp.matmul(now, now.T, out=gram)  # a matrix and its transpose: half the work of others
        xp.matmul(gram, transposed, out=factor)
        factor *= c
        gram *= b
        factor += gram
        diagonal += a
        xp.matmul(factor, now, out=then)
        now, then = then, now


class Muon(Optimizer):
    r"""Momentum whose singular values are brought near 1, for the weight matrices of hidden layers.

    .. math::

        m &\leftarrow \mu m + (1 - \mu) g, \qquad
            d = (1 - \mu) g + \mu m \;\text{ if nesterov, else }\; m \\
        X_0 &= d / \max(\lVert d \rVert_F, \epsilon), \qquad A_k = X_k X_k^T, \qquad
            X_{k+1} = a X_k + (b A_k + c A_k^2) X_k \\
        p &\leftarrow (1 - \eta \lambda) p - \eta r X_K, \qquad
            r = \sqrt{\max(1, \text{rows} / \text{columns})} \;\text{ or }\; 0.2 \sqrt{\max(\text{rows}, \text{columns})}

    Parameters
    ----------
    params
        Matrices: arrays of 2 dimensions, real. See `fastopt.Optimizer`. Embeddings, the last layer and vectors such as
        biases are for another optimizer.
    lr : float
        Learning rate :math:`\eta`.
    weight_decay : float
        :math:`\lambda`, decoupled.
    momentum : float
        :math:`\mu`.
    nesterov : bool
        Look ahead along the gradient.
    ns_coefficients : tuple of three floats
        :math:`a, b, c` of the iteration.
    eps : float
        :math:`\epsilon`, the least that a direction is divided by.
    ns_steps : int
        :math:`K`, below 100.
    adjust_lr_fn : {None, "original", "match_rms_adamw"}
        The ratio r: the first formula, also for None, or the second, which makes steps as large as AdamW's.
    maximize : bool
        Ascend instead.

    Notes
    -----
    Conventions: epsilon bounds the norm from below; decoupled decay, multiplied by lr but not by the ratio r;
    the momentum is an average that starts at 0 and is not corrected. Same as torch.optim.Muon, which computes the
    iteration in bfloat16; here it has the dtype of the parameter. optax.contrib.muon corrects the momentum, adds its
    epsilon to the norm, and has weights the other way round, so that its first ratio is that of columns to rows. A matrix that is taller than wide is iterated as its transpose. The products are
    NumPy's: their threads are those of its BLAS, which `fastopt.set_num_threads` does not set, and their last bits may
    depend on them; on a CUDA device they are CuPy's or PyTorch's (docs/cuda.md). Room for one more array of each parameter's size is kept for the direction.

    References
    ----------
    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the second ratio: Liu et al. 2025, "Muon
    is scalable for LLM training", eq. 4.

    Examples
    --------
    A layer with its matrix by Muon and its bias by AdamW:

    >>> w = {"W": np.eye(2), "b": np.ones(2)}
    >>> matrices = {n: p for n, p in w.items() if p.ndim == 2}
    >>> others = {n: p for n, p in w.items() if p.ndim != 2}
    >>> muon, adamw = fastopt.Muon(matrices, lr=0.125), fastopt.AdamW(others, lr=0.125)
    >>> grads = {"W": np.array([[3.0, 0.0], [0.0, 0.1]]), "b": np.array([1.0, -1.0])}
    >>> for opt, own in ((muon, matrices), (adamw, others)):
    ...     info = opt.step({n: grads[n] for n in own})
    >>> w["W"].round(3), w["b"].round(3)
    (array([[0.9  , 0.   ],
           [0.   , 0.846]]), array([0.874, 1.124]))
    """

    slots = {"momentum_buffer": Slot(), "direction": Slot()}
    measures = (
        Measure(
            _direction,
            scope="tensor",
            results=("direction_sq",),
            into="direction",
            whole=_orthogonalize,
        ),
    )
    dimensions = 2
    domains = {"ns_steps": Interval(0, 100, below=True, whole=True)}
    choices = {"adjust_lr_fn": ("original", "match_rms_adamw")}
    supports = Optimizer.supports - {"jit_step", "complex"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        mu, lr, rows, columns = h["momentum"], h["lr"], h["rows"], h["columns"]
        if h["adjust_lr_fn"] == MATCH_RMS_ADAMW:
            ratio = 0.2 * sqrt(1.0 * maximum(rows, columns))
        else:
            ratio = sqrt(maximum(1.0, rows / columns))
        along_g, along_m = (1.0 - mu, mu) if h["nesterov"] else (0.0, 1.0)
        return 1.0 - mu, along_g, along_m, 1.0 - lr * h["weight_decay"], lr * ratio

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        fresh, _, _, keep, rate = c
        m, direction = s
        return keep * p - rate * direction, (m + fresh * (g - m), direction)
