"""How far every optimizer comes down: a bowl, and Rosenbrock's valley if it can, by a factor declared here."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from references import EVERY_CLASS

# Of each: the rate, and the factor by which 500 steps lower the bowl; the same for 2,000 in the valley, or None where
# that takes longer. With every other hyperparameter at its default; what has no rate does without.
DECLARED = {
    "ACProp": ((0.01, 1e-6), (0.01, 1e-2)),
    "AdaBelief": ((0.1, 1e-6), (0.1, 1e-6)),
    "AdaBound": ((0.3, 1e-6), None),
    "Adadelta": ((1, 1e-6), (0.1, 1e-1)),
    "Adafactor": ((1, 1e-6), (0.03, 1e-2)),
    "Adagrad": ((0.1, 1e-6), (0.1, 1e-1)),
    "Adam": ((0.1, 1e-6), (0.1, 1e-6)),
    "Adamax": ((0.1, 1e-6), (0.1, 1e-3)),
    "AdamW": ((1, 1e-6), (0.1, 1e-3)),
    "Adan": ((1, 1e-6), (0.01, 1e-6)),
    "AddSign": ((0.1, 1e-6), (0.001, 1e-3)),
    "AdEMAMix": ((0.3, 1e-6), (0.1, 1e-3)),
    "ADOPT": ((0.1, 1e-6), (0.1, 1e-1)),
    "AggMo": ((1, 1e-6), (0.001, 1e-6)),
    "ASGD": ((0.3, 1e-6), (0.001, 1e-2)),
    "CautiousAdamW": ((0.01, 1e-6), (0.1, 1e-6)),
    "COCOB": ((0.003, 1e-6), (0.001, 1e-1)),
    "DAdaptAdamW": ((0.3, 1e-6), None),
    "DoG": ((1, 1e-6), None),
    "DoWG": ((0.3, 1e-6), None),
    "Fromage": ((0.3, 1e-6), (0.01, 1e-1)),
    "FTRL": ((0.1, 1e-6), (0.1, 1e-1)),
    "Grams": ((0.1, 1e-6), (0.03, 1e-6)),
    "LAMB": ((0.3, 1e-6), (0.03, 1e-1)),
    "LaProp": ((0.1, 1e-6), (0.1, 1e-6)),
    "LARS": ((1, 1e-4), None),
    "Lion": ((0.003, 1e-3), (0.003, 1e-3)),
    "MADGRAD": ((0.03, 1e-6), (0.01, 1e-6)),
    "MARSAdamW": ((0.01, 1e-6), (0.003, 1e-6)),
    "Momentum": ((0.1, 1e-6), (0.003, 1e-6)),
    "MoMo": ((1, 1e-6), (0.03, 1e-6)),
    "MoMoAdam": ((0.3, 1e-6), (0.1, 1e-6)),
    "Muon": ((0.01, 1e-3), (0.003, 1e-3)),
    "NAdam": ((0.01, 1e-6), (0.03, 1e-3)),
    "NAG": ((0.3, 1e-6), (0.001, 1e-6)),
    "NoisySGD": ((0.03, 1e-3), (0.001, 1e-2)),
    "NormalizedGD": ((0.001, 1e-4), (0.003, 1e-1)),
    "NovoGrad": ((0.001, 1e-6), (0.0003, 1e-5)),
    "OptimisticAdam": ((0.01, 1e-6), (0.03, 1e-4)),
    "OptimisticGD": ((0.3, 1e-6), (0.001, 1e-2)),
    "PolyakSGD": ((1, 1e-6), (0.1, 1e-6)),
    "PowerSign": ((0.1, 1e-6), (0.001, 1e-3)),
    "Prodigy": ((0.3, 1e-6), (0.1, 1e-2)),
    "QHAdam": ((0.1, 1e-6), (0.1, 1e-6)),
    "QHM": ((1, 1e-5), (0.003, 1e-3)),
    "RAdam": ((0.1, 1e-6), None),
    "RMSprop": ((1, 1e-6), (0.003, 1e-2)),
    "RowwiseAdagrad": ((0.1, 1e-6), (0.1, 1e-1)),
    "Rprop": ((0.01, 1e-6), (0.03, 1e-4)),
    "ScheduleFreeAdamW": ((0.03, 1e-6), (0.1, 1e-3)),
    "ScheduleFreeRAdam": ((0.3, 1e-6), (0.1, 1e-2)),
    "ScheduleFreeSGD": ((1, 1e-6), (0.003, 1e-3)),
    "SGD": ((0.3, 1e-6), (0.001, 1e-2)),
    "SignSGD": ((0.001, 1e-4), (0.003, 1e-1)),
    "Signum": ((0.001, 1e-4), (0.003, 1e-2)),
    "SimplifiedAdEMAMix": ((0.001, 0.5), (0.001, 1e-3)),
    "SM3": ((0.3, 1e-6), None),
    "Sophia": ((0.003, 1e-2), (0.003, 1e-3)),
    "SparseAdam": ((0.1, 1e-6), (0.1, 1e-6)),
    "SuperSAB": ((0.001, 1e-6), (0.0003, 1e-6)),
    "Yogi": ((0.03, 1e-6), (0.1, 1e-6)),
}
# What holds of a class that declares nothing.
UNDECLARED = (0.1, 1e-1), None

CURVATURES = np.linspace(0.5, 2, 33).astype(np.float32)


def bowl(p):
    return float((CURVATURES * p.ravel() ** 2).sum()), CURVATURES.reshape(p.shape) * p


def rosenbrock(p):
    x, y = p.ravel().astype(float)
    slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)], np.float32)
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, slope.reshape(p.shape)


def lowered(cls, objective, start, steps, lr):
    """What is left of the objective's value."""
    p = start.reshape(1, -1) if cls.dimensions == 2 else start
    begun, _ = objective(p)
    opt = cls(p, **({"lr": lr} if "lr" in inspect.signature(cls).parameters else {}))
    for _ in range(steps):
        if "lookahead" in dir(opt):
            opt.lookahead()
        value, gradient = objective(p)
        opt.step(gradient, **dict.fromkeys(cls.inputs, value))
    if "eval" in dir(opt):
        opt.eval()
    return objective(p)[0] / begun


@pytest.mark.parametrize("cls", EVERY_CLASS, ids=lambda c: c.__name__)
def test_declared_descents(cls):
    (lr, factor), valley = DECLARED.get(cls.__name__, UNDECLARED)
    start = np.linspace(-0.5, 0.5, 33).astype(np.float32)
    assert lowered(cls, bowl, start, 500, lr) < factor
    if valley is not None:
        lr, factor = valley
        start = np.array([-1.2, 1.0], np.float32)
        assert lowered(cls, rosenbrock, start, 2000, lr) < factor


def test_nothing_is_declared_of_others():
    assert set(DECLARED) <= {cls.__name__ for cls in EVERY_CLASS}
