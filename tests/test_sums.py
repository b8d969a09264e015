"""Optimizers that sum over tensors, their lines, or all tensors: declarations and kernels against references."""

from __future__ import annotations

import numpy as np
import pytest
import references_step_sizes
import references_sums
from kinds import each_case_and_dtype
from references import step
from side_by_side import EMPTY, SHAPES, Compiled, References, errors, gradients, starts
from whole_arrays import WholeArrays

import fastopt

CASES = references_sums.CASES + references_step_sizes.CASES
ALL_SHAPES = SHAPES + EMPTY
DTYPES = [np.float32, np.float64]
CLASSES = list(dict.fromkeys(c.cls for c in CASES))
runs = pytest.mark.parametrize("run", [WholeArrays, Compiled])


def sums_over_all(cls):
    return any(m.scope == "all" for m in cls.measures)


@runs
@each_case_and_dtype(CASES)
def test_formula(case, dtype, run):
    params = starts(dtype, ALL_SHAPES)
    expected = References(case, params, together=sums_over_all(case.cls))
    found = run(case.cls, params, **case.hyperparameters)
    worst = errors(expected, found, gradients(dtype, ALL_SHAPES))
    assert max(worst.values()) <= 1, {k: v for k, v in worst.items() if v > 1}
    for mine, theirs in zip(found.state, expected.state, strict=True):
        assert set(mine) == set(theirs)


@runs
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_tensor_without_a_gradient_stays(case, run):
    """And counts in no sum; numbers that all tensors share go on for it too."""
    params = starts(np.float32, ((9,), (5, 7)))
    both = run(case.cls, params, **case.hyperparameters)
    alone = run(case.cls, params[1:], **case.hyperparameters)
    before = {n: np.array(v) for n, v in both.state[0].items()}
    for _, g in gradients(np.float32, ((9,), (5, 7)), steps=20):
        both.step([None, g])
        alone.step([g])
    np.testing.assert_array_equal(both.params[0], params[0])
    np.testing.assert_array_equal(both.params[1], alone.params[0])
    shared = getattr(case.cls, "shared", ())
    for name, value in both.state[0].items():
        wanted = alone.state[0][name] if name in shared else before[name]
        np.testing.assert_array_equal(value, wanted)


@runs
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_zeros(cls, dtype, run):
    """Norms, means and denominators of 0: parameters and state stay finite, and what is at 0 can leave."""
    params = [
        np.zeros(7, dtype),
        np.zeros((5, 9), dtype),
        np.ones(7, dtype),
        np.ones((5, 9), dtype),
    ]
    opt, shrinks = run(cls, params, lr=0.125), any(c.shrinks for c in CASES if c.cls is cls)
    for t in range(4):
        opt.step([np.full_like(p, t // 2) for p in params])
        for p, state in zip(opt.params, opt.state, strict=True):
            assert np.isfinite(p).all()
            assert all(np.isfinite(value).all() for value in state.values())
        if t == 1 and not shrinks:
            assert all((p == q).all() for p, q in zip(opt.params, params, strict=True))
    assert all((p < q).all() for p, q in zip(opt.params, params, strict=True))


@runs
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ratio_without_a_norm_is_one(dtype, run):
    zero, g = np.zeros(3, dtype), np.array([3, 0, 4], dtype)
    lars = run(fastopt.LARS, [zero], lr=0.5, trust_coefficient=0.25)
    lars.step([g])
    np.testing.assert_array_equal(lars.params[0], -0.5 * g)
    lamb = run(fastopt.LAMB, [zero], lr=0.5, eps=0.0)
    lamb.step([g + 1])
    np.testing.assert_allclose(lamb.params[0], -0.5, rtol=4 * np.finfo(dtype).eps)


@runs
def test_few_agreeing_elements_are_not_scaled_beyond_a_thousand(run):
    """The mean of the mask is at least 1e-3."""
    n = 4000
    opt = run(fastopt.CautiousAdamW, [np.zeros(n)], lr=1.0, betas=(0.5, 0.5), eps=0.0)
    opt.step([np.full(n, 8.0)])
    before = opt.params[0].copy()
    g = np.full(n, -1.0)
    g[0] = 8.0
    opt.step([g])
    np.testing.assert_array_equal(opt.params[0][1:], before[1:])
    np.testing.assert_allclose(opt.params[0][0] - before[0], -1000.0, rtol=1e-12)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_complex_numbers_are_pairs_of_real_ones_to_a_sum(cls):
    z = np.random.default_rng(0).normal(size=(12, 2)).view(complex)[:, 0]
    pairs = z.copy().view(float)
    if "complex" not in cls.supports:
        with pytest.raises(TypeError, match="complex128"):
            cls(z)
        return
    one, other = cls(z, lr=0.1), cls(pairs, lr=0.1)
    (grads,) = zip(*gradients(np.float64, (pairs.shape,), steps=9), strict=True)
    for g in grads:
        step(one, g.view(complex))
        step(other, g)
    np.testing.assert_array_equal(z.view(float), pairs)


def test_values_that_mean_nothing_are_refused():
    w = np.ones(3)
    with pytest.raises(ValueError, match=r"estim_lr0 is 0\.0; expected"):
        fastopt.Prodigy(w, estim_lr0=0.0)
    with pytest.raises(ValueError, match=r"d is 0\.5; expected a finite number >= 1"):
        fastopt.Adafactor(w, d=0.5)
    with pytest.raises(ValueError, match=r"beta2_decay is 0\.1; expected a number in \[-inf, 0\]"):
        fastopt.Adafactor(w, beta2_decay=0.1)
    with pytest.raises(ValueError, match=r"eps is -1\.0; expected None or a finite number >= 0"):
        fastopt.Adafactor(w, eps=(-1.0, 1e-3))
