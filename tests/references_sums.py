"""References of the optimizers that need sums over a tensor, its rows and columns, or all tensors.

As in references.py; p is one tensor of any shape. A sum over all tensors is that of their elements in one
long vector.
"""

from __future__ import annotations

import numpy as np
from case import Sum, case, signed

import fastopt


def norm(x):
    return float(np.sqrt(np.sum(np.square(x.astype(np.float64)))))


def rms(x):
    return norm(x) / max(x.size, 1) ** 0.5


def lamb(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, eps_root=0.0,
    bias_correction=True, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    correction1, correction2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1, 1)
    u = m / correction1 / (np.sqrt(v / correction2 + eps_root) + eps) + weight_decay * p
    ratio = norm(p) / norm(u) if norm(p) and norm(u) else 1.0
    return p - lr * ratio * u


def lars(
    p, g, s, t, *, lr, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3, eps=0.0, nesterov=False,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize) + weight_decay * p
    ratio = trust_coefficient * norm(p) / (norm(g) + eps) if norm(p) and norm(g) else 1.0
    step = lr * (ratio * g)
    if not momentum:
        return p - step
    m = s.setdefault("momentum_buffer", np.zeros_like(p))
    m[...] = step + momentum * m
    return p - (step + momentum * m if nesterov else m)


def novograd(
    p, g, s, t, *, lr, betas=(0.9, 0.25), eps=1e-6, weight_decay=0.0, eps_root=0.0, maximize=False
):
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    before = s.get("exp_avg_sq", norm(g) ** 2)
    v = s["exp_avg_sq"] = beta2 * before + (1 - beta2) * norm(g) ** 2
    m[...] = beta1 * m + g / ((v + eps_root) ** 0.5 + eps) + weight_decay * p
    return p - lr * m


def adafactor(
    p, g, s, t, *, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, maximize=False
):  # fmt: skip
    g = signed(g, maximize)
    eps1 = float(np.finfo(p.dtype).eps) if eps[0] is None else eps[0]
    fresh = t**beta2_decay
    alpha = max(eps[1], rms(p)) * min(lr, 1 / t**0.5)
    p = (1 - lr * weight_decay) * p
    if p.ndim < 2:
        estimate = s.setdefault("variance", np.zeros_like(p))
        estimate[...] = (1 - fresh) * estimate + fresh * g**2
    else:
        rows, columns = max(p.shape[-2], 1), max(p.shape[-1], 1)
        row = s.setdefault("row_var", np.zeros_like(p, shape=(*p.shape[:-1], 1)))
        column = s.setdefault("col_var", np.zeros_like(p, shape=(*p.shape[:-2], 1, p.shape[-1])))
        row_mean = np.sum(g**2, axis=-1, keepdims=True) / columns
        column_mean = np.sum(g**2, axis=-2, keepdims=True) / rows
        row[...] = (1 - fresh) * row + fresh * row_mean
        column[...] = (1 - fresh) * column + fresh * column_mean
        mean = np.sum(row, axis=-2, keepdims=True) / rows
        estimate = row * column / np.maximum(mean, eps1)
    u = g / np.sqrt(np.maximum(estimate, eps1**2))
    return p - alpha / max(1.0, rms(u) / d) * u


def sm3(p, g, s, t, *, lr, momentum=0.9, eps=1e-8, maximize=False):
    g = signed(g, maximize)
    if p.ndim < 2:
        total = s.setdefault("accumulator", np.zeros_like(p))
        total += g**2
    else:
        row = s.setdefault("row_accumulator", np.zeros_like(p, shape=(*p.shape[:-1], 1)))
        column = s.setdefault(
            "col_accumulator", np.zeros_like(p, shape=(*p.shape[:-2], 1, p.shape[-1]))
        )
        total = np.minimum(row, column) + g**2
        row[...] = np.max(total, axis=-1, keepdims=True, initial=0)
        column[...] = np.max(total, axis=-2, keepdims=True, initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(total > 0, g / np.sqrt(total + eps), p.dtype.type(0))
    if momentum:
        m = s.setdefault("momentum_buffer", np.zeros_like(p))
        m[...] = momentum * m + (1 - momentum) * u
        u = m
    return p - lr * u


def prodigy(
    p, g, s, t, *, lr=1.0, betas=(0.9, 0.999), beta3=None, eps=1e-8, estim_lr0=1e-6, estim_lr_coef=1.0,
    weight_decay=0.0, safeguard_warmup=False, bias_correction=True, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    beta3 = beta2**0.5 if beta3 is None else beta3
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    total = s.setdefault("grad_sum", np.zeros_like(p))
    start = s.setdefault("params0", p.copy())
    d = s["estim_lr_before"] = s.get("estim_lr", estim_lr0)
    correction = (1 - beta2**t) ** 0.5 / (1 - beta1**t) if bias_correction else 1.0
    rate = d * lr * correction
    product = np.sum(g.astype(np.float64) * (start - p))
    operands = np.sum(np.abs(g).astype(np.float64) * np.maximum(np.abs(start), np.abs(p)))
    m[...] = beta1 * m + (1 - beta1) * (d * g)
    v[...] = beta2 * v + (1 - beta2) * (d * g) ** 2
    total[...] = beta3 * total + (d if safeguard_warmup else rate) * (d * g) / estim_lr0
    before, weight = s.get("numerator_weighted", Sum(0, 0)), d / estim_lr0 * rate
    numerator = s["numerator_weighted"] = Sum(
        beta3 * before + weight * product,
        beta3 * before.operands + weight * operands,
    )
    denominator = float(np.sum(np.abs(total), dtype=np.float64))
    s["estim_lr"] = max(d, estim_lr_coef * numerator / denominator) if denominator else d
    return p - rate * weight_decay * p - rate * m / (np.sqrt(v) + s["estim_lr"] * eps)


def cautious_adamw(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, bias_correction=True,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    step = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t) if bias_correction else lr
    mask = (m * g > 0).astype(p.dtype)
    mask /= max(float(np.sum(mask, dtype=np.float64)) / max(p.size, 1), 1e-3)
    p = p - step * (m * mask) / (np.sqrt(v) + eps)
    return p - lr * weight_decay * p


def mars_adamw(
    p, g, s, t, *, lr=3e-3, betas=(0.95, 0.99), eps=1e-8, weight_decay=0.0, amsgrad=False, gamma=0.025,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    previous, m, v = (
        s.setdefault(name, np.zeros_like(p)) for name in ("last_grad", "exp_avg", "exp_avg_sq")
    )
    c = (g - previous) * (gamma * beta1 / (1 - beta1)) + g
    c = c / norm(c) if norm(c) > 1 else c
    previous[...] = g
    m[...] = beta1 * m + (1 - beta1) * c
    v[...] = beta2 * v + (1 - beta2) * c**2
    largest = v
    if amsgrad:
        largest = s.setdefault("max_exp_avg_sq", np.zeros_like(p))
        np.maximum(largest, v, out=largest)
    d = m / ((np.sqrt(largest / (1 - beta2**t)) + eps) * (1 - beta1**t))
    return p - lr * (weight_decay * p + d)


F = fastopt
CASES = [
    case(F.LAMB, lamb, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2),
    case(F.LAMB, lamb, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2, eps_root=0.4,
         bias_correction=False, maximize=True),
    case(F.LARS, lars, lr=0.13, momentum=0.87, weight_decay=0.2, trust_coefficient=0.03, eps=0.5),
    case(F.LARS, lars, lr=0.13, momentum=0.87, weight_decay=0.2, trust_coefficient=0.03, eps=0.5,
         nesterov=True, maximize=True),
    case(F.LARS, lars, lr=0.13, momentum=0.0, weight_decay=0.2, trust_coefficient=0.03, eps=0.5),
    case(F.NovoGrad, novograd, lr=0.013, betas=(0.87, 0.37), eps=0.5, weight_decay=0.2),
    case(F.NovoGrad, novograd, lr=0.013, betas=(0.87, 0.37), eps=0.5, weight_decay=0.2, eps_root=4.0,
         maximize=True),
    case(F.Adafactor, adafactor, torch=True, lr=0.013, beta2_decay=-0.7, eps=(0.3, 0.02), d=1.0,
         weight_decay=0.2),
    case(F.Adafactor, adafactor, torch=True, lr=0.13, beta2_decay=-0.7, eps=(None, 0.8), d=1.05,
         weight_decay=1.1, maximize=True),
    case(F.SM3, sm3, lr=0.13, momentum=0.87, eps=5.0),
    case(F.SM3, sm3, lr=0.13, momentum=0.0, eps=5.0, maximize=True),
    case(F.Prodigy, prodigy, lr=0.7, betas=(0.87, 0.97), beta3=0.95, eps=0.5, estim_lr0=0.1,
         estim_lr_coef=0.3, weight_decay=0.2),
    case(F.Prodigy, prodigy, lr=0.7, betas=(0.87, 0.97), eps=0.5, estim_lr0=0.1, estim_lr_coef=0.3,
         weight_decay=0.2, safeguard_warmup=True, bias_correction=False, maximize=True),
    case(F.CautiousAdamW, cautious_adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2),
    case(F.CautiousAdamW, cautious_adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2,
         bias_correction=False, maximize=True),
    case(F.MARSAdamW, mars_adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2, gamma=0.3),
    case(F.MARSAdamW, mars_adamw, lr=0.013, betas=(0.67, 0.97), eps=0.05, weight_decay=0.2, amsgrad=True,
         gamma=0.05, maximize=True),
]  # fmt: skip
