"""The two modes of the schedule-free optimizers, and what may happen in them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from references import cases_of, make

import fastopt

CLASSES = [fastopt.ScheduleFreeAdamW, fastopt.ScheduleFreeSGD, fastopt.ScheduleFreeRAdam]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
every_mode = pytest.mark.parametrize("mode", ["train", "eval"])


def gradient(p, t):
    return np.random.default_rng(t).normal(size=p.shape).astype(p.dtype)


def stepped(cls, steps=5, **hyperparameters):
    p = np.linspace(-1, 1, 9)
    opt = make(cls, [p], **hyperparameters)
    for t in range(steps):
        opt.step([gradient(p, t)])
    return opt, p


def bits(opt):
    groups = [{k: v for k, v in group.items() if k != "params"} for group in opt.param_groups]
    arrays = [p.tobytes() for group in opt.param_groups for p in group["params"]]
    slots = [(k, n, np.asarray(v).tobytes()) for k, s in opt.state.items() for n, v in s.items()]
    return groups, arrays, slots


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shares", [1, pytest.param(2, marks=pytest.mark.full)])
@every_class
def test_eval_gives_the_average_of_the_paper(cls, shares, dtype):
    case = cases_of(cls)[0]
    p = np.linspace(-1, 1, 9000).astype(dtype)
    y, state = p.copy(), {}
    opt = make(cls, p)
    opt._runner.force_shares(shares)
    for t in range(30):
        opt.step(gradient(p, t))
        y = case.reference(y, gradient(p, t), state, t + 1, **case.hyperparameters)
    tolerance = {"rtol": 0, "atol": 60 * np.finfo(dtype).eps}
    opt.eval()
    np.testing.assert_allclose(p, state["_x"], **tolerance)
    opt.train()
    np.testing.assert_allclose(p, y, **tolerance)


@every_class
def test_modes_are_told_apart(cls):
    opt, p = stepped(cls)
    at_y = p.copy()
    opt.train()  # it is
    assert p.tobytes() == at_y.tobytes()
    opt.eval()
    at_x = p.copy()
    assert not np.any(at_x == at_y)
    opt.eval()
    assert p.tobytes() == at_x.tobytes()
    before = bits(opt)
    for grads in ([np.ones(9)], [None], "nonsense"):
        with pytest.raises(RuntimeError, match=r"eval mode; call train\(\)"):
            opt.step(grads)
    assert bits(opt) == before
    opt.train()
    np.testing.assert_allclose(p, at_y, rtol=0, atol=1e-15)
    opt.step([np.ones(9)])
    assert opt.state[0]["step"] == 6


@every_class
def test_before_the_first_step_all_sequences_are_the_parameter(cls):
    """Whatever it was when the optimizer was made."""
    p, q = np.zeros(9), np.linspace(-1, 1, 9)
    opt, plain = make(cls, p), make(cls, q)
    p[:] = q
    for switch in (opt.eval, opt.train):
        switch()
        np.testing.assert_array_equal(p, q)
    for t in range(3):
        opt.step(gradient(p, t))
        plain.step(gradient(p, t))
    assert bits(opt) == bits(plain)


@every_class
def test_a_parameter_that_has_had_no_gradient_stays(cls):
    p, q = np.ones(3), np.ones(4)
    opt = make(cls, [p, q])
    opt.step([np.ones(3), None])
    opt.step([np.ones(3), None])
    q += 1
    opt.eval()
    np.testing.assert_array_equal(q, np.full(4, 2.0))
    assert not np.any(p == 1)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@every_mode
@every_class
def test_copies_keep_the_mode(cls, mode, twin):
    opt, _ = stepped(cls)
    getattr(opt, mode)()
    other = twin(opt)
    assert bits(other) == bits(opt)
    for o in (opt, other):
        o.train()
        o.step([np.arange(9.0)])
        o.eval()
    assert bits(other) == bits(opt)


@every_mode
@pytest.mark.parametrize("mode_before", ["train", "eval"])
@every_class
def test_a_load_takes_over_the_mode_and_leaves_the_parameters(cls, mode, mode_before):
    opt, p = stepped(cls)
    getattr(opt, mode)()
    saved, q = opt.state_dict(), p.copy()
    assert saved["param_groups"][0]["train_mode"] is (mode == "train")
    other = make(cls, [q], lr=0.5)
    getattr(other, mode_before)()
    other.load_state_dict(saved)
    assert bits(other) == bits(opt)
    for o in (opt, other):
        o.train()
        o.step([np.arange(9.0)])
        o.eval()
    assert bits(other) == bits(opt)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["param_groups"][0].update(train_mode=1),
        lambda d: d["param_groups"][0].update(k=3.5),
        lambda d: d["state"][0].update(weight_sum="many"),
        lambda d: d["state"][0].pop("z"),
        lambda d: d.pop("state"),
        lambda d: d["param_groups"][0].pop("params"),
        lambda d: d.update(param_groups=3),
    ],
)
@every_class
def test_a_load_that_does_not_fit_changes_nothing(cls, spoil):
    opt, _ = stepped(cls)
    saved = opt.state_dict()
    saved["param_groups"][0].update(lr=0.25, train_mode=False)
    spoil(saved)
    before = bits(opt)
    with pytest.raises(ValueError, match="load_state_dict"):
        opt.load_state_dict(saved)
    assert bits(opt) == before


@every_mode
@every_class
def test_an_assigned_interpolation_leaves_the_average(cls, mode):
    new = {"momentum": 0.5} if cls is fastopt.ScheduleFreeSGD else {"betas": (0.5, 0.97)}
    opt, p = stepped(cls)
    z = opt.state[0]["z"].copy()
    opt.eval()
    x = p.copy()
    getattr(opt, mode)()
    opt.param_groups[0].update(new)
    opt.train()
    np.testing.assert_allclose(p, (x + z) / 2, rtol=0, atol=1e-15)
    opt.eval()
    np.testing.assert_allclose(p, x, rtol=0, atol=1e-15)


@every_class
def test_other_assignments_and_refused_ones_move_nothing(cls):
    opt, p = stepped(cls)
    before = p.copy()
    opt.param_groups[0].update(lr=0.25, weight_decay=0.5, r=0.75)
    with pytest.raises(ValueError, match="lr is -1"):
        opt.param_groups[0].update({**opt.param_groups[0].hyperparameters(), "lr": -1.0})
    with pytest.raises(ValueError, match=r"train_mode is False; call train\(\) or eval\(\)"):
        opt.param_groups[0]["train_mode"] = False
    opt.param_groups[0]["train_mode"] = True
    assert p.tobytes() == before.tobytes()


@every_class
def test_a_group_added_in_eval_mode(cls):
    opt, p = stepped(cls)
    opt.eval()
    q = np.ones(2)
    opt.add_param_group({"params": q, "lr": 0.5})
    with pytest.raises(RuntimeError, match="eval mode"):
        opt.step([[np.ones(9)], np.ones(2)])
    at_x = p.copy()
    opt.eval()
    assert p.tobytes() == at_x.tobytes()
    opt.train()
    np.testing.assert_array_equal(q, [1.0, 1.0])
    opt.step([[np.ones(9)], np.ones(2)])
    assert [opt.state[k]["step"] for k in opt.state] == [6, 1]
    opt.eval()
    assert [group["train_mode"] for group in opt.param_groups] == [False, False]


def test_a_kernel_of_jit_step_goes_on_between_switches():
    p, q = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    opt, plain = fastopt.ScheduleFreeSGD(p, lr=0.1), fastopt.ScheduleFreeSGD(q, lr=0.1)
    kernel, state = opt.jit_step()
    for t in range(4):
        kernel(p, gradient(p, t), state)
        plain.step(gradient(p, t))
        for o in (opt, plain):
            o.eval()
            o.train()
    assert bits(opt) == bits(plain)


def test_no_learning_rate_yet():
    """A rate of 0 weighs nothing: no division by the sum of weights."""
    p = np.ones(3)
    opt = fastopt.ScheduleFreeSGD(p, lr=0.0)
    opt.step(np.ones(3))
    np.testing.assert_array_equal(p, np.ones(3))
    opt.param_groups[0]["lr"] = 0.5
    opt.step(np.ones(3))
    assert np.all(p < 1)


@pytest.mark.parametrize(
    ("cls", "how", "said"),
    [
        (fastopt.ScheduleFreeSGD, {"momentum": 0.0}, r"momentum is 0\.0; .* in \(0, 1\)"),
        (fastopt.ScheduleFreeSGD, {"momentum": 1.0}, r"momentum is 1\.0"),
        (fastopt.ScheduleFreeAdamW, {"betas": (0.0, 0.9)}, r"betas is 0\.0; .* in \(0, 1\)"),
        (fastopt.ScheduleFreeAdamW, {"warmup_steps": -1}, "warmup_steps is -1"),
        (fastopt.ScheduleFreeAdamW, {"weight_lr_power": -0.5}, r"weight_lr_power is -0\.5"),
    ],
)
def test_own_domains(cls, how, said):
    with pytest.raises(ValueError, match=said):
        cls(np.ones(3), **how)
