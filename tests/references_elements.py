"""References of rules with step sizes, bets, curvatures or noise for each element, in the form of `references`."""

from __future__ import annotations

import drawn
import numpy as np
from case import case, curvature, signed

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


def ftrl(
    p, g, s, t, *, lr=1e-3, lr_power=-0.5, initial_accumulator_value=0.1, l1=0.0, l2=0.0, l2_shrinkage=0.0,
    beta=0.0, maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    n = s.setdefault("accumulator", np.full_like(p, initial_accumulator_value))
    z = s.setdefault("linear", np.zeros_like(p))
    before, power = n.copy(), p.dtype.type(-lr_power)
    n += g**2
    z += g + 2 * l2_shrinkage * p - (n**power - before**power) / lr * p
    quadratic = n**power / lr + 2 * (l2 + beta / (2 * lr))
    return (np.clip(z, -l1, l1) - z) / quadratic


def sophia(
    p, g, s, t, *, lr=1e-3, betas=(0.965, 0.99), eps=1e-8, weight_decay=1e-4, gamma=0.01, clip_threshold=1.0,
    bias_correction=True, maximize=False,
):  # fmt: skip
    """With `curvature` of the gradient taken in after every step."""
    curved, g = signed(curvature(g), maximize), signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    h = s.setdefault("hessian", np.zeros_like(p))
    m[...] = betas[0] * m + (1 - betas[0]) * g
    m_hat = m / (1 - betas[0] ** t) if bias_correction else m
    u = np.clip(m_hat / np.maximum(gamma * h, eps), -clip_threshold, clip_threshold)
    h[...] = betas[1] * h + (1 - betas[1]) * curved
    return p - lr * (u + weight_decay * p)


def noisy_sgd(
    p, g, s, t, *, lr=1e-3, momentum=0.0, weight_decay=0.0, eta=0.01, gamma=0.55, seed=0, maximize=False
):  # fmt: skip
    """Of the first tensor."""
    noise = drawn.normal(seed, t, 0, p.size).astype(p.dtype).reshape(p.shape)
    g = signed(g, maximize) + weight_decay * p + (eta / t**gamma) ** 0.5 * noise
    if momentum:
        m = s.setdefault("momentum_buffer", np.zeros_like(p))
        g = m[...] = momentum * m + g
    return p - lr * g


F = fastopt
CASES = [
    case(F.COCOB, cocob, lr=0.3, alpha=7.0, eps=2.5, weight_decay=0.02),
    case(F.COCOB, cocob, lr=0.3, alpha=3.0, eps=0.5, weight_decay=0.2, maximize=True),
    case(F.SuperSAB, supersab, lr=0.013, momentum=0.87, etas=(0.6, 1.1), max_lr=0.05),
    case(F.SuperSAB, supersab, lr=0.17, momentum=0.37, etas=(0.3, 1.02), max_lr=0.2, maximize=True),
    case(F.FTRL, ftrl, lr=0.13, initial_accumulator_value=0.3, l1=0.7, l2=0.4, l2_shrinkage=0.02, beta=0.6),
    case(F.FTRL, ftrl, lr=0.13, lr_power=-0.6, initial_accumulator_value=0.3, l1=0.7, l2=0.4,
         l2_shrinkage=0.02, beta=0.6, maximize=True),
    case(F.Sophia, sophia, lr=0.013, betas=(0.87, 0.97), eps=0.2, weight_decay=0.02, gamma=0.3,
         clip_threshold=1.5),
    case(F.Sophia, sophia, lr=0.013, betas=(0.87, 0.97), eps=0.9, weight_decay=0.2, gamma=0.5,
         clip_threshold=0.8, bias_correction=False, maximize=True),
    case(F.NoisySGD, noisy_sgd, lr=0.013, weight_decay=0.02, eta=1.7, gamma=0.3, seed=7),
    case(F.NoisySGD, noisy_sgd, lr=0.013, momentum=0.87, weight_decay=0.02, eta=1.7, gamma=0.3, seed=-2.5,
         maximize=True),
    case(F.NoisySGD, noisy_sgd, lr=0.013, eta=0.0),
]  # fmt: skip
