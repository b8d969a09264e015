"""What the optimizers of references_elements.py do besides following their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from references import make
from references_elements import supersab
from representatives import bits

import fastopt

# ---- Sophia's other gradients ---------------------------------------------------------------------


def network(dtype=np.float32):
    rng = np.random.default_rng(0)
    shapes = {"W": (40, 130), "b": (5000,), "s": ()}
    return {n: np.asarray(rng.normal(size=s), dtype) for n, s in shapes.items()}


def test_an_estimate_enters_the_average_and_nothing_else():
    w, h = network(), network()
    opt = make(fastopt.Sophia, w)
    before = bits(opt)
    for _ in range(2):
        opt.update_hessian(h)
    for name, array in h.items():
        average = opt.state[name]["hessian"]
        np.testing.assert_allclose(average, (1 - 0.97**2) * array, rtol=1e-5)
        average[...] = 0
    assert bits(opt) == before


def test_none_leaves_an_average_alone():
    w = network()
    opt = make(fastopt.Sophia, w)
    opt.update_hessian({**network(), "b": None})
    assert opt.state["W"]["hessian"].all()
    assert not opt.state["b"]["hessian"].any()


def test_any_strides_and_any_shares():
    expected = None
    for shares in (1, 2, 3):
        w, h = network(), network()
        opt = make(fastopt.Sophia, w)
        opt._runner.force_shares(shares)
        strided = {n: np.repeat(a[..., None], 2, -1)[..., 0] for n, a in h.items()}
        opt.update_hessian(strided if shares == 2 else h)
        found = bits(opt)
        expected = expected or found
        assert found == expected


def test_groups_have_their_own_decay_and_schedules_hold():
    p, q = np.zeros(3), np.zeros(3)
    falling = fastopt.schedules.linear_schedule(0.5, 0.0, 2)
    opt = fastopt.Sophia(
        [{"params": p, "betas": (0.9, 0.75)}, {"params": q, "betas": (0.9, falling)}], lr=0.1
    )
    for _ in range(2):
        opt.update_hessian([np.ones(3), np.ones(3)])
        opt.step([np.ones(3), np.ones(3)])
    assert opt.state[0]["hessian"][0] == 1 - 0.75**2
    assert opt.state[1]["hessian"][0] == 0.25 * 0.5 + 0.75


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda w: {"W": np.ones((40, 131), np.float32)}, ValueError, r"^h of W has shape \(40, 131\)"),
        (lambda w: {"W": np.ones((40, 130))}, TypeError, "^h of W has dtype float64"),
        (lambda w: {"s": 1.0}, TypeError, "^h of s is a float"),
        (lambda w: {"b": w["b"]}, ValueError, "^h of b overlaps the memory of a parameter"),
        (lambda w: {"c": None}, ValueError, "^h has"),
    ],
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(spoil, error, said):
    w = network()
    opt = make(fastopt.Sophia, w)
    opt.update_hessian(network())
    before = bits(opt)
    with pytest.raises(error, match=said):
        opt.update_hessian({**network(), **spoil(w)})
    assert bits(opt) == before


def test_structures_and_threads():
    opt = fastopt.Sophia([np.ones(2), np.ones(3)], lr=0.1)
    with pytest.raises(ValueError, match=r"^h is None"):
        opt.update_hessian(None)
    opt._busy.acquire()
    with pytest.raises(RuntimeError, match="update_hessian: another thread"):
        opt.update_hessian([None, None])


def test_maximize_turns_curvatures_too():
    p, q = np.ones(5), np.ones(5)
    down, up = make(fastopt.Sophia, p), make(fastopt.Sophia, q, maximize=True)
    for t in range(5):
        g, h = np.cos(np.arange(5.0) + t), np.sin(np.arange(5.0) + t)
        for opt, sign in ((down, 1), (up, -1)):
            opt.step(sign * g)
            opt.update_hessian(sign * h)
    np.testing.assert_array_equal(p, q)


# ---- step sizes, bets, accumulators ----------------------------------------------------------------


def test_supersab_without_a_bound():
    p, state = np.linspace(-1, 1, 9), {}
    q, opt = p.copy(), fastopt.SuperSAB(p, lr=0.01, momentum=0.0)
    for t in range(1, 41):
        g = np.linspace(0.5, 2, 9) * q + (t % 7 == 0) * np.cos(np.arange(9))
        opt.step(g)
        q = supersab(q, g, state, t, lr=0.01, momentum=0.0)
    np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-14)
    assert opt.state[0]["step_size"].max() > 0.04


def test_supersab_goes_back_and_forgets():
    p = np.array([1.0])
    opt = fastopt.SuperSAB(p, lr=0.25, momentum=0.5)
    places = []
    for g in (1.0, 1.0, -1.0, 1.0):
        opt.step(np.array([g]))
        places.append(p[0])
    assert places[2] == pytest.approx(places[0], rel=1e-15)
    assert places[3] == places[2] - 0.25 * 1.05 * 0.5  # without momentum, at the shrunk rate


def test_cocob_starts_where_the_first_step_finds_the_parameter():
    p, q = np.zeros(3), np.array([1.0, -2.0, 3.0])
    opt, plain = fastopt.COCOB(p), fastopt.COCOB(q)
    p[:] = q
    for _ in range(3):
        opt.step(2 * p)
        plain.step(2 * q)
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("lr_power", [-0.5, -0.6, 0.0])
def test_ftrl_with_and_without_gradients(lr_power):
    """An accumulator of 0 is divided by nothing; elements without a gradient stay, until they have one."""
    p = np.array([0.0, 0.5, 0.0])
    opt = fastopt.FTRL(p, lr=0.1, lr_power=lr_power, initial_accumulator_value=0.0)
    opt.step(np.array([2.0, 0.0, 0.0]))
    rate = 0.1 / 4.0**-lr_power
    np.testing.assert_allclose(p, [-2 * rate, 0.0 if lr_power == 0 else 0.5, 0.0], rtol=1e-14)


def test_ftrl_makes_zeros():
    rng = np.random.default_rng(0)
    x, true = rng.normal(size=(200, 50)), np.zeros(50)
    true[:3] = 1.0
    w = np.zeros(50)
    opt = fastopt.FTRL(w, lr=0.5, l1=30.0)
    for _ in range(200):
        opt.step(x.T @ (x @ (w - true)) / 20)
    assert np.count_nonzero(w) < 10
    assert (w[:3] > 0.5).all()
