"""Slots of normal numbers: what is drawn, that it is normal, and that nothing but key and place decides it."""

from __future__ import annotations

import copy
from statistics import NormalDist

import drawn
import numpy as np
import pytest
from stages import entry

import fastopt
from fastopt.drivers import noise

MANY, FEW = 1 << 20, 1 << 18


class Drawing(fastopt.Optimizer):
    """Lets the parameters be the noise; counts the elements beyond a limit."""

    slots = {"noise": fastopt.Slot(shape="normal", when="on")}
    supports = fastopt.Optimizer.supports - {"complex"}

    def __init__(self, params, lr=0.0, on=True, seed=0.0):
        super().__init__(params, lr=lr, on=on, seed=seed)

    @staticmethod
    def square(c, p, g, s):
        return (s[0] * s[0],)

    measures = (fastopt.Measure(square, scope="tensor", results=("noise_sq",)),)
    running = {"seen": 0.0}

    @staticmethod
    def advance(h, t):
        return (h["noise_sq"],)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"],)

    @staticmethod
    def update(c, p, g, s):
        return s[0] + c[0] * p, s


def sample(n=MANY, steps=1, dtype=np.float32, **how):
    """The numbers of the last of so many steps."""
    p = np.zeros(n, dtype)
    opt = Drawing(p, **how)
    for _ in range(steps):
        opt.step(p.copy())
    return p


def assert_normal(x):
    """Moments, and shares of the tails, within 4.5 standard deviations."""
    x = x.astype(np.float64)
    n = x.size
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((x**power).mean() - mean) < 4.5 * (variance / n) ** 0.5, power
    for limit in (0.01, 0.1, 0.5, 1, 2, 3, 3.5, 4):
        share = 2 * NormalDist().cdf(-limit)
        found = (np.abs(x) > limit).mean()
        assert abs(found - share) < 4.5 * (share * (1 - share) / n) ** 0.5, limit
    below = np.sort(x)
    expected = np.array([NormalDist().cdf(v) for v in below[:: n // 1000]])
    assert (
        np.abs(expected - np.arange(0, n, n // 1000) / n).max() < 2 / n**0.5
    )  # Kolmogorov-Smirnov


def assert_independent(x, y):
    """Neither they nor their sizes correlate."""
    for f in (lambda v: v, np.abs, np.sign):
        a, b = (f(v.astype(np.float64)) for v in (x, y))
        correlation = ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())
        assert abs(correlation) < 4.5 / a.size**0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits(dtype):
    """Those of the same operations in NumPy, in every tensor, step and tile."""
    arrays = [np.zeros(n, dtype) for n in (1, 130, 0, 9001)]
    opt = Drawing(arrays, seed=3.5)
    for t in (1, 2):
        opt.step([a.copy() for a in arrays])
        for k, a in enumerate(arrays):
            np.testing.assert_array_equal(a, drawn.normal(3.5, t, k, a.size).astype(dtype))


@pytest.mark.parametrize("start", [0, 4096, 2**32 - 128, 2**32, 5 * 2**32 + 256])
def test_places_of_more_than_32_bits(start):
    key = drawn.key(1.0, 9, 2)
    c = np.array([0, *entry(noise.key)(1.0, 9, 2)], np.float32)
    words = entry(noise.block_key)(*c[1:5], start)
    mine = [entry(noise.normal)(*map(np.uint32, words), i) for i in range(128)]
    np.testing.assert_array_equal(mine, drawn.normal(1.0, 9, 2, 128, start))
    assert [int(v) for v in c[1:]] == [key >> shift & 0xFFFF for shift in (48, 32, 16, 0)]


def test_quantiles():
    """Of all probabilities, 3e-6 of themselves."""
    rng = np.random.default_rng(0)
    ends = np.concatenate([np.arange(100), 2**31 - 1 - np.arange(100)])
    places = np.concatenate([ends, 2.0 ** rng.uniform(0, 31, 10_000)]).astype(np.int32)
    numbers = drawn.quantiles(places)
    tails = (places.astype(np.float64) + 0.5) / 2**31
    exact = [-NormalDist().inv_cdf(tail / 2) for tail in tails]
    np.testing.assert_allclose(numbers, exact, rtol=3e-6)
    assert 6.3 < numbers.max() < 6.4


@pytest.mark.parametrize("how", [{}, {"seed": 1}, {"seed": 0.5, "steps": 7}], ids=str)
def test_it_is_normal(how):
    assert_normal(sample(**how))


def test_all_together_are_normal():
    """Of small tensors, the first few numbers of many keys."""
    arrays = [np.zeros(4, np.float32) for _ in range(512)]
    opt, all_of_them = Drawing(arrays), []
    for _ in range(256):
        opt.step([a.copy() for a in arrays])
        all_of_them.append(np.array(arrays))
    all_of_them = np.array(all_of_them)  # steps, tensors, places
    assert_normal(all_of_them.ravel())
    for axis in range(3):
        first, second = (
            np.take(all_of_them, range(k, k + 3 if axis == 2 else k + 255), axis) for k in (0, 1)
        )
        assert_independent(first.ravel(), second.ravel())


def test_neighbours_are_independent():
    x = sample(FEW)
    for lag in (1, 2, 3, 8, 16, 100, 128, 4096):
        assert_independent(x[lag:], x[:-lag])
    assert np.unique(x).size > 0.99 * x.size  # of single precision


def test_steps_tensors_and_seeds_are_independent():
    streams = [
        sample(FEW),
        sample(FEW, steps=2),
        sample(FEW, seed=1),
        sample(FEW, seed=-1),
        sample(FEW, seed=1e-300),
    ]
    p = [np.zeros(FEW, np.float32) for _ in range(3)]
    Drawing(p).step([a.copy() for a in p])
    np.testing.assert_array_equal(p[0], streams[0])
    streams += p[1:]
    for i, x in enumerate(streams):
        for y in streams[:i]:
            assert_independent(x, y)


def test_only_seed_step_and_place_decide():
    x = sample(steps=2)
    np.testing.assert_array_equal(sample(n=777, steps=2), x[:777])
    np.testing.assert_array_equal(sample(steps=2, dtype=np.float64), x.astype(np.float64))
    p = np.zeros(MANY, np.float32)
    opt = Drawing([p])
    opt.step([p.copy()])
    q = p.copy()
    others = [Drawing([q]), copy.deepcopy(opt)]
    others[0].load_state_dict(opt.state_dict())
    for o in (opt, *others):
        o.step([p.copy()])
        np.testing.assert_array_equal(o.param_groups[0]["params"][0], x)
    r = np.zeros((1024, 1024), np.float32, order="F")
    opt = Drawing({"r": r})
    opt.step({"r": None})
    assert not r.any()
    opt.step({"r": r.copy()})
    np.testing.assert_array_equal(r.ravel("F"), sample())


def test_measures_and_proposals_see_what_the_update_sees():
    p = np.zeros(5000)
    opt = Drawing(p)
    proposed = opt.propose(p.copy())
    assert not p.any()
    opt.step(p.copy())
    np.testing.assert_array_equal(proposed, p)
    assert opt.state[0]["seen"] == pytest.approx(p @ p, rel=1e-12)


def test_a_kernel_of_jit_step_draws_the_same():
    p = np.zeros(5000)
    opt = Drawing(p)
    kernel, state = opt.jit_step()
    for _ in range(2):
        kernel(p, np.zeros(5000), state)
    np.testing.assert_array_equal(p, sample(5000, steps=2, dtype=np.float64))
    opt.param_groups[0]["seed"] = 1
    kernel(p, np.zeros(5000), state)
    np.testing.assert_array_equal(p, sample(5000, steps=3, dtype=np.float64, seed=1))
    with pytest.raises(RuntimeError, match=r"for the slots \['noise'\]"):
        opt.param_groups[0]["on"] = False


def test_it_takes_no_memory_and_can_be_switched_off():
    p = np.zeros(100)
    opt = Drawing(p)
    opt.step(p.copy())
    assert set(opt.state[0]) == {"step", "seen"} == set(opt.state_dict()["state"][0])
    assert opt._workspace.tables[0].variant.bytes_per_element() == 24
    opt.param_groups[0]["on"] = False
    opt.step(p.copy())
    assert not p.any()
    opt.param_groups[0]["on"] = True
    opt.step(p.copy())
    np.testing.assert_array_equal(p, sample(100, steps=3, dtype=np.float64))


def test_a_seed_is_needed():
    class Seedless(fastopt.Optimizer):
        slots = {"noise": fastopt.Slot(shape="normal")}

        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)

    with pytest.raises(
        TypeError, match=r"Seedless: a slot has the shape 'normal'; expected .* seed"
    ):
        Seedless(np.zeros(2))
    with pytest.raises(ValueError, match=r"initial is .* with shape 'normal'; expected None"):
        fastopt.Slot(shape="normal", initial=lambda h, p: 0)
