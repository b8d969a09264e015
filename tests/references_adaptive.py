"""References of the optimizers that adapt step sizes or average over time, in the form of `references`."""

from __future__ import annotations

import numpy as np
from case import case, signed

import fastopt


def rprop(p, g, s, t, *, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), maximize=False):
    g = signed(g, maximize)
    prev = s.setdefault("prev", np.zeros_like(p))
    size = s.setdefault("step_size", np.full_like(p, lr))
    product = g * prev
    size[product > 0] *= etas[1]
    size[product < 0] *= etas[0]
    np.clip(size, *step_sizes, out=size)
    g = np.where(product < 0, 0, g)
    prev[...] = g
    return p - size * np.sign(g)


def asgd(p, g, s, t, *, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0, maximize=False):
    g = signed(g, maximize) + weight_decay * p
    eta, mu = s.setdefault("eta", np.array(lr)), s.setdefault("mu", np.array(1.0))
    average = s.setdefault("ax", np.zeros_like(p))
    p = p * (1 - lambd * float(eta)) - float(eta) * g
    average[...] = p if mu == 1 else average + float(mu) * (p - average)
    eta[...] = lr / (1 + lambd * lr * t) ** alpha
    mu[...] = 1 / max(1, t - t0)
    return p


F = fastopt
CASES = [
    case(F.Rprop, rprop, torch=True, lr=0.013, etas=(0.6, 1.3), step_sizes=(1e-3, 0.2)),
    case(F.Rprop, rprop, torch=True, lr=0.17, etas=(0.3, 1.05), step_sizes=(1e-3, 0.2), maximize=True),
    case(F.ASGD, asgd, torch=True, lr=0.13, lambd=0.02, alpha=0.6, t0=400, weight_decay=0.02),
    case(F.ASGD, asgd, torch=True, lr=0.13, lambd=0.02, alpha=0.6, t0=3.5, weight_decay=0.02, maximize=True),
]  # fmt: skip
