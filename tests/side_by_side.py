"""Two ways to take the same steps, side by side: every parameter and slot must agree, element by element.

A way has ``step(grads)``, and then ``params``, a list of arrays, and ``state``, a list of what is kept by name.
"""

from __future__ import annotations

import numpy as np
from case import inputs_of, size_of

SHAPES = ((), (7,), (33,), (5, 9), (40, 130), (3, 4, 5))
EMPTY = ((0,), (0, 5), (5, 0), (2, 0, 3))
STEPS = 250


def starts(dtype, shapes=SHAPES):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def gradients(dtype, shapes=SHAPES, steps=STEPS):
    """Around a slope per element, so that parameters travel and no average stays at zero."""
    rng = np.random.default_rng(1)
    slopes = [rng.normal(size=shape) for shape in shapes]
    for _ in range(steps):
        yield [np.asarray(s + rng.normal(size=s.shape), dtype) for s in slopes]


def bowl(way, steps=STEPS):
    """The gradients of a sum of squares, where this way has come to."""
    for _ in range(steps):
        yield [p * p.dtype.type(2) for p in way.params]


class References:
    """A case's reference, for each array or, where sums go over all of them, for their elements in a row."""

    def __init__(self, case, params, together):
        self._case, self._together, self._t = case, together, 0
        self._shapes = [p.shape for p in params]
        self._own = [np.concatenate([p.ravel() for p in params])] if together else list(params)
        self._states = [{} for _ in self._own]

    def step(self, grads):
        if self._together:
            grads = [np.concatenate([g.ravel() for g in grads])]
        self._t += 1
        values = {**self._case.hyperparameters, **inputs_of(self._case.cls, self._t - 1)}
        self._own = [
            self._case.reference(p, g, s, self._t, **values)
            for p, g, s in zip(self._own, grads, self._states, strict=True)
        ]

    @property
    def params(self):
        return self._split(self._own[0]) if self._together else self._own

    @property
    def state(self):
        states = [{n: v for n, v in s.items() if n[0] != "_"} for s in self._states]
        if not self._together:
            return states
        (common,) = states
        parts = {n: self._split(v) for n, v in common.items() if np.ndim(v)}
        numbers = {n: v for n, v in common.items() if not np.ndim(v)}
        count = len(self._shapes)
        return [{**numbers, **{n: own[k] for n, own in parts.items()}} for k in range(count)]

    def _split(self, row):
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in self._shapes])[:-1]
        return [a.reshape(s) for a, s in zip(np.split(row, ends), self._shapes, strict=True)]


class Compiled:
    """fastopt's own steps."""

    def __init__(self, cls, params, **hyperparameters):
        self.params = [p.copy() for p in params]
        self._opt = cls(self.params, **hyperparameters)

    def step(self, grads):
        self._opt.step(grads, **inputs_of(type(self._opt), self._opt.steps_taken))

    @property
    def state(self):
        return [{n: v for n, v in s.items() if n != "step"} for s in self._opt.state.values()]


def errors(expected, found, grads, slack=1):
    """The largest error over its tolerance, by tensor and name; tolerances follow the path.

    With `slack`, what is kept may be so many times further off.
    """
    paths = [_Path(p) for p in expected.params]
    for g in grads:
        expected.step(g)
        found.step(g)
        for path, p, s in zip(paths, expected.params, expected.state, strict=True):
            path.go_on(p, s)
    worst = {}
    for k, path in enumerate(paths):
        tolerance = path.tolerance(slack)
        kept = {**expected.state[k], "p": expected.params[k]}
        given = {**found.state[k], "p": found.params[k]}
        for name, value in kept.items():
            assert np.shape(given[name]) == np.shape(value), (k, name)
            error = np.abs(given[name] - value).max(initial=0)
            worst[k, name] = error / tolerance[name] if tolerance[name] else error
    return worst


class _Path:
    """How large a parameter, its steps and its slots have been."""

    def __init__(self, p):
        self._p, self._largest, self._step = p.copy(), np.abs(p).max(initial=0), 0.0
        self._slots, self._steps = {}, 0

    def go_on(self, p, state):
        self._largest = max(self._largest, np.abs(p).max(initial=0))
        self._step = max(self._step, np.abs(p - self._p).max(initial=0))
        self._p = np.array(p)
        self._steps += 1
        for name, value in state.items():
            self._slots[name] = max(self._slots.get(name, 0), size_of(value))

    def tolerance(self, slack):
        """That of test_formulas.py: errors of the steps add up as a random walk does."""
        if self._p.dtype == np.float64:
            own, unit = self._largest + self._steps * self._step, 1e-12
        else:
            own, unit = self._largest + self._steps**0.5 * self._step, 8 * np.finfo(np.float32).eps
        return {"p": unit * own, **{n: slack * unit * size for n, size in self._slots.items()}}
