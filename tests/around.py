"""Wrappers around an optimizer as classes of arrays, for tests of classes, and their formulas over whole arrays."""

from __future__ import annotations

import numpy as np

import fastopt


class LookaheadSGD(fastopt.Lookahead):
    def __init__(
        self,
        params,
        lr=0.1,
        momentum=0.9,
        sync_period=3,
        slow_step_size=0.25,
        reset_state=False,
    ):
        inside = fastopt.SGD(params, lr=lr, momentum=momentum)
        super().__init__(inside, sync_period, slow_step_size, reset_state)


class MechanicSGD(fastopt.Mechanic):
    def __init__(
        self, params, lr=1.0, momentum=0.5, weight_decay=0.1, eps=1e-3, s_init=1e-2, num_betas=4
    ):
        inside = fastopt.SGD(params, lr=lr, momentum=momentum)
        super().__init__(inside, weight_decay, eps, s_init, num_betas)


AROUND = {"Lookahead": LookaheadSGD, "Mechanic": MechanicSGD}


class LookaheadReference:
    """`inside(p, g, state, t)` is the reference of the optimizer inside."""

    def __init__(self, inside, params, period, rate, reset=False):
        self.inside, self.params = inside, [p.copy() for p in params]
        self.slow, self.states = [p.copy() for p in params], [{} for _ in params]
        self.period, self.rate, self.reset = period, rate, reset
        self.since, self.t = [0] * len(params), [0] * len(params)

    def step(self, grads):
        for k, g in enumerate(grads):
            if g is None:
                continue
            self.t[k] += 1
            self.since[k] += 1
            self.params[k] = self.inside(self.params[k], g, self.states[k], self.t[k])
            if self.since[k] == self.period:
                self.slow[k] = self.slow[k] + self.rate * (self.params[k] - self.slow[k])
                self.params[k] = self.slow[k].copy()
                self.since[k] = 0
                if self.reset:
                    self.states[k], self.t[k] = {}, 0


class MechanicReference:
    """Algorithm 1 of the paper with the clamp of optax, sums in float64."""

    def __init__(self, inside, params, weight_decay, eps, s_init, num_betas):
        self.inside, self.params = inside, [p.copy() for p in params]
        self.x0, self.states = [p.copy() for p in params], [{} for _ in params]
        self.decay, self.eps, self.s_init = weight_decay, eps, s_init
        self.betas = np.array([1 - 0.1**i for i in range(1, num_betas + 1)])
        self.s = np.full(num_betas, s_init)
        self.r, self.m, self.v = np.zeros((3, num_betas))
        self.t = [0] * len(params)

    def step(self, grads):
        some = [k for k, g in enumerate(grads) if g is not None]
        scale = self.s.sum()
        wide = {k: (grads[k].astype(float), self.params[k].astype(float)) for k in some}
        g_norm, p_norm = (np.sqrt(sum(np.sum(w[i] ** 2) for w in wide.values())) for i in (0, 1))
        h, delta = 0.0, {}
        for k in some:
            self.t[k] += 1
            if self.t[k] == 1:
                self.x0[k] = self.params[k].copy()
            g = wide[k][0] + self.decay * scale * g_norm / (p_norm + self.eps) * wide[k][1]
            delta[k] = (self.x0[k] - self.params[k]) / (scale + self.eps)
            h += np.sum(g * delta[k])
        clipped = np.clip(h, -self.m, self.m)
        self.m = np.maximum(self.betas * self.m, abs(h) + self.eps)
        self.v = self.betas**2 * self.v + h**2
        self.r = self.betas * self.r + clipped * self.s
        wealth = self.s_init / len(self.s) * self.m + np.maximum(0, self.r)
        self.s = wealth / (np.sqrt(self.v) + self.eps)
        for k in some:
            p = self.params[k]
            u = self.inside(p, grads[k], self.states[k], self.t[k]) - p
            new = self.x0[k] - self.s.sum() * (delta[k] - u)
            self.params[k] = new.astype(p.dtype)
