"""The contract, for every optimizer of fastopt's and for ones that break it."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import ONE_OF_EACH_KIND, ONE_OF_EACH_LOOP, ordinary
from own_optimizers import Literal, Own
from references import CASES, EVERY_CLASS
from references_matrices import CASES as MATRIX_CASES

import fastopt
from fastopt import contract
from fastopt.contract import CHECKS, DTYPES, _required, same_bits_in_shares, steps_rows


def is_ordinary(cls, test, dtype):
    """In float32, where few classes have kernels for rows and threads; one of each loop in float64 too, without these."""
    if test is steps_rows:
        return dtype == np.float32 and cls in ONE_OF_EACH_KIND
    compiles_more = (test is same_bits_in_shares) + (dtype == np.float64)
    return compiles_more < 1 + (cls in ONE_OF_EACH_LOOP)


@pytest.mark.parametrize(
    ("cls", "test", "dtype"),
    [
        ordinary(cls, test, dtype, when=is_ordinary(cls, test, dtype))
        for cls in EVERY_CLASS
        for test in CHECKS
        for dtype in DTYPES
    ],
    ids=lambda v: v.__name__,
)
def test_contract(cls, test, dtype):
    test(cls, _required(cls), dtype)


@pytest.mark.full
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("test", CHECKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", [*CASES, *MATRIX_CASES], ids=str)
def test_contract_of_every_case(case, test, dtype):
    if case.hyperparameters.get("maximize") and test.__name__ == "decreases":
        case = type(case)(case.cls, case.reference, {**case.hyperparameters, "maximize": False})
    test(case.cls, dict(case.hyperparameters), dtype)


class Deaf(fastopt.Optimizer):
    """Accepts a hyperparameter and ignores it."""

    slots = {"exp_avg": fastopt.Slot()}

    def __init__(self, params, lr=0.1, beta=0.5):
        super().__init__(params, lr=lr, beta=beta)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"],)

    @staticmethod
    def update(c, p, g, s):
        (lr,) = c
        (m,) = s
        m = m + lr * (g - m)
        return p - m, (m,)


class LosesNaN(fastopt.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"], 1.0)

    @staticmethod
    def update(c, p, g, s):
        lr, one = c
        g = g if g > -one else -one
        return p - lr * g, ()


def test_own_optimizer_passes():
    fastopt.check(Own)


def test_running_fields_reach_the_formula():
    p = np.array([1.0, 2.0])
    opt = Own(p)
    m, u, product, q = np.zeros(2), np.full(2, 0.25), 1.0, p.copy()
    for t in range(1, 6):
        g = np.array([0.3, -2.0]) * t
        product *= 0.9
        m = m + (1 - 0.9) * (g - m)
        u = np.maximum(0.99 * u, np.abs(g))
        q = q - 0.01 / (1 - product) * m / (u + 1e-8)
        opt.step(g)
    np.testing.assert_allclose(p, q, rtol=1e-14)
    assert opt.state[0]["product"] == pytest.approx(0.9**5)
    assert opt.state_dict()["state"][0]["product"] == opt.state[0]["product"]


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Literal, "pass constants through `coefficients`"),
        (Deaf, "nothing depends on beta"),
        (LosesNaN, "not_a_number"),
    ],
)
def test_broken_optimizers_are_told(cls, said, monkeypatch):
    compiles_more = same_bits_in_shares, steps_rows
    monkeypatch.setattr(contract, "CHECKS", [c for c in CHECKS if c not in compiles_more])
    with pytest.raises(AssertionError, match=said):
        fastopt.check(cls)


def test_promoted_literal_is_refused_with_its_line():
    p = np.ones(3, np.float32)
    with pytest.raises(TypeError, match=r"float64 in line \d+ of .*own_optimizers.py"):
        Literal(p).step(np.ones(3, np.float32))
    assert np.all(p == 1)
    q = np.ones(3)
    Literal(q).step(np.ones(3))  # float64 needs no promotion
    np.testing.assert_allclose(q, 0.91)


def test_check_wants_an_optimizer():
    with pytest.raises(TypeError, match="no subclass"):
        fastopt.check(dict)
