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


def polyak_sgd(
    p, g, s, t, *, value, lr=1.0, scaling=1.0, f_min=0.0, eps=0.0, variant="sps", maximize=False
):
    g, value = signed(g, maximize), signed(value, maximize)
    gap = max(value - f_min, 0.0) if variant == "sps+" else value - f_min
    square = norm(g) ** 2 + eps
    return p - scaling * (min(gap / square, lr) if square > 2**-52 else 0.0) * g


def model_step(s, lr, weight_decay, lower_bound, adapt_lower_bound, rho, m, u, p):
    """MoMo's step size and its next bound, from the averages in s."""
    a, square, product = 1 + lr * weight_decay, dot(m, u), dot(m, p)
    lb = s.get("lb", lower_bound)
    gap = s["barf"] - s["gamma"]
    operands = a * (abs(s["barf"]) + s["gamma"].operands) + product.operands
    if adapt_lower_bound and a * gap + product < a * rho * lb:
        lb = max((a * gap + product) / (2 * a * rho), lower_bound)
    t1 = max(a * (gap - rho * lb) + product, 0.0) / square if square > 2**-52 else 0.0
    tau = min(lr / rho, t1)
    s["step_size"] = Sum(tau, operands / square if 0 < tau < lr / rho else tau)
    if adapt_lower_bound:
        lb = max((gap + product - 0.5 * tau * square) / rho, lower_bound)
    s["lb"] = Sum(lb, operands / rho if adapt_lower_bound else lb)
    return tau


def renewed(before, beta, new):
    """An average of sums and of the sizes of their operands."""
    return Sum(beta * before + (1 - beta) * new, beta * before.operands + (1 - beta) * new.operands)


def momo(
    p, g, s, t, *, value, lr=1.0, beta=0.9, lower_bound=0.0, weight_decay=0.0, adapt_lower_bound=False,
    maximize=False,
):  # fmt: skip
    g, value = signed(g, maximize), signed(value, maximize)
    beta, s["count"] = 0.0 if t == 1 else beta, t
    m = s.setdefault("exp_avg", np.zeros_like(p))
    m[...] = beta * m + (1 - beta) * g
    s["barf"] = beta * s.get("barf", 0.0) + (1 - beta) * value
    s["gamma"] = renewed(s.get("gamma", Sum(0, 0)), beta, dot(g, p))
    tau = model_step(s, lr, weight_decay, lower_bound, adapt_lower_bound, 1.0, m, m, p)
    return p - (lr * weight_decay / (1 + lr * weight_decay) * p + tau * m)


def momo_adam(
    p, g, s, t, *, value, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, lower_bound=0.0, weight_decay=0.0,
    adapt_lower_bound=False, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g, value = signed(g, maximize), signed(value, maximize)
    s["count"] = t
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    s["barf"] = beta1 * s.get("barf", 0.0) + (1 - beta1) * value
    s["gamma"] = renewed(s.get("gamma", Sum(0, 0)), beta1, dot(g, p))
    u = m / (eps + np.sqrt(v / (1 - beta2**t)))
    rho = 1 - beta1**t
    tau = model_step(s, lr, weight_decay, lower_bound, adapt_lower_bound, rho, m, u, p)
    return p - (lr * weight_decay / (1 + lr * weight_decay) * p + tau * u)


def rowwise_adagrad(
    p, g, s, t, *, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10,
    maximize=False,
):  # fmt: skip
    g = signed(g, maximize) + weight_decay * p
    if p.ndim < 2:
        total = s.setdefault("sum", np.full_like(p, initial_accumulator_value))
        total += g**2
    else:
        start = np.full_like(p, initial_accumulator_value, shape=(*p.shape[:-1], 1))
        total = s.setdefault("row_sum", start)
        total += np.sum(g**2, axis=-1, keepdims=True) / max(p.shape[-1], 1)
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)


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
    case(F.PolyakSGD, polyak_sgd, lr=0.017, scaling=0.7, f_min=-1.3, eps=5.0, maximize=True),
    case(F.PolyakSGD, polyak_sgd, lr=0.017, scaling=0.7, f_min=1.3, eps=5.0, variant="sps+"),
    case(F.MoMo, momo, lr=0.03, beta=0.87, lower_bound=0.3, weight_decay=0.2),
    case(F.MoMo, momo, lr=0.03, beta=0.87, lower_bound=-4.0, weight_decay=0.2, adapt_lower_bound=True,
         maximize=True),
    case(F.MoMoAdam, momo_adam, lr=0.03, betas=(0.87, 0.97), eps=0.05, lower_bound=0.3, weight_decay=0.2),
    case(F.MoMoAdam, momo_adam, lr=0.03, betas=(0.87, 0.97), eps=0.05, lower_bound=-4.0, weight_decay=0.2,
         adapt_lower_bound=True, maximize=True),
    case(F.RowwiseAdagrad, rowwise_adagrad, lr=0.13, lr_decay=0.01, weight_decay=0.02,
         initial_accumulator_value=0.3, eps=5.0),
    case(F.RowwiseAdagrad, rowwise_adagrad, lr=0.13, lr_decay=0.01, weight_decay=0.02,
         initial_accumulator_value=0.3, eps=5.0, maximize=True),
]  # fmt: skip
