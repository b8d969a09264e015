"""References of further rules that work element by element, in the form of `references`."""

from __future__ import annotations

import numpy as np
from case import case, signed

import fastopt


def adamax(
    p, g, s, t, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    shrink = lr * weight_decay if decoupled_weight_decay else 0.0
    g = g if decoupled_weight_decay else g + weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    u = s.setdefault("exp_inf", np.zeros_like(p))
    m[...] = betas[0] * m + (1 - betas[0]) * g
    u[...] = np.maximum(betas[1] * u, np.abs(g) + eps)
    return p - (shrink * p + lr / (1 - betas[0] ** t) * m / u)


def sign_sgd(p, g, s, t, *, lr=1e-2, weight_decay=0.0, maximize=False):
    return p - lr * (np.sign(signed(g, maximize)) + weight_decay * p)


def signum(p, g, s, t, *, lr=1e-2, momentum=0.9, weight_decay=0.0, maximize=False):
    """The average in the order of operations of optax: a sign turns at a rounding."""
    m = g = signed(g, maximize)
    if momentum:
        m = s.setdefault("momentum_buffer", np.zeros_like(p))
        m[...] = (1 - momentum) * g + momentum * m
    return p - lr * (np.sign(m) + weight_decay * p)


def adabelief(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-16, weight_decay=0.0, eps_root=1e-16, nesterov=False,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_var", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * (g - m) ** 2 + eps_root
    m_hat = m / (1 - beta1**t)
    if nesterov:
        m_hat = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    return p - lr * (m_hat / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * p)


def yogi(
    p, g, s, t, *, lr=1e-2, betas=(0.9, 0.999), eps=1e-3, initial_accumulator_value=1e-6, eps_root=0.0,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.full_like(p, initial_accumulator_value))
    v = s.setdefault("exp_avg_sq", np.full_like(p, initial_accumulator_value))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = np.where(v > g**2, v - (1 - beta2) * g**2, v + (1 - beta2) * g**2)
    return p - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t) + eps_root) + eps)


def adan(
    p, g, s, t, *, lr=1e-3, betas=(0.98, 0.92, 0.99), eps=1e-8, weight_decay=0.0, form="optax", eps_root=1e-8,
    maximize=False,
):  # fmt: skip
    """The paper's betas are 1 minus those given; optax turns all but the weight."""
    b1, b2, b3 = (1 - beta for beta in betas)
    g = signed(g, maximize)
    m, n, v = (
        s.setdefault(name, np.zeros_like(p)) for name in ("exp_avg", "exp_avg_diff", "exp_avg_sq")
    )
    previous = s.setdefault("previous_grad", g.copy())
    weight = b2 if form == "optax" else 1 - b2
    m[...] = (1 - b1) * m + b1 * g
    n[...] = (1 - b2) * n + b2 * (g - previous)
    v[...] = (1 - b3) * v + b3 * (g + weight * (g - previous)) ** 2
    previous[...] = g
    corrections = [1 - beta**t for beta in betas]
    d = m / corrections[0] + weight * n / corrections[1]
    d = d / (np.sqrt(v / corrections[2] + eps_root) + eps)
    if form == "optax":
        return p - lr * (d + weight_decay * p)
    return p - (lr * d + lr * weight_decay * p) / (1 + lr * weight_decay)


def adopt(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.9999), eps=1e-6, weight_decay=0.0, decoupled_weight_decay=False,
    nesterov=False, use_clipping=True, clip_exponent=0.25, maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    shrink = lr * weight_decay if decoupled_weight_decay else 0.0
    g = g if decoupled_weight_decay else g + weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    if t == 1:
        v[...] = g**2
        return p - shrink * p
    u = g / np.maximum(np.sqrt(v), eps)
    if use_clipping:
        u = np.clip(u, -((t - 1) ** clip_exponent), (t - 1) ** clip_exponent)
    m[...] = betas[0] * m + (1 - betas[0]) * u
    v[...] = betas[1] * v + (1 - betas[1]) * g**2
    ahead = betas[0] * m + (1 - betas[0]) * u if nesterov else m
    return p - (shrink * p + lr * ahead)


def ademamix(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999, 0.9999), alpha=5.0, eps=1e-8, weight_decay=0.0, eps_root=0.0,
    maximize=False,
):  # fmt: skip
    beta1, beta2, beta3 = betas
    g = signed(g, maximize)
    fast = s.setdefault("exp_avg_fast", np.zeros_like(p))
    slow = s.setdefault("exp_avg_slow", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    fast[...] = beta1 * fast + (1 - beta1) * g
    slow += (1 - beta3) * (g - slow)  # as the authors: 0.99 in float32 would be felt over 100 steps
    v[...] = beta2 * v + (1 - beta2) * g**2
    d = fast / (1 - beta1**t) + alpha * slow
    d = d / (np.sqrt(v / (1 - beta2**t) + eps_root) + eps)
    return p - lr * (d + weight_decay * p)


def sparse_adam(p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
    """Where the gradient is dense."""
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    return p - lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t) * m / (np.sqrt(v) + eps)


def simplified_ademamix(
    p, g, s, t, *, lr=1e-4, betas=(0.99, 0.95), alpha=0.0, eps=1e-8, weight_decay=0.0, eps_root=0.0,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + g
    v[...] = beta2 * v + (1 - beta2) * g**2
    d = (m + alpha * g) / (np.sqrt(v / (1 - beta2**t) + eps_root) + eps)
    return p - lr * (d + weight_decay * p)


F = fastopt
CASES = [
    case(F.SimplifiedAdEMAMix, simplified_ademamix, lr=0.0013, betas=(0.87, 0.97), alpha=3.0, eps=0.05,
         weight_decay=0.02),
    case(F.SimplifiedAdEMAMix, simplified_ademamix, lr=0.0013, betas=(0.87, 0.97), alpha=3.0, eps=0.05,
         weight_decay=0.02, eps_root=0.4, maximize=True),
    case(F.SparseAdam, sparse_adam, lr=0.013, betas=(0.87, 0.97), eps=0.05),
    case(F.SparseAdam, sparse_adam, lr=0.013, betas=(0.87, 0.97), eps=0.05, maximize=True),
    case(F.Adamax, adamax, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02),
    case(F.Adamax, adamax, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, maximize=True),
    case(F.Adamax, adamax, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2,
         decoupled_weight_decay=True, maximize=True),
    case(F.SignSGD, sign_sgd, lr=0.013, weight_decay=0.02),
    case(F.SignSGD, sign_sgd, lr=0.013, weight_decay=0.02, maximize=True),
    case(F.Signum, signum, lr=0.013, momentum=0.87, weight_decay=0.02),
    case(F.Signum, signum, lr=0.013, momentum=0.0, weight_decay=0.02, maximize=True),
    case(F.AdaBelief, adabelief, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02, eps_root=0.01),
    case(F.AdaBelief, adabelief, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02, eps_root=0.01,
         nesterov=True, maximize=True),
    case(F.Yogi, yogi, lr=0.013, betas=(0.87, 0.97), eps=0.05, initial_accumulator_value=0.3, eps_root=0.4),
    case(F.Yogi, yogi, lr=0.013, betas=(0.87, 0.97), eps=0.05, initial_accumulator_value=0.02, eps_root=0.4,
         maximize=True),
    case(F.Adan, adan, lr=0.013, betas=(0.95, 0.83, 0.97), eps=0.05, weight_decay=0.2, eps_root=0.4),
    case(F.Adan, adan, lr=0.013, betas=(0.95, 0.83, 0.97), eps=0.05, weight_decay=0.2, eps_root=0.4,
         form="paper", maximize=True),
    case(F.ADOPT, adopt, lr=0.013, betas=(0.87, 0.97), eps=1.2, weight_decay=0.02, clip_exponent=0.01),
    case(F.ADOPT, adopt, lr=0.013, betas=(0.87, 0.97), eps=1.2, weight_decay=0.2, clip_exponent=0.05,
         nesterov=True, decoupled_weight_decay=True, maximize=True),
    case(F.ADOPT, adopt, lr=0.013, betas=(0.87, 0.97), eps=1.2, weight_decay=0.2, use_clipping=False),
    case(F.AdEMAMix, ademamix, lr=0.013, betas=(0.87, 0.97, 0.99), alpha=3.0, eps=0.05, weight_decay=0.02),
    case(F.AdEMAMix, ademamix, lr=0.013, betas=(0.87, 0.97, 0.99), alpha=3.0, eps=0.05, weight_decay=0.02,
         eps_root=0.4, maximize=True),
]  # fmt: skip
