"""What a test of a formula consists of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    cls: type
    reference: object
    hyperparameters: dict = field(default_factory=dict)
    torch: bool = False  # torch.optim has it, with these hyperparameters
    additions: int = 1  # how often torch adds to the parameter in a step, and so rounds it
    shrinks: bool = False  # parameters shrink in every step, also without a decay or a gradient

    def __str__(self):
        return (
            f"{self.cls.__name__}({', '.join(f'{k}={v}' for k, v in self.hyperparameters.items())})"
        )


def case(cls, reference, *, torch=False, additions=1, shrinks=False, **hyperparameters):
    return Case(cls, reference, hyperparameters, torch, additions, shrinks)


def inputs_of(cls, steps_taken):
    """What the next step takes beside gradients: numbers that come down to between 0 and 4."""
    return dict.fromkeys(cls.inputs, 2 + 2 * math.sin(steps_taken) + 9 / (1 + steps_taken))


def signed(g, maximize):
    return -g if maximize else g


def curvature(g):
    """What the tests take for an estimate of a curvature, beside a gradient."""
    return g * abs(g)


class Sum(float):
    """A sum with that of its operands' absolute values, which its rounding errors are relative to."""

    def __new__(cls, value, operands):
        self = super().__new__(cls, value)
        self.operands = float(operands)
        return self


def size_of(value):
    """What the errors of a number, or of the numbers of an array, are relative to."""
    return value.operands if isinstance(value, Sum) else np.abs(value).max(initial=0)
