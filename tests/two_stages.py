"""A rule with a stage in Python, for the drivers of the CPU and of devices."""

from __future__ import annotations

import fastopt


def total(c, p, g, s):
    return g, g * g


def two_stages(whole):
    """Two stages: the first in Python, the second a sum over what it left."""

    class Own(fastopt.Optimizer):
        slots = {"direction": fastopt.Slot()}
        measures = (
            fastopt.Measure(
                total, scope="tensor", results=("square",), into="direction", whole=whole
            ),
            fastopt.Measure(lambda c, p, g, s: (s[0],), scope="all", results=("sum",)),
        )
        supports = frozenset({"complex"})

        def __init__(self, params, lr=1.0):
            super().__init__(params, lr=lr)

        @staticmethod
        def coefficients(h, t):
            return (h["lr"] / h["sum"] if h["sum"] else 0.0,)

        @staticmethod
        def update(c, p, g, s):
            return p - c[0] * s[0], s

    return Own
