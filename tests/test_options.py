"""What `step` does to gradients, averages and bounds: against NumPy, torch and optax."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import ordinary
from representatives import (
    AS_SGD,
    HARMLESS,
    REPRESENTATIVES,
    arrays,
    begun,
    bits,
    each_dtype,
    each_optimizer,
    make,
    step,
)  # fmt: skip

import fastopt
from fastopt.scalar import where

CLIPPING = [
    {"scale": 0.3},
    {"scale": -0.3, "clip_value": 0.2},
    {"clip_value": 0.0},
    {"clip_norm": 2.0},
    {"clip_norm": 0.0},
    {"scale": 0.3, "clip_norm_each": 1.5, "clip_value": 0.4},
    {"scale": 0.3, "clip_norm": 1e9, "skip_nonfinite": True},
]


def eps(dtype):
    return float(np.finfo(dtype).eps)


def norms_of(grads, scale=1.0):
    """Each tensor's L2 norm, in float64, whatever the range."""
    found = []
    for g in grads:
        parts = np.abs(np.asarray(g).astype(np.complex128 if g.dtype.kind == "c" else float))
        unit = parts.max(initial=0) or 1.0
        found.append(abs(scale) * unit * np.sqrt(((parts / unit) ** 2).sum()))
    return np.array(found)


def transformed(grads, info, scale=1.0, clip_norm=None, clip_norm_each=None, clip_value=None, **_):
    """The gradients that the rule should see, in their own dtype, with the norm that `step` told."""
    seen = []
    for g, own in zip(grads, norms_of(grads, scale), strict=True):
        norm, limit = (
            (info.grad_norm, clip_norm) if clip_norm_each is None else (own, clip_norm_each)
        )
        factor = scale if limit is None or norm <= limit else scale * (limit / norm)
        x = g.dtype.type(factor) * g
        seen.append(
            x if clip_value is None else np.clip(x, *g.dtype.type([-clip_value, clip_value]))
        )
    return seen


@each_dtype
@pytest.mark.parametrize("options", CLIPPING, ids=str)
@pytest.mark.parametrize("name", [ordinary(n, when=n not in AS_SGD) for n in REPRESENTATIVES])
def test_a_step_with_options_is_an_ordinary_one_with_other_gradients(name, options, dtype):
    opt, params = begun(name, dtype)
    plain, expected = begun(name, dtype)
    for t in range(3):
        grads = arrays(dtype, seed=t)
        given = [g.copy() for g in grads]
        info = step(opt, given, **options)
        assert all(g.tobytes() == h.tobytes() for g, h in zip(grads, given, strict=True))
        assert not info.skipped
        if {"clip_norm", "clip_norm_each", "skip_nonfinite"} & set(options):
            norm = np.sqrt((norms_of(grads, options.get("scale", 1.0)) ** 2).sum())
            assert info.grad_norm == pytest.approx(norm, rel=10 * eps(dtype))
        else:
            assert info.grad_norm is None
        step(plain, transformed(grads, info, **options))
    if "clip_norm_each" in options:  # the tensors' own norms are not told: to within their rounding
        for p, q in zip(params, expected, strict=True):
            np.testing.assert_allclose(p, q, rtol=0, atol=50 * eps(dtype))
        return
    assert bits(opt) == bits(plain)
    step(opt, grads)  # nothing of the options is left
    step(plain, grads)
    assert bits(opt) == bits(plain)


# ---- norms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        (np.float32, (1e30, 1e-15)), (np.float32, (3.4e38, 1.0)), (np.float32, (1e-30, 1e-33)),
        (np.float32, (1.2e-38, 0.0)), (np.float64, (1e200, 1e-200)), (np.float64, (1e-200, 1e-300)),
        (np.float64, (5e307, 1.0)), (np.float64, (3e-308, 0.0)), (np.float32, (0.0, 0.0)),
    ],
    ids=str,
)  # fmt: skip
def test_norms_at_the_ends_of_the_range(dtype, sizes, shares):
    """They are right, they are no reason to skip, and each tensor is held to the limit by itself."""
    grads = [np.full(5000, size, dtype) / dtype(50) for size in sizes]
    norms = norms_of(grads)
    total = np.hypot(*norms)
    for options in ({}, {"clip_norm": 0.5 * total}, {"clip_norm_each": 0.5 * norms[0]}):
        params = [np.zeros(5000, dtype) for _ in grads]
        opt = fastopt.SGD(params, lr=1.0)
        opt._runner.force_shares(shares)
        info = opt.step(grads, skip_nonfinite=True, **options)
        assert not info.skipped
        normal = np.finfo(dtype).tiny
        rel = 1e-4 if total < 100 * normal * 5000 else 4 * eps(dtype)  # denormals count as 0
        assert info.grad_norm == pytest.approx(total if grads[0][0] >= normal else 0.0, rel=rel)
        for p, g, norm in zip(params, grads, norms, strict=True):
            factor = 1.0
            if "clip_norm" in options and total > 0:
                factor = 0.5
            if "clip_norm_each" in options and norm > 0.5 * norms[0]:
                factor = 0.5 * norms[0] / norm
            if abs(g[0]) * factor > normal:
                np.testing.assert_allclose(p, -factor * g.astype(float), rtol=4 * eps(dtype))


def test_tensors_of_very_different_size_and_dtype_have_norms_of_their_own():
    big, small, tiny = (
        np.full(3, 1e17, np.float32),
        np.full(3, 1e-15, np.float32),
        np.full(3, 1e-200),
    )
    params = [np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3)]
    fastopt.SGD(params, lr=1.0).step([big, small, tiny], clip_norm_each=1e-18)
    for p, g in zip(params, (big, small, tiny), strict=True):
        norm = min(norms_of([g])[0], 1e-18)
        np.testing.assert_allclose(p, -norm / np.sqrt(3), rtol=1e-6)
    opt = fastopt.SGD(params := [np.zeros(3, np.float32), np.zeros(3)], lr=1.0)
    info = opt.step([np.zeros(3, np.float32), tiny], clip_norm=1.0)
    assert info.grad_norm == pytest.approx(np.sqrt(3) * 1e-200)
    assert params[0].tolist() == [0, 0, 0]
    assert params[1].tolist() == (-tiny).tolist()


def test_signed_zeros_and_denormals():
    g = np.array([-0.0, 0.0, 1e-40, -1e-40], np.float32)
    for options in ({"clip_value": 1.0}, {"clip_norm": 1.0}, {"scale": 2.0}):
        p = np.zeros(4, np.float32)
        info = fastopt.SGD(p, lr=1.0).step(g, skip_nonfinite=True, **options)
        assert info == (False, 0.0, None, None)
        assert not p.any()


class Seen(fastopt.Optimizer):
    """Puts the gradient into the parameter."""

    def __init__(self, params):
        super().__init__(params)

    @staticmethod
    def coefficients(h, t):
        return (1.0,)

    @staticmethod
    def update(c, p, g, s):
        return where(c[0], g, p), s


@each_dtype
def test_nan_stays_nan_unless_the_caller_skips(dtype):
    g = np.array([np.nan, np.inf, -np.inf, 1.0], dtype)
    p = np.zeros(4, dtype)
    opt = Seen(p)
    opt.step(g, clip_value=3.0)
    np.testing.assert_array_equal(p, [np.nan, 3, -3, 1])
    assert np.isnan(opt.step(g, clip_norm=1.0).grad_norm)
    assert np.isnan(p).all(), "as in torch, one NaN in a norm reaches everything"
    assert opt.step(np.array([np.inf, 1, 0, 0], dtype), clip_norm=1.0).grad_norm == np.inf
    np.testing.assert_array_equal(p, [np.nan, 0, 0, 0])


# ---- averages, bounds, what a step tells ------------------------------------------------------------


@each_dtype
@each_optimizer
def test_average_bounds_and_monitor(name, dtype):
    """Projected as numpy.clip, then averaged as torch does; the parameters of an optimizer without an average.

    Bounds that nothing comes near do nothing.
    """
    decay, low, high = 0.75, -0.5, 1.25
    params, start = arrays(dtype), arrays(dtype)
    opt = make(name, params, ema_decay=decay, bounds=(low, high))
    opt.monitor = True
    unbounded = make(name, bare := arrays(dtype), ema_decay=decay, bounds=(-1e9, 1e9))
    unbounded.monitor = True
    plain = make(name, expected := arrays(dtype))
    averages = [[p.copy() for p in arrays(dtype)] for _ in range(2)]
    for e, p in zip(opt.ema_params, start, strict=True):
        assert e.tobytes() == p.tobytes()
    weight = dtype(1 - decay)
    for t in range(4):
        grads = arrays(dtype, seed=t)
        if name == "NAG":
            opt.lookahead()
        before = [p.copy() for p in params]
        info = opt.step([g.copy() for g in grads], **HARMLESS)
        assert all(((p >= low) & (p <= high)).all() for p in params)
        changes = [p.astype(float) - b for p, b in zip(params, before, strict=True)]
        rel = 50 * eps(dtype)
        assert info.update_norm == pytest.approx(
            np.sqrt(sum((d**2).sum() for d in changes)), rel=rel
        )
        assert info.param_norm == pytest.approx(np.sqrt((norms_of(params) ** 2).sum()), rel=rel)
        step(plain, grads)
        step(unbounded, grads, **HARMLESS)
        for own, values in zip(averages, (params, expected), strict=True):
            own[:] = [np.asarray(e + weight * (p - e)) for e, p in zip(own, values, strict=True)]
    for found, own in zip((opt.ema_params, unbounded.ema_params), averages, strict=True):
        for e, a in zip(found, own, strict=True):
            assert e.tobytes() == a.tobytes()
    for p, q in zip(bare, expected, strict=True):
        assert p.tobytes() == q.tobytes()


def test_bounds_project_each_step():
    p, q = np.linspace(-3, 3, 9), np.linspace(-3, 3, 9)
    opt = fastopt.AdamW(p, lr=0.5, bounds=(None, 1.0))
    plain = fastopt.AdamW(q, lr=0.5)
    for _ in range(5):
        opt.step(g := np.sin(p))
        plain.step(g)
        np.minimum(q, 1.0, out=q)
    assert p.tobytes() == q.tobytes()
    opt.step(np.full(9, np.nan))
    assert np.isnan(p).all(), "a bound does not hide a NaN"
