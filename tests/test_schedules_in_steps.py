"""Hyperparameters that follow schedules: when they are evaluated, by what count, and how they are saved."""

from __future__ import annotations

import copy
import pickle

import numba
import numpy as np
import pytest
from references import adamw
from representatives import arrays, begun, bits, make, step

import fastopt
from fastopt import schedules

FALLING = schedules.linear_schedule(0.2, 0.05, transition_steps=6)


def halved(count):
    return 0.2 * 0.5**count


@pytest.mark.parametrize("lr", [FALLING, halved], ids=["schedule", "callable"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "NAG", "LAMB", "Prodigy"])
def test_step_t_has_the_value_after_t_unskipped_steps(name, lr):
    """As assigning the number before each step does; skipped steps and proposals do not count."""
    opt, assigned = make(name, arrays(), lr=lr), make(name, arrays(), lr=0.5)
    for t in range(6):
        if t in (2, 4):
            nan = [g * np.nan for g in arrays()]
            assert step(opt, [np.asarray(g) for g in nan], skip_nonfinite=True).skipped
            assert step(assigned, [np.asarray(g) for g in nan], skip_nonfinite=True).skipped
        assigned.param_groups[0]["lr"] = lr(t)
        assert opt.steps_taken == t
        for o in (opt, assigned):
            step(o, arrays(seed=t))
        assert bits(opt) == bits(assigned)


def test_every_number_may_be_one():
    """AdamW's formula with the numbers of each step."""
    follow = {
        "lr": FALLING, "eps": lambda t: 0.05 * (t + 1), "weight_decay": schedules.linear_schedule(0.0, 0.4, 5),
        "betas": (schedules.linear_schedule(0.5, 0.9, 4), 0.97),
    }  # fmt: skip
    decay = schedules.piecewise_constant_schedule(0.5, {3: 1.5})
    p = np.linspace(-1, 1, 9)
    opt = fastopt.AdamW(
        p, ema_decay=decay, bounds=(None, schedules.linear_schedule(2.0, 0.6, 7)), **follow
    )
    m = v = np.zeros(9)
    q, e = p.copy(), p.copy()
    for t in range(8):
        g = np.cos(np.arange(9) + t)
        lr, eps, wd = follow["lr"](t), follow["eps"](t), follow["weight_decay"](t)
        b1, b2 = follow["betas"][0](t), 0.97
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        q = q * (1 - lr * wd) - lr * (m / (1 - b1 ** (t + 1))) / (
            np.sqrt(v / (1 - b2 ** (t + 1))) + eps
        )
        q = np.minimum(q, opt.param_groups[0]["bounds"][1](t))
        e = decay(t) * e + (1 - decay(t)) * q
        opt.step(g)
        np.testing.assert_allclose(p, q, rtol=1e-12)
        np.testing.assert_allclose(opt.ema_params, e, rtol=1e-12)


def test_constant_schedules_are_the_reference():
    p = np.linspace(-1, 1, 9)
    opt = fastopt.AdamW(p, lr=schedules.constant_schedule(0.1), eps=lambda t: 0.05)
    q, state = p.copy(), {}
    for t in range(1, 6):
        q = adamw(q, np.cos(np.arange(9) + t), state, t, lr=0.1, eps=0.05)
        opt.step(np.cos(np.arange(9) + t))
    np.testing.assert_allclose(p, q, rtol=1e-13)


def test_groups_follow_their_own():
    momentum = schedules.linear_schedule(0.5, 0.99, 3)
    a, b, c = np.zeros(2), np.zeros(2), np.zeros(2)
    opt = fastopt.SGD([{"params": a, "lr": FALLING}, {"params": b, "lr": halved}, {"params": c}],
                      lr=0.25, momentum=momentum)  # fmt: skip
    x, m = np.zeros(3), 0.0
    for t in range(5):
        m = 1.0 + (momentum(t) * m if t else 0.0)
        x -= m * np.array([FALLING(t), halved(t), 0.25])
        opt.step([np.ones(2)] * 3)
        np.testing.assert_allclose([a[0], b[1], c[0]], x, rtol=1e-14)
    opt.param_groups[0]["lr"] = 0.125  # a number from now on
    opt.param_groups[2]["lr"] = FALLING
    opt.param_groups[1]["momentum"] = 0.0
    assert "momentum_buffer" not in opt.state["1"]
    before = a[0], b[0], c[0]
    opt.step([np.ones(2)] * 3)
    m = 1.0 + momentum(5) * m
    after = [before[0] - 0.125 * m, before[1] - halved(5), before[2] - FALLING(5) * m]
    np.testing.assert_allclose([a[0], b[0], c[0]], after, rtol=1e-14)


@pytest.mark.parametrize(
    "wrong", [np.nan, -1.0, "0.1", None, np.inf, np.ones(2), 1j, True], ids=str
)
def test_what_a_callable_gives_is_checked_before_anything_is_changed(wrong):
    params = [np.ones(2), np.ones(3, np.float32)]
    opt = fastopt.SGD([{"params": params[0], "lr": halved}, {"params": params[1]}], ema_decay=0.5,
                      lr=lambda t: 0.1 if t < 2 else wrong)  # fmt: skip
    grads = [np.ones(2), np.ones(3, np.float32)]
    for _ in range(2):
        opt.step(grads)
    before = bits(opt)
    for call in (opt.step, lambda g: opt.step(g, clip_norm=1.0, zero_grads=True), opt.propose):
        with pytest.raises(
            (TypeError, ValueError), match=r"SGD: lr\(2\) is .*expected a finite number >= 0"
        ):
            call(grads)
    assert bits(opt) == before
    assert all(g.all() for g in grads)


def test_schedules_that_leave_the_domain_are_refused():
    p = np.ones(2)
    for wrong in (
        {"lr": schedules.linear_schedule(0.1, -0.1, 5)},
        {"betas": (schedules.linear_schedule(0.5, 1.0, 5), 0.9)},
        {"ema_decay": schedules.linear_schedule(0.5, 1.5, 5)},
        {"lr": lambda t: -1.0},
    ):
        with pytest.raises(ValueError, match=f"AdamW: {next(iter(wrong))} is .*expected"):
            fastopt.AdamW(p, **wrong)
    with pytest.raises(TypeError, match=r"lr is .*callable that gives one"):
        fastopt.AdamW(p, lr=lambda: 0.1)
    with pytest.raises(TypeError, match=r"maximize is .*expected True or False"):
        fastopt.AdamW(p, maximize=lambda t: True)
    opt = fastopt.AdamW(p, lr=0.5)
    with pytest.raises(ValueError, match="lr is"):
        opt.param_groups[0]["lr"] = schedules.linear_schedule(0.1, -0.1, 5)
    assert opt.param_groups[0]["lr"] == 0.5


# ---- states and copies ------------------------------------------------------------------------------


def following(plateau=None):
    p = arrays(shapes=((4,), (3,)))
    return fastopt.AdamW([{"params": p[0], "lr": plateau or 0.1},
                          {"params": p[1], "betas": (FALLING, 0.9), "weight_decay": halved}], lr=halved)  # fmt: skip


def take(opt, steps, seed=0):
    for t in range(steps):
        opt.step(arrays(seed=seed + t, shapes=((4,), (3,))))


@pytest.mark.parametrize("through", ["state dict", "pickle", "deepcopy"])
def test_a_run_goes_on(through):
    plateau = schedules.ReduceLROnPlateau(0.5, factor=0.5, patience=0)
    opt = following(plateau)
    take(opt, 3)
    plateau.update(1.0)
    plateau.update(2.0)
    if through == "state dict":
        own = schedules.ReduceLROnPlateau(0.5)
        other = following(own)
        for mine, theirs in zip(
            other._workspace.parameters, opt._workspace.parameters, strict=True
        ):
            mine[...] = theirs
        other.load_state_dict(opt.state_dict())
        assert other.param_groups[0]["lr"] is own, "others update it"
        assert own == plateau
    elif through == "pickle":
        other = pickle.loads(pickle.dumps(opt))
    else:
        other, own = copy.deepcopy((opt, plateau))
        assert other.param_groups[0]["lr"] is own
    assert other.steps_taken == 3
    for o in (opt, other):
        o._workspace.follow()  # the header rows show the numbers of the last step
    assert bits(other) == bits(opt)
    for o in (opt, other):
        o.param_groups[0]["lr"].update(3.0)
        assert o.param_groups[0]["lr"].lr == 0.125
        take(o, 3, seed=7)
    assert bits(other) == bits(opt)


def test_copies_keep_callables_of_groups_and_assigned_ones():
    opt = fastopt.SGD([{"params": np.ones(2), "lr": halved}, {"params": np.ones(2)}], lr=0.5)
    opt.param_groups[1]["weight_decay"] = halved
    other = pickle.loads(pickle.dumps(opt))
    for o in (opt, other, copy.deepcopy(opt)):
        assert o.param_groups[0]["lr"] is halved
        assert o.param_groups[1]["weight_decay"] is halved


def test_states_that_do_not_fit_change_nothing():
    opt = following()
    take(opt, 2)
    good, before = opt.state_dict(), bits(opt)
    line = FALLING.state_dict()
    for wrong in (5, {"lr": 5}, {"betas[7]": None}, {"betas[x]": line}, {"nope": line}, {"nope[0]": line},
                  {"lr": {"type": "Schedule"}}, {5: None}, {"lr[0]": line}, {"betas": line}, {"maximize": None},
                  {"lr": schedules.linear_schedule(1.0, -1.0, 3).state_dict()}, {"params": line}):  # fmt: skip
        d = copy.deepcopy(good)
        d["param_groups"][0]["schedules"] = wrong
        with pytest.raises(ValueError, match=r"expected|no number|found"):
            opt.load_state_dict(d)
        assert bits(opt) == before
    d = copy.deepcopy(good)
    d["param_groups"][1]["schedules"]["lr"] = None
    plain = fastopt.AdamW([{"params": np.ones(4)}, {"params": np.ones(3)}])
    with pytest.raises(ValueError, match=r"followed a Python callable, which is not saved"):
        plain.load_state_dict(d)
    late = fastopt.SGD(
        [{"params": np.ones(1)}, {"params": np.ones(1), "lr": lambda t: 0.5 - 0.1 * t}], lr=0.25
    )
    d, before = late.state_dict(), bits(late)
    for group in d["param_groups"]:
        group["steps_taken"] = 9
    with pytest.raises(
        ValueError, match=r"lr\(9\) is -0\.4"
    ):  # found before the first group is changed
        late.load_state_dict(
            {**d, "param_groups": [{**d["param_groups"][0], "lr": 0.125}, d["param_groups"][1]]}
        )
    assert bits(late) == before
    assert late.param_groups[0]["lr"] == 0.25


def test_torchs_state_loads_into_an_optimizer_with_a_schedule_and_an_average(torch64):
    tensor = torch64.ones(3, requires_grad=True)
    peer = torch64.optim.Adam([tensor], lr=0.1)
    for _ in range(4):
        tensor.grad = torch64.ones(3)
        peer.step()
    p = tensor.detach().numpy().copy()
    opt = fastopt.Adam(p, lr=FALLING, ema_decay=0.5)
    opt.load_state_dict(peer.state_dict())
    assert opt.steps_taken == 4
    assert opt.ema_params.tobytes() == p.tobytes(), "torch has none: it begins here"
    assert opt.param_groups[0]["lr"] == 0.1, "what is loaded counts"


# ---- compiled steps ----------------------------------------------------------------------------------


def test_jit_step_follows_schedules_and_refuses_callables():
    plateau = schedules.ReduceLROnPlateau(0.5, factor=0.5, patience=0)
    values = {
        "lr": plateau,
        "momentum": schedules.linear_schedule(0.5, 0.9, 3),
        "ema_decay": 0.5,
        "bounds": (-3, 1),
    }
    p, q = np.ones(5), np.ones(5)
    opt, plain = fastopt.SGD(p, **values), fastopt.SGD(q, **values)
    kernel, state = opt.jit_step()

    @numba.njit
    def twice(p, g, state):
        kernel(p, g, state)
        kernel(p, g, state)

    for t in range(3):
        g = np.cos(np.arange(5.0) + t)
        twice(p, g, state)
        plain.step(g)
        plain.step(g)
        plateau.update(1.0)
        assert bits(opt) == bits(plain)
    opt.load_state_dict(plain.state_dict())  # the same schedules
    with pytest.raises(RuntimeError, match=r"jit_step\(\) has handed out a kernel that follows"):
        opt.load_state_dict(
            fastopt.SGD(np.ones(5), **{**values, "lr": FALLING}).state_dict() | {"state": {}}
        )
    with pytest.raises(ValueError, match="jit_step: lr, betas is a Python callable"):
        fastopt.AdamW(np.ones(2), lr=halved, betas=(0.5, lambda t: 0.9)).jit_step()


def test_a_callable_that_meddles_is_told():
    opt, _ = begun("SGD")
    seen = []

    def lr(count):
        seen.append(count)
        if count >= 3:
            opt.step(arrays())
        return 0.1

    opt.param_groups[0]["lr"] = lr
    step(opt, arrays())
    before = bits(opt)
    with pytest.raises(RuntimeError, match="another thread is using this optimizer"):
        step(opt, arrays())
    assert bits(opt) == before
    assert seen[-2:] == [2, 3]
