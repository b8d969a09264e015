"""References of the optimizers that find the size of their steps from sums, in the form of `references_sums`."""

from __future__ import annotations

import numpy as np
from case import Sum, case, signed
from references_sums import norm

import fastopt


def dot(a, b):
    """A product summed in float64."""
    product = a.astype(np.float64) * b
    return Sum(product.sum(), np.abs(product).sum())


def fromage(p, g, s, t, *, lr=1e-2, min_norm=1e-6, maximize=False):
    g = signed(g, maximize)
    sizes = max(norm(p), min_norm), max(norm(g), min_norm)
    ratio = sizes[0] / sizes[1] if all(sizes) else 1.0
    mult = 1 / (1 + lr**2) ** 0.5
    return p - (lr * mult * ratio * g + (1 - mult) * p)


def dadapt_adamw(
    p, g, s, t, *, lr=1.0, betas=(0.9, 0.999), eps=1e-8, estim_lr0=1e-6, weight_decay=0.0,
    bias_correction=True, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    beta3 = beta2**0.5
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    total = s.setdefault("grad_sum", np.zeros_like(p))
    d = s["estim_lr_before"] = s.get("estim_lr", estim_lr0)
    rate = d * lr * ((1 - beta2**t) ** 0.5 / (1 - beta1**t) if bias_correction else 1.0)
    product = dot(g, total / (np.sqrt(v) + eps))
    m[...] = beta1 * m + (1 - beta1) * rate * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    total[...] = beta3 * total + (1 - beta3) * rate * g
    before, fresh = s.get("numerator_weighted", Sum(0, 0)), (1 - beta3) * rate
    numerator = s["numerator_weighted"] = Sum(
        beta3 * before + fresh * product, beta3 * before.operands + fresh * product.operands
    )
    size = float(np.sum(np.abs(total), dtype=np.float64))
    s["estim_lr"] = max(d, numerator / ((1 - beta3) * size)) if size else d
    return p - (weight_decay * rate * p + m / (np.sqrt(v) + eps))


def dog(
    p, g, s, t, *, lr=1.0, init_step=1e-6, init_step_type="heuristic", eps=1e-8, weight_decay=0.0,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize) + weight_decay * p
    start = s.setdefault("init_params", p.copy())
    firsts = {
        "heuristic": init_step * (1 + norm(start)),
        "distance": init_step,
        "learning_rate": 0.0,
    }
    s["max_dist"] = max(s.get("max_dist", firsts[init_step_type]), norm(start - p))
    s["sum_sq_norm_grads"] = s.get("sum_sq_norm_grads", 0.0) + norm(g) ** 2
    root = (s["sum_sq_norm_grads"] + eps) ** 0.5
    s["step_size"] = s["max_dist"] / root if root else 0.0
    if t == 1 and init_step_type == "learning_rate":
        s["step_size"] = init_step
    s["is_init_step"] = 0.0
    return p - lr * s["step_size"] * g


def dowg(
    p, g, s, t, *, lr=1.0, init_estim_sq_dist=None, eps=1e-4, weight_decay=0.0, maximize=False
):
    g = signed(g, maximize) + weight_decay * p
    start = s.setdefault("init_params", p.copy())
    first = eps if init_estim_sq_dist is None else init_estim_sq_dist
    distance = s["estim_sq_dist"] = max(s.get("estim_sq_dist", first), norm(start - p) ** 2)
    total = s["weighted_sq_norm_grads"] = (
        s.get("weighted_sq_norm_grads", 0.0) + distance * norm(g) ** 2
    )
    s["step_size"] = distance / (total**0.5 + eps) if total**0.5 + eps else 0.0
    return p - lr * s["step_size"] * g


F = fastopt
CASES = [
    case(F.Fromage, fromage, shrinks=True, lr=0.013, min_norm=0.05),
    case(F.Fromage, fromage, shrinks=True, lr=0.023, min_norm=9.0, maximize=True),
    case(F.DAdaptAdamW, dadapt_adamw, lr=0.05, betas=(0.87, 0.97), eps=0.5, estim_lr0=0.1, weight_decay=0.2),
    case(F.DAdaptAdamW, dadapt_adamw, lr=0.05, betas=(0.87, 0.97), eps=0.5, estim_lr0=0.1, weight_decay=0.2,
         bias_correction=False, maximize=True),
    case(F.DoG, dog, lr=0.7, init_step=0.01, eps=5.0, weight_decay=0.2),
    case(F.DoG, dog, lr=0.7, init_step=0.02, init_step_type="distance", eps=5.0, weight_decay=0.2, maximize=True),
    case(F.DoG, dog, lr=0.7, init_step=0.003, init_step_type="learning_rate", eps=5.0, weight_decay=0.2),
    case(F.DoWG, dowg, lr=0.7, eps=0.05, weight_decay=0.2),
    case(F.DoWG, dowg, lr=0.7, init_estim_sq_dist=0.3, eps=0.05, weight_decay=0.2, maximize=True),
]  # fmt: skip
