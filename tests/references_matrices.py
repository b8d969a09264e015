"""References of the optimizers that take matrices only, in the form of `references`."""

from __future__ import annotations

import numpy as np
from case import case, signed

import fastopt


def newton_schulz(x, coefficients, steps, eps):
    """Singular values near 1, by whole matrices as in the papers."""
    a, b, c = coefficients
    x = x / max(np.linalg.norm(x), eps)
    if x.shape[0] > x.shape[1]:
        return _iterated(x.T, a, b, c, steps).T
    return _iterated(x, a, b, c, steps)


def _iterated(x, a, b, c, steps):
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x


def muon(
    p, g, s, t, *, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
    ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None, maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    m = s.setdefault("momentum_buffer", np.zeros_like(p))
    m[...] = momentum * m + (1 - momentum) * g
    d = (1 - momentum) * g + momentum * m if nesterov else m
    rows, columns = p.shape
    ratio = max(1, rows / columns) ** 0.5
    if adjust_lr_fn == "match_rms_adamw":
        ratio = 0.2 * max(rows, columns) ** 0.5
    return p * (1 - lr * weight_decay) - lr * ratio * newton_schulz(
        d, ns_coefficients, ns_steps, eps
    )


F = fastopt
OTHER = {"ns_coefficients": (3.2, -4.2, 1.9), "ns_steps": 4}
CASES = [
    case(F.Muon, muon, torch=True, lr=0.013, weight_decay=0.2, momentum=0.87),
    case(F.Muon, muon, torch=True, lr=0.013, weight_decay=0.2, momentum=0.87, nesterov=False, eps=20.0,
         adjust_lr_fn="match_rms_adamw", **OTHER),
    case(F.Muon, muon, lr=0.013, weight_decay=0.2, momentum=0.87, adjust_lr_fn="original", maximize=True),
]  # fmt: skip
