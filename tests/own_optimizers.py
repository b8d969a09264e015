"""Optimizers that are not fastopt's own."""

from __future__ import annotations

import fastopt
from fastopt.scalar import maximum, sqrt


class Literal(fastopt.Optimizer):
    """Its formula is refused in float32, where a literal would promote it, and fine in float64."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"],)

    @staticmethod
    def update(c, p, g, s):
        (lr,) = c
        return p - lr * (g * 0.9), ()


def helper(g, m, a):
    return m + a * (g - m)


class Own(fastopt.Optimizer):
    """AdaMax-like, with a helper function, a running field, a starting value and an attribute of its own."""

    slots = {"exp_avg": fastopt.Slot(), "exp_inf": fastopt.Slot(initial=lambda h, p: 0.25)}
    running = {"product": 1.0}

    def __init__(self, params, lr=0.01, betas=(0.9, 0.99), eps=1e-8):
        self.note = ["mine"]
        super().__init__(params, lr=lr, betas=betas, eps=eps)

    @staticmethod
    def advance(h, t):
        return (h["product"] * h["beta1"],)

    @staticmethod
    def coefficients(h, t):
        return 1 - h["beta1"], h["beta2"], h["lr"] / (1 - h["product"]), h["eps"]

    @staticmethod
    def update(c, p, g, s):
        a, beta2, lr, eps = c
        m, u = s
        m = helper(g, m, a)
        u = maximum(beta2 * u, sqrt(g * g))
        return p - lr * (m / (u + eps)), (m, u)
