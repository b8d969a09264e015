"""References of the optimizers that mix gradients with their own past: with momenta, signs, and what was before.

As in references.py; each in the order of operations of the authors' code.
"""

from __future__ import annotations

import numpy as np
from case import case, signed

import fastopt


def laprop(
    p, g, s, t, *, lr=4e-4, betas=(0.9, 0.999), eps=1e-15, weight_decay=0.0, amsgrad=False, maximize=False
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    lr_mean, weight = (s.setdefault(n, np.array(0.0)) for n in ("exp_avg_lr_1", "_exp_avg_lr_2"))
    v[...] = v * beta2 + (1 - beta2) * g**2
    lr_mean[...] = lr_mean * beta1 + (1 - beta1) * lr
    weight[...] = weight * beta2 + (1 - beta2)
    denominator = v
    if amsgrad:
        denominator = s.setdefault("max_exp_avg_sq", np.zeros_like(p))
        np.maximum(denominator, v, out=denominator)
    m[...] = m * beta1 + (1 - beta1) * lr * (g / (np.sqrt(denominator / float(weight)) + eps))
    p = p - m / (float(lr_mean) / lr)
    return p - weight_decay * p


def qhm(
    p, g, s, t, *, lr, momentum=0.999, nu=0.7, weight_decay=0.0, decoupled_weight_decay=False,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    average = g
    if momentum:
        average = s.setdefault("momentum_buffer", np.zeros_like(p))
        average[...] = momentum * average + (1 - momentum) * g
    return p - lr * ((1 - nu) * g + nu * average)


def qhadam(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), nus=(1.0, 1.0), weight_decay=0.0,
    decoupled_weight_decay=False, eps=1e-8, maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    mixed = []
    for beta, nu, x, name, of in zip(
        betas, nus, (g, g**2), ("exp_avg", "exp_avg_sq"), ("beta1", "beta2"), strict=True
    ):
        average = s.setdefault(name, np.zeros_like(p))
        weight = s.setdefault(f"{of}_weight", np.array(0.0))
        weight[...] = 1 + beta * weight
        kept = 1 - 1 / float(weight)
        average[...] = kept * average + (1 - kept) * x
        mixed.append((1 - nu) * x + nu * average)
    return p - lr * mixed[0] / (np.sqrt(mixed[1]) + eps)


def aggmo(p, g, s, t, *, lr, beta1=0.0, beta2=0.9, beta3=0.99, weight_decay=0.0, maximize=False):
    g = signed(g, maximize) + weight_decay * p
    velocities = []
    for i, beta in enumerate((beta1, beta2, beta3), 1):
        velocity = s.setdefault(f"momentum_buffer{i}" if beta else "_none", np.zeros_like(p))
        velocity[...] = beta * velocity + g
        velocities.append(velocity)
    return p - lr * np.mean(velocities, axis=0, dtype=p.dtype)


def adabound(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), final_lr=0.1, gamma=1e-3, eps=1e-8, weight_decay=0.0,
    amsbound=False, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize) + weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    largest = v
    if amsbound:
        largest = s.setdefault("max_exp_avg_sq", np.zeros_like(p))
        np.maximum(largest, v, out=largest)
    step = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    bounds = final_lr * (1 - 1 / (gamma * t + 1)), final_lr * (1 + 1 / (gamma * t))
    return p - np.clip(step / (np.sqrt(largest) + eps), *bounds) * m


def acprop(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-16, eps_root=1e-16, weight_decay=0.0, maximize=False
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_var", np.zeros_like(p))
    v_hat = np.ones_like(v) if t == 1 else v / (1 - beta2 ** (t - 1))
    v[...] = beta2 * v + (1 - beta2) * (g - m) ** 2 + eps_root
    m[...] = beta1 * m + (1 - beta1) * g
    return p - lr * (g / (np.sqrt(v_hat) + eps) + weight_decay * p)


def powersign(p, g, s, t, *, lr=0.1, base=np.e, beta=0.9, sign_decay=1.0, maximize=False):
    """The average in the order of operations of fastopt: its sign turns at a rounding."""
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    m[...] = beta * m + (1 - beta) * g
    return p - lr * np.exp(np.log(base) * sign_decay * np.sign(g) * np.sign(m)).astype(p.dtype) * g


def addsign(p, g, s, t, *, lr=0.1, alpha=1.0, beta=0.9, sign_decay=1.0, maximize=False):
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    m[...] = beta * m + (1 - beta) * g
    return p - lr * (alpha + sign_decay * np.sign(g) * np.sign(m)) * g


def optimistic(p, direction, s, name, *, lr, alpha, beta):
    before = s.get(name, s.get("_before", direction))
    s[name if beta else "_before"] = direction
    return p - lr * ((alpha + beta) * direction - beta * before)


def optimistic_gd(p, g, s, t, *, lr, alpha=1.0, beta=1.0, maximize=False):
    return optimistic(p, signed(g, maximize), s, "previous_gradient", lr=lr, alpha=alpha, beta=beta)


def optimistic_adam(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, alpha=1.0, beta=1.0, eps_root=0.0,
    nesterov=True, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    if nesterov:
        m_hat = beta1 * (m / (1 - beta1 ** (t + 1))) + (1 - beta1) * (g / (1 - beta1**t))
    else:
        m_hat = m / (1 - beta1**t)
    r = m_hat / (np.sqrt(v / (1 - beta2**t) + eps_root) + eps)
    return optimistic(p, r, s, "previous_step", lr=lr, alpha=alpha, beta=beta)


def madgrad(
    p, g, s, t, *, lr=1e-2, momentum=0.9, weight_decay=0.0, eps=1e-6, decoupled_weight_decay=False,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize)
    if not decoupled_weight_decay:
        g = g + weight_decay * p
    start = s.setdefault("x0", p.copy())
    squares, total = (s.setdefault(name, np.zeros_like(p)) for name in ("grad_sum_sq", "s"))
    lr = lr + eps
    squares += lr * t**0.5 * g**2
    total += lr * t**0.5 * g
    new = momentum * p + (1 - momentum) * (start - total / (np.cbrt(squares) + eps))
    return new - lr * weight_decay * p if decoupled_weight_decay else new


def grams(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, bias_correction=True,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    decay = lr * weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    if bias_correction:
        lr = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return p - (decay + lr * np.sign(g) * np.abs(m) / (np.sqrt(v) + eps))


F = fastopt
CASES = [
    case(F.LaProp, laprop, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.002),
    case(F.LaProp, laprop, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02, amsgrad=True,
         maximize=True),
    case(F.QHM, qhm, lr=0.013, momentum=0.87, nu=0.6, weight_decay=0.02),
    case(F.QHM, qhm, lr=0.013, momentum=0.87, nu=1.3, weight_decay=0.2, decoupled_weight_decay=True,
         maximize=True),
    case(F.QHM, qhm, lr=0.013, momentum=0.0, nu=0.6, weight_decay=0.02),
    case(F.QHAdam, qhadam, lr=0.013, betas=(0.87, 0.97), nus=(0.6, 0.8), eps=0.05, weight_decay=0.02),
    case(F.QHAdam, qhadam, lr=0.013, betas=(0.87, 0.97), nus=(0.6, 0.8), eps=0.05, weight_decay=0.2,
         decoupled_weight_decay=True, maximize=True),
    case(F.AggMo, aggmo, lr=0.013, beta1=0.3, beta2=0.87, beta3=0.97, weight_decay=0.02),
    case(F.AggMo, aggmo, lr=0.013, beta1=0.0, beta2=0.87, beta3=0.97, weight_decay=0.02, maximize=True),
    case(F.AdaBound, adabound, lr=0.013, betas=(0.87, 0.97), final_lr=0.01, gamma=0.01, eps=0.05,
         weight_decay=0.02),
    case(F.AdaBound, adabound, lr=0.013, betas=(0.87, 0.97), final_lr=0.01, gamma=0.01, eps=0.05,
         weight_decay=0.02, amsbound=True, maximize=True),
    case(F.ACProp, acprop, lr=0.013, betas=(0.87, 0.97), eps=0.05, eps_root=0.002, weight_decay=0.02),
    case(F.ACProp, acprop, lr=0.013, betas=(0.87, 0.97), eps=0.05, eps_root=0.002, weight_decay=0.2,
         maximize=True),
    case(F.PowerSign, powersign, lr=0.013, base=2.5, beta=0.87, sign_decay=0.7),
    case(F.PowerSign, powersign, lr=0.013, base=0.5, beta=0.97, sign_decay=1.3, maximize=True),
    case(F.AddSign, addsign, lr=0.013, alpha=0.8, beta=0.87, sign_decay=0.7),
    case(F.AddSign, addsign, lr=0.013, alpha=1.2, beta=0.97, sign_decay=1.3, maximize=True),
    case(F.OptimisticGD, optimistic_gd, lr=0.013, alpha=0.8, beta=1.3),
    case(F.OptimisticGD, optimistic_gd, lr=0.013, alpha=1.2, beta=0.0, maximize=True),
    case(F.OptimisticAdam, optimistic_adam, lr=0.013, betas=(0.87, 0.97), eps=0.05, alpha=0.8, beta=1.3,
         eps_root=0.4),
    case(F.OptimisticAdam, optimistic_adam, lr=0.013, betas=(0.87, 0.97), eps=0.05, alpha=1.2, beta=0.7,
         nesterov=False, maximize=True),
    case(F.OptimisticAdam, optimistic_adam, lr=0.013, betas=(0.87, 0.97), eps=0.05, beta=0.0),
    case(F.MADGRAD, madgrad, lr=0.013, momentum=0.87, weight_decay=0.02, eps=0.05),
    case(F.MADGRAD, madgrad, lr=0.013, momentum=0.87, weight_decay=0.2, eps=0.05, decoupled_weight_decay=True,
         maximize=True),
    case(F.MADGRAD, madgrad, lr=0.013, momentum=0.0, eps=0.05),
    case(F.Grams, grams, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02),
    case(F.Grams, grams, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2, bias_correction=False,
         maximize=True),
]  # fmt: skip
