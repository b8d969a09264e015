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


def nadam(
    p, g, s, t, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    product = s.setdefault("mu_product", np.array(1.0))
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    product *= mu
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    m_hat = mu_next / float(1 - product * mu_next) * m + (1 - mu) / float(1 - product) * g
    return p - lr * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps)


def radam(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False,
    maximize=False,
):  # fmt: skip
    beta1, beta2 = betas
    g = signed(g, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    m = s.setdefault("exp_avg", np.zeros_like(p))
    v = s.setdefault("exp_avg_sq", np.zeros_like(p))
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return p - lr * m_hat
    r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
    return p - lr * m_hat * r * (1 - beta2**t) ** 0.5 / (np.sqrt(v) + eps)


def lion(p, g, s, t, *, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, maximize=False):
    """The averages in the order of operations of optax: a sign turns at a rounding."""
    g = signed(g, maximize)
    m = s.setdefault("exp_avg", np.zeros_like(p))
    direction = np.sign((1 - betas[0]) * g + betas[0] * m)
    m[...] = (1 - betas[1]) * g + betas[1] * m
    return p - lr * (direction + weight_decay * p)


def averaged(y, d, s, t, *, lr, beta, warmup_steps, r, weight_lr_power):
    """With x itself, which fastopt and the authors do not keep; d is the direction, without lr."""
    z, x = s.setdefault("z", y.copy()), s.setdefault("_x", y.copy())
    largest, total = (
        s.setdefault("lr_max", np.array(0.0)),
        s.setdefault("weight_sum", np.array(0.0)),
    )
    lr = lr * min(1, t / warmup_steps) if warmup_steps else lr
    largest[...] = max(largest, lr)
    weight = t**r * float(largest) ** weight_lr_power
    total += weight
    c = weight / float(total) if total else 0
    z -= lr * d
    x[...] = (1 - c) * x + c * z
    return (1 - beta) * z + beta * x


def schedule_free_sgd(
    y, g, s, t, *, lr=1.0, momentum=0.9, weight_decay=0.0, maximize=False, **weights
):
    d = signed(g, maximize) + weight_decay * y
    return averaged(y, d, s, t, lr=lr, beta=momentum, **weights)


def schedule_free_adamw(
    y, g, s, t, *, lr=2.5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, maximize=False, **weights
):  # fmt: skip
    g = signed(g, maximize)
    v = s.setdefault("exp_avg_sq", np.zeros_like(y))
    v[...] = betas[1] * v + (1 - betas[1]) * g**2
    d = g / (np.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * y
    return averaged(y, d, s, t, lr=lr, beta=betas[0], **weights)


def schedule_free_radam(
    y, g, s, t, *, lr=2.5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, silent_sgd_phase=True,
    maximize=False, **weights,
):  # fmt: skip
    g, beta2 = signed(g, maximize), betas[1]
    v = s.setdefault("exp_avg_sq", np.zeros_like(y))
    v[...] = beta2 * v + (1 - beta2) * g**2
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 4:
        lr *= ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
        g = g / (np.sqrt(v / (1 - beta2**t)) + eps)
    elif silent_sgd_phase:
        lr = 0.0
    return averaged(y, g + weight_decay * y, s, t, lr=lr, beta=betas[0], warmup_steps=0, **weights)


F = fastopt
CASES = [
    case(F.Rprop, rprop, torch=True, lr=0.013, etas=(0.6, 1.3), step_sizes=(1e-3, 0.2)),
    case(F.Rprop, rprop, torch=True, lr=0.17, etas=(0.3, 1.05), step_sizes=(1e-3, 0.2), maximize=True),
    case(F.ASGD, asgd, torch=True, lr=0.13, lambd=0.02, alpha=0.6, t0=400, weight_decay=0.02),
    case(F.ASGD, asgd, torch=True, lr=0.13, lambd=0.02, alpha=0.6, t0=3.5, weight_decay=0.02, maximize=True),
    case(F.NAdam, nadam, torch=True, additions=2, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.02, momentum_decay=0.03),
    case(F.NAdam, nadam, torch=True, additions=2, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.2, momentum_decay=0.03, decoupled_weight_decay=True, maximize=True),
    case(F.RAdam, radam, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02),
    case(F.RAdam, radam, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2,
         decoupled_weight_decay=True, maximize=True),
    case(F.RAdam, radam, torch=True, lr=0.013, betas=(0.87, 0.6), eps=0.05, weight_decay=0.02),  # never rectified
    case(F.Lion, lion, lr=0.013, betas=(0.87, 0.97), weight_decay=0.02),
    case(F.Lion, lion, lr=0.013, betas=(0.87, 0.97), weight_decay=0.2, maximize=True),
    case(F.ScheduleFreeSGD, schedule_free_sgd, lr=0.013, momentum=0.8, weight_decay=0.02, warmup_steps=20,
         r=0.5, weight_lr_power=1.5),
    case(F.ScheduleFreeSGD, schedule_free_sgd, lr=0.013, momentum=0.8, weight_decay=0.02, warmup_steps=5,
         r=1.5, weight_lr_power=1.0, maximize=True),
    case(F.ScheduleFreeAdamW, schedule_free_adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.02, warmup_steps=20, r=0.5, weight_lr_power=1.5),
    case(F.ScheduleFreeAdamW, schedule_free_adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.2, warmup_steps=5, r=1.5, weight_lr_power=1.0, maximize=True),
    case(F.ScheduleFreeRAdam, schedule_free_radam, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.02, r=1.5, weight_lr_power=1.0, silent_sgd_phase=False),
    case(F.ScheduleFreeRAdam, schedule_free_radam, lr=0.013, betas=(0.87, 0.97), eps=0.05,
         weight_decay=0.2, r=0.5, weight_lr_power=1.5, maximize=True),
    case(F.ScheduleFreeRAdam, schedule_free_radam, lr=0.013, betas=(0.87, 0.6), eps=0.05,
         weight_decay=0.02, r=0.5, weight_lr_power=1.5, silent_sgd_phase=False),  # never rectified
]  # fmt: skip
