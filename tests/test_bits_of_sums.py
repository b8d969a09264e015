"""The same bits for rules with sums, however a step is cut into pieces, and in Fortran order what they should be."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import each_loop_and_dtype
from references import CLASSES, cases_of, step
from stages import staged_step

import fastopt

SHAPES = [(7,), (300, 40), (), (3, 5, 130), (0, 4), (5000,), (40, 2100)]


def run(cls, dtype, *, shares=1, pieces=None):
    """Parameters and slots, as bytes, after five steps."""
    rng = np.random.default_rng(5)
    params = [np.asarray(rng.normal(size=s), dtype) for s in SHAPES]
    grads = [[np.asarray(rng.normal(size=s), dtype) for s in SHAPES] for _ in range(5)]
    opt = cls(params, **cases_of(cls)[0].hyperparameters)
    for g in grads:
        opt._runner.force_shares(shares)
        if pieces is None:
            step(opt, g)
        else:
            staged_step(opt, g, pieces=pieces)
    state = [np.asarray(v).tobytes() for k in opt.state for v in opt.state[k].values()]
    return [p.tobytes() for p in params] + state


@each_loop_and_dtype([cls for cls in CLASSES if cls.measures])
def test_same_bits(cls, dtype):
    expected = run(cls, dtype)
    assert run(cls, dtype, shares=2) == expected, "two threads"
    assert run(cls, dtype, shares=5) == expected, "five shares"
    assert run(cls, dtype, pieces=7) == expected, "seven uneven ranges of rows and strips"


@pytest.mark.parametrize("cls", [fastopt.Adafactor, fastopt.SM3])
def test_fortran_order(cls):
    """Rows stay rows: to within rounding what the same numbers in C order give."""
    rng = np.random.default_rng(0)
    p = rng.normal(size=(60, 150))
    q = np.asfortranarray(p)
    mine, theirs = cls(q, lr=0.01), cls(p, lr=0.01)
    for _ in range(5):
        g = rng.normal(size=p.shape)
        theirs.step(g)
        mine.step(np.asfortranarray(g))
    np.testing.assert_allclose(q, p, rtol=1e-12)
    for name, slot in theirs.state[0].items():
        np.testing.assert_allclose(mine.state[0][name], slot, rtol=1e-12, err_msg=name)
