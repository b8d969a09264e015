"""The formulas over whole arrays, as the papers and torch write them, and cases to try them with.

Nothing here is shared with fastopt. Each reference is ``step(p, g, state, t, **h)``: it returns the new
parameter and changes `state`, a dict of arrays by slot name; names of its own begin with ``_``. A case is a class, hyperparameters (all active
and none at its default over the cases of a class) and the slots it must have.
"""

from __future__ import annotations

import numpy as np
import references_adaptive
import references_catalogue
import references_elements
import references_momenta
import references_step_sizes
import references_sums
from case import case, curvature, inputs_of, signed

import fastopt


def sgd(
    p, g, s, t, *, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False
):
    g = signed(g, maximize) + weight_decay * p
    if momentum:
        buf = s.setdefault("momentum_buffer", np.zeros_like(p))
        buf[...] = g if t == 1 else momentum * buf + (1 - dampening) * g
        g = g + momentum * buf if nesterov else buf
    return p - lr * g


def momentum(
    p,
    g,
    s,
    t,
    *,
    lr,
    momentum=0.9,
    form="heavy_ball",
    bias_correction=False,
    weight_decay=0.0,
    maximize=False,
):
    g = signed(g, maximize) + weight_decay * p
    m = s.setdefault("momentum_buffer", np.zeros_like(p))
    if form == "velocity":
        m[...] = momentum * m - lr * g
        return p + m
    if form == "heavy_ball":
        m[...] = momentum * m + g
        return p - lr * m
    m[...] = momentum * m + (1 - momentum) * g
    return p - lr * (m / (1 - momentum**t) if bias_correction else m)


def nag(p, g, s, t, *, lr, momentum=0.9, weight_decay=0.0, maximize=False):
    """The gradient is that at p + momentum * v."""
    v = s.setdefault("momentum_buffer", np.zeros_like(p))
    ahead = p + momentum * v
    v[...] = momentum * v - lr * (signed(g, maximize) + weight_decay * ahead)
    return p + v


def normalized_gd(p, g, s, t, *, lr, eps=1e-8, weight_decay=0.0, maximize=False):
    g = signed(g, maximize) + weight_decay * p
    return p - lr * g / (np.abs(g) + eps)


def adagrad(
    p, g, s, t, *, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10,
    eps_root=0.0, maximize=False,
):  # fmt: skip
    g = signed(g, maximize) + weight_decay * p
    v = s.setdefault("sum", np.full_like(p, initial_accumulator_value))
    v += g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(v + eps_root) + eps)


def rmsprop(
    p, g, s, t, *, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False,
    eps_root=0.0, maximize=False,
):  # fmt: skip
    g = signed(g, maximize) + weight_decay * p
    v = s.setdefault("square_avg", np.zeros_like(p))
    v[...] = alpha * v + (1 - alpha) * g**2
    variance = v
    if centered:
        a = s.setdefault("grad_avg", np.zeros_like(p))
        a[...] = alpha * a + (1 - alpha) * g
        variance = v - a**2
    d = g / (np.sqrt(variance + eps_root) + eps)
    if momentum:
        b = s.setdefault("momentum_buffer", np.zeros_like(p))
        b[...] = momentum * b + d
        d = b
    return p - lr * d


def adadelta(p, g, s, t, *, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False):
    g = signed(g, maximize) + weight_decay * p
    v = s.setdefault("square_avg", np.zeros_like(p))
    u = s.setdefault("acc_delta", np.zeros_like(p))
    v[...] = rho * v + (1 - rho) * g**2
    d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u[...] = rho * u + (1 - rho) * d**2
    return p - lr * d


def adam(
    p, g, s, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False,
    decoupled_weight_decay=False, bias_correction=True, eps_root=0.0,
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
    largest = v
    if amsgrad:
        largest = s.setdefault("max_exp_avg_sq", np.zeros_like(p))
        np.maximum(largest, v, out=largest)
    correction1, correction2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1, 1)
    return p - lr * (m / correction1) / (np.sqrt(largest / correction2 + eps_root) + eps)


def adamw(p, g, s, t, *, weight_decay=1e-2, **h):
    return adam(p, g, s, t, weight_decay=weight_decay, decoupled_weight_decay=True, **h)


F = fastopt
CASES = [
    case(F.SGD, sgd, torch=True, lr=0.013),
    case(F.SGD, sgd, torch=True, lr=0.013, weight_decay=0.02, maximize=True),
    case(F.SGD, sgd, torch=True, lr=0.013, momentum=0.87, dampening=0.3, weight_decay=0.02),
    case(F.SGD, sgd, torch=True, lr=0.013, momentum=0.87, weight_decay=0.02, nesterov=True, maximize=True),
    case(F.Momentum, momentum, lr=0.013, momentum=0.87, weight_decay=0.02),
    case(F.Momentum, momentum, lr=0.013, momentum=0.87, weight_decay=0.02, form="ema", maximize=True),
    case(F.Momentum, momentum, lr=0.013, momentum=0.87, weight_decay=0.02, form="ema", bias_correction=True),
    case(F.Momentum, momentum, lr=0.013, momentum=0.87, weight_decay=0.02, form="velocity", maximize=True),
    case(F.NAG, nag, lr=0.013, momentum=0.87, weight_decay=0.02),
    case(F.NAG, nag, lr=0.013, momentum=0.87, weight_decay=0.02, maximize=True),
    case(F.NormalizedGD, normalized_gd, lr=0.013, eps=0.05, weight_decay=0.02),
    case(F.NormalizedGD, normalized_gd, lr=0.013, eps=0.05, weight_decay=0.02, maximize=True),
    case(F.Adagrad, adagrad, torch=True, lr=0.13, lr_decay=0.01, weight_decay=0.02,
         initial_accumulator_value=0.3, eps=5.0),
    case(F.Adagrad, adagrad, lr=0.13, lr_decay=0.01, weight_decay=0.02, initial_accumulator_value=0.3,
         eps=5.0, eps_root=200.0, maximize=True),
    case(F.RMSprop, rmsprop, torch=True, lr=0.013, alpha=0.93, eps=0.05, weight_decay=0.02),
    case(F.RMSprop, rmsprop, torch=True, lr=0.013, alpha=0.93, eps=0.05, weight_decay=0.02, momentum=0.87,
         centered=True),
    case(F.RMSprop, rmsprop, torch=True, lr=0.013, alpha=0.93, eps=0.05, weight_decay=0.02, centered=True,
         maximize=True),
    case(F.RMSprop, rmsprop, lr=0.013, alpha=0.93, eps=0.05, weight_decay=0.02, momentum=0.87, eps_root=0.4),
    case(F.Adadelta, adadelta, torch=True, lr=0.7, rho=0.93, eps=0.001, weight_decay=0.02),
    case(F.Adadelta, adadelta, torch=True, lr=0.7, rho=0.93, eps=0.001, weight_decay=0.02, maximize=True),
    case(F.Adam, adam, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02),
    case(F.Adam, adam, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02, amsgrad=True,
         maximize=True),
    case(F.Adam, adam, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.02,
         decoupled_weight_decay=True),
    case(F.Adam, adam, lr=0.013, betas=(0.87, 0.97), eps=0.05, eps_root=0.4, weight_decay=0.02, amsgrad=True,
         bias_correction=False),
    case(F.AdamW, adamw, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2),
    case(F.AdamW, adamw, torch=True, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2, amsgrad=True,
         maximize=True),
    case(F.AdamW, adamw, lr=0.013, betas=(0.87, 0.97), eps=0.05, eps_root=0.4, weight_decay=0.2,
         bias_correction=False, maximize=True),
    *references_adaptive.CASES,
    *references_momenta.CASES,
    *references_sums.CASES,
    *references_step_sizes.CASES,
    *references_catalogue.CASES,
    *references_elements.CASES,
]  # fmt: skip

EVERY_CLASS = [getattr(fastopt, name) for name in fastopt.optimizers.__all__]
CLASSES = [cls for cls in EVERY_CLASS if cls.dimensions is None]  # of arrays of any shape


def cases_of(cls):
    return [c for c in CASES if c.cls is cls]


def make(cls, params, **hyperparameters):
    """An optimizer with its first case's hyperparameters, unless others are given."""
    return cls(params, **{**cases_of(cls)[0].hyperparameters, **hyperparameters})


def is_noisy(cls):
    """Whether what it does to a tensor depends on the tensor's position."""
    return any(slot.shape == "normal" for slot in cls.slots.values())


def step(opt, grads):
    """A step; with all that the class asks for: a look-ahead, inputs, and curvatures where they are taken in."""
    info = plain_step(opt, grads)
    for name in opt.folds:
        leaves = [None if g is None else curvature(g) for g in opt._forest.leaves(grads)]
        opt._fold(name, opt._forest.build(leaves), name)
    return info


def plain_step(opt, grads):
    """With a look-ahead and inputs alone."""
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    if opt.inputs:
        return opt.step(grads, **inputs_of(type(opt), opt.steps_taken))
    return opt.step(grads)
