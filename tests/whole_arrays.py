"""An optimizer's declarations carried out by NumPy over whole arrays: what compiled code must do too.

It shows whether a formula with sums is wrong, or the driver that runs it. Shares with fastopt only the
rules themselves and how hyperparameters are named in header rows.
"""

from __future__ import annotations

import inspect

import numpy as np
from case import inputs_of

from fastopt.hyperparameters import as_numbers, fields


class WholeArrays:
    """Steps like an optimizer of a list of arrays: `step(grads)`, then `params` and `state`."""

    def __init__(self, cls, params, **hyperparameters):
        self.steps_taken = 0
        self.cls, self.params = cls, [p.copy() for p in params]
        self.headers = [self._header(p, hyperparameters) for p in params]
        self.slots = [self._slots(p, h) for p, h in zip(params, self.headers, strict=True)]

    @property
    def state(self):
        return [
            {**{n: h[n] for n in self.cls.running}, **slots}
            for h, slots in zip(self.headers, self.slots, strict=True)
        ]

    def _header(self, p, given):
        matrix = p.ndim >= 2
        h = {
            "step": 0,
            "size": p.size,
            "rows": p.shape[-2] if matrix else 0,
            "columns": p.shape[-1] if matrix else 0,
            "machine_eps": np.finfo(p.dtype).eps,
            **self.cls.running,
            **dict.fromkeys(self.cls.inputs, 0.0),
            **{result: 0.0 for m in self.cls.measures for result in m.results},
        }
        arguments = list(inspect.signature(self.cls.__init__).parameters.values())[2:]
        for argument in arguments:
            value = given.get(argument.name, argument.default)
            names = [name for name, _ in fields(argument.name, value)]
            h |= dict(
                zip(names, as_numbers(value, self.cls.choices.get(argument.name, ())), strict=True)
            )
        return h

    def _slots(self, p, h):
        shapes = {"element": p.shape}
        if p.ndim >= 2:
            shapes["row"] = (*p.shape[:-1], 1)
            shapes["column"] = (*p.shape[:-2], 1, p.shape[-1])
        else:
            shapes["vector"] = p.shape
        slots = {}
        for name, slot in self.cls.slots.items():
            if slot.shape in shapes and (slot.when is None or h[slot.when]):
                start = 0 if slot.initial is None else slot.initial(h, p)
                slots[name] = np.full(shapes[slot.shape], start, p.dtype)
        return slots

    def _seen(self, k):
        zero = self.params[k].dtype.type(0)
        return tuple(self.slots[k].get(name, zero) for name in self.cls.slots)

    def _coefficients(self, k):
        h, number = self.headers[k], self.params[k].dtype.type
        return tuple(number(c) for c in self.cls.coefficients(h, h["step"] + 1))

    def step(self, grads):
        for h in self.headers:
            sign = -1 if h["maximize"] else 1
            h |= {n: sign * x for n, x in inputs_of(self.cls, self.steps_taken).items()}
        self.steps_taken += 1
        active = [k for k, g in enumerate(grads) if g is not None]
        g = {k: -grads[k] if self.headers[k]["maximize"] else grads[k] for k in active}
        seen = {k: self._seen(k) for k in active}
        for measure in self.cls.measures:
            found = {}
            for k in active:
                p, c = self.params[k], self._coefficients(k)
                numbers = measure.function(c, p, g[k], seen[k])
                found[k] = [np.broadcast_to(x, p.shape).astype(np.float64) for x in numbers]
                if measure.scope == "lines" and p.ndim >= 2:
                    seen[k] = self._renew_lines(k, c, measure, found[k])
            if measure.scope != "lines":
                self._total(measure, found)
        for k, h in enumerate(self.headers):
            if self.cls.running:
                new = dict(zip(self.cls.running, self.cls.advance(h, h["step"] + 1), strict=True))
                shared = getattr(self.cls, "shared", ())
                h |= {n: float(x) for n, x in new.items() if k in active or n in shared}
        for k in active:
            p, s = self.cls.update(self._coefficients(k), self.params[k], g[k], seen[k])
            assert p.dtype == self.params[k].dtype
            self.params[k] = p
            for (name, slot), value in zip(self.cls.slots.items(), s, strict=True):
                if name in self.slots[k] and slot.shape not in ("row", "column"):
                    self.slots[k][name] = value
            self.headers[k]["step"] += 1
        for h in self.headers:
            h |= {result: 0.0 for m in self.cls.measures for result in m.results}

    def _total(self, measure, found):
        """Totals into the headers: per tensor, or one over all tensors for everyone."""
        reduce = {"sum": np.sum, "max": np.max}[measure.reduce]
        totals = {k: [float(reduce(x, initial=0)) for x in xs] for k, xs in found.items()}
        if measure.scope == "all":
            common = [float(reduce(xs)) for xs in zip(*totals.values(), strict=True)]
            totals = dict.fromkeys(range(len(self.headers)), common)
        for k, numbers in totals.items():
            self.headers[k] |= dict(zip(measure.results, numbers, strict=True))

    def _renew_lines(self, k, c, measure, numbers):
        """New row and column slots; what is seen of all slots from here on."""
        reduce = {"sum": np.sum, "max": np.max}[measure.reduce]
        slots, seen = self.slots[k], []
        for (name, slot), value in zip(self.cls.slots.items(), self._seen(k), strict=True):
            if slot.shape in ("row", "column"):
                along, across = (-1, -2) if slot.shape == "row" else (-2, -1)
                dtype, before = value.dtype, value.astype(np.float64)
                measured = tuple(reduce(x, axis=along, keepdims=True, initial=0) for x in numbers)
                count = max(self.params[k].shape[along], 1)
                after = slot.combine(c, before, measured, count)
                slots[name] = after.astype(dtype)
                total = after.sum(axis=across, keepdims=True)
                mean = total / max(after.shape[across], 1)
                value = after if slot.seen is None else slot.seen(c, before, after, mean)
                value = value.astype(dtype)
            seen.append(value)
        return tuple(seen)
