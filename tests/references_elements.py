"""References of rules with step sizes, bets, curvatures or noise for each element, in the form of `references`."""

from __future__ import annotations

import numpy as np
from case import case, signed

import fastopt


def cocob(p, g, s, t, *, lr=1.0, alpha=100.0, eps=1e-8, weight_decay=0.0, maximize=False):
    g = lr * (signed(g, maximize) + weight_decay * p)
    start = s.setdefault("init_particles", p.copy())
    largest = s.setdefault("scale", np.full_like(p, eps))
    size, reward, total = (
        s.setdefault(name, np.zeros_like(p))
        for name in ("subgradients", "reward", "cumulative_gradients")
    )
    largest[...] = np.maximum(largest, np.abs(g))
    size += np.abs(g)
    reward[...] = np.maximum(reward - (p - start) * g, 0)
    total -= g
    bet = total / (largest * np.maximum(size + largest, alpha * largest))
    return start + bet * (largest + reward)


def supersab(p, g, s, t, *, lr=1e-2, momentum=0.9, etas=(0.5, 1.05), max_lr=None, maximize=False):
    g = signed(g, maximize)
    previous, step = (s.setdefault(name, np.zeros_like(p)) for name in ("prev", "momentum_buffer"))
    rate = s.setdefault("step_size", np.full_like(p, lr))
    agree, turned = previous * g > 0, previous * g < 0
    rate[agree] = np.minimum(rate[agree] * etas[1], np.inf if max_lr is None else max_lr)
    rate[turned] *= etas[0]
    undone = p - step
    step[...] = momentum * step - rate * g
    p = np.where(turned, undone, p + step)
    step[turned] = 0
    previous[...] = np.where(turned, 0, g)
    return p


F = fastopt
CASES = [
    case(F.COCOB, cocob, lr=0.3, alpha=7.0, eps=2.5, weight_decay=0.02),
    case(F.COCOB, cocob, lr=0.3, alpha=3.0, eps=0.5, weight_decay=0.2, maximize=True),
    case(F.SuperSAB, supersab, lr=0.013, momentum=0.87, etas=(0.6, 1.1), max_lr=0.05),
    case(F.SuperSAB, supersab, lr=0.17, momentum=0.37, etas=(0.3, 1.02), max_lr=0.2, maximize=True),
]  # fmt: skip
