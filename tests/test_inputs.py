"""Numbers that a step takes beside gradients: given with every option, refused by name."""

from __future__ import annotations

import copy
from fractions import Fraction

import numpy as np
import pytest
from representatives import arrays, bits
from test_options import transformed

import fastopt


def begun():
    """A MoMo that has taken steps, and its parameters."""
    params = arrays()
    opt = fastopt.MoMo(params, lr=0.1, weight_decay=0.2)
    for t in range(2):
        opt.step(arrays(seed=10 + t), value=3.0 - t)
    return opt, params


OPTIONS = [
    {"scale": 0.3},
    {"clip_norm": 2.0},
    {"scale": 0.3, "clip_norm": 1e9, "skip_nonfinite": True},
    {"clip_value": 0.2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_with_options_is_an_ordinary_one_with_other_gradients(options):
    (opt, _), (plain, _) = begun(), begun()
    for t in range(3):
        info = opt.step(arrays(seed=t), value=1.0 - t, **options)
        assert not info.skipped
        plain.step(transformed(arrays(seed=t), info, **options), value=1.0 - t)
    assert bits(opt) == bits(plain)


def test_clipping_each_tensor_by_itself():
    (opt, params), (plain, expected) = begun(), begun()
    opt.step(arrays(), value=1.0, clip_norm_each=1.5)
    grads = [g * min(1, 1.5 / np.linalg.norm(g)) if g.size else g for g in arrays()]
    plain.step([np.asarray(g, np.float32) for g in grads], value=1.0)
    for p, q in zip(params, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=1e-5)


def test_zeroed_accumulated_and_monitored():
    (opt, params), (plain, _) = begun(), begun()
    grads = arrays()
    opt.step(grads, value=1.0, zero_grads=True)
    assert not any(g.any() for g in grads)
    for _ in range(2):
        opt.accumulate(arrays(seed=3))
    opt.monitor = True
    before = [p.copy() for p in params]
    info = opt.step(scale=0.5, value=2.0)
    plain.step(arrays(), value=1.0)
    plain.step(arrays(seed=3), value=2.0)
    assert bits(opt) == bits(plain)
    changes = sum(((p - q).astype(float) ** 2).sum() for p, q in zip(params, before, strict=True))
    assert info.update_norm == pytest.approx(np.sqrt(changes), rel=1e-4)


def test_propose_gives_the_same_and_changes_nothing():
    opt, params = begun()
    before = bits(opt)
    made = opt.propose(arrays(), value=1.0, clip_norm=2.0)
    assert bits(opt) == before
    opt.step(arrays(), value=1.0, clip_norm=2.0)
    assert all(a.tobytes() == p.tobytes() for a, p in zip(made, params, strict=True))


def test_a_skipped_step_leaves_averages_alone():
    (opt, params), (plain, _) = begun(), begun()
    wrong = arrays()
    wrong[0][0, 0] = np.inf
    for grads, value in ((wrong, 1.0), (arrays(), np.nan), (wrong, np.float32(-np.inf))):
        assert opt.step(grads, value=value, skip_nonfinite=True).skipped
    assert opt.skipped_steps == 3
    opt._workspace.counters[1] = 0
    assert bits(opt) == bits(plain)
    assert not opt.step(arrays(), value=1.0, skip_nonfinite=True).skipped
    assert all(np.isfinite(p).all() for p in params)


WRONG = [
    (TypeError, "MoMo needs value", {}),
    (TypeError, "value is None; expected a finite number", {"value": None}),
    (TypeError, "value is '1'; expected", {"value": "1"}),
    (TypeError, "value is True; expected", {"value": True}),
    (TypeError, "value is 1j; expected", {"value": 1j}),
    (TypeError, r"value is array\(\[1.\]\); expected", {"value": np.ones(1)}),
    (ValueError, "value is nan; expected a finite number", {"value": float("nan")}),
    (ValueError, "value is .*inf.*; expected a finite number", {"value": np.float32(np.inf)}),
    (ValueError, "value is 1000.*; expected a finite number", {"value": 10**400}),
    (TypeError, r"values is 1\.0; MoMo takes no values", {"value": 1.0, "values": 1.0}),
]


@pytest.mark.parametrize(("error", "said", "given"), WRONG, ids=lambda a: str(a)[:40])
def test_wrong_inputs_change_nothing(error, said, given):
    opt, _ = begun()
    before = bits(opt)
    for call in (opt.step, opt.propose):
        with pytest.raises(error, match=said):
            call(arrays(), **given)
    opt.accumulate(arrays())
    with pytest.raises(error, match=said):
        opt.step(**given)
    assert bits(opt) == before
    with pytest.raises(ValueError, match=r"clip_norm is -1\.0"):
        opt.step(arrays(), value=1.0, clip_norm=-1.0)
    with pytest.raises(ValueError, match="gradient of 0"):
        opt.step([np.ones(2, np.float32), *arrays()[1:]], value=1.0)
    assert bits(opt) == before
    opt.step(value=Fraction(1, 2))  # what was accumulated is still there


def test_others_take_none():
    opt = fastopt.SGD(p := np.ones(3), lr=0.1)
    for call in (opt.step, opt.propose):
        with pytest.raises(TypeError, match="value"):
            call(np.ones(3), value=1.0)
    assert p.tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="skip_nonfinite"):
        opt.propose(np.ones(3), skip_nonfinite=True)


def test_no_kernel_is_handed_out():
    with pytest.raises(TypeError, match="PolyakSGD does not support jit_step"):
        fastopt.PolyakSGD(np.ones(3)).jit_step()


class Tempered(fastopt.Optimizer):
    """Two inputs, one of which a running field follows."""

    inputs = ("temperature", "value")
    running = {"hottest": -1e9}

    def __init__(self, params, lr=1.0, *, maximize=False):
        super().__init__(params, lr=lr, maximize=maximize)

    @staticmethod
    def advance(h, t):
        return (max(h["hottest"], h["temperature"]),)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"] * h["temperature"] * h["value"],)

    @staticmethod
    def update(c, p, g, s):
        return p - c[0] * g, s


class Colder(Tempered):
    """Its own step, which gives one of them."""

    def step(self, grads, value):
        return super().step(grads, temperature=0.5, value=value)


def test_an_optimizer_of_ones_own():
    p, q = np.zeros(2), np.zeros(2)
    opt = Tempered([{"params": p}, {"params": q, "maximize": True}])
    opt.step([np.ones(2)] * 2, value=2, temperature=np.float32(3))
    assert (p.tolist(), q.tolist()) == ([-6, -6], [6, 6])
    assert [opt.state[k]["hottest"] for k in (0, 1)] == [3, -3]
    assert {"value", "temperature"}.isdisjoint({*opt.state_dict()["state"][0], *opt.state[0]})
    twin = copy.deepcopy(opt)
    with pytest.raises(TypeError, match="Tempered needs temperature; expected step"):
        twin.step([np.ones(2)] * 2, value=2)
    cold = Colder(r := np.zeros(2))
    cold.step(np.ones(2), 4.0)
    assert r.tolist() == [-2, -2]
