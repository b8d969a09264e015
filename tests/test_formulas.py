"""Every optimizer against its formula over whole arrays, and against torch."""

from __future__ import annotations

import numpy as np
import pytest
from case import inputs_of, size_of
from kinds import each_case_and_dtype
from references import CASES, step

STEPS = 1000
LENGTHS = (0, 1, 7, 8, 9, 15, 16, 17, 31, 33)
BIG = 4097  # one above a tile


def gradients(n, dtype, steps=STEPS, seed=1):
    """Around a slope per element, so that parameters travel and no average stays at zero."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(size=n)
    for _ in range(steps):
        yield (slope + rng.normal(size=n)).astype(dtype)


def run_reference(case, p, grads):
    """In the same dtype, whole arrays; also the largest |p|, step and slot on the way."""
    state = {}
    largest, largest_step, slot_sizes = np.abs(p), 0.0, {}
    for t, g in enumerate(grads, 1):
        before = p
        assert g.dtype == p.dtype
        p = case.reference(p, g, state, t, **case.hyperparameters, **inputs_of(case.cls, t - 1))
        largest = np.maximum(largest, np.abs(p))
        largest_step = max(largest_step, np.abs(p - before).max(initial=0))
        for name, s in state.items():
            slot_sizes[name] = max(slot_sizes.get(name, 0), size_of(s))
    slots = {name: s for name, s in state.items() if not name.startswith("_")}
    return p, slots, largest.max(initial=0), largest_step, slot_sizes


def differences(case, p, grads, opt):
    """Error over tolerance, for the parameters and every slot."""
    grads = list(grads)
    expected, state, largest, largest_step, slot_sizes = run_reference(case, p, grads)
    for g in grads:
        step(opt, g)
    if p.dtype == np.float64:
        travelled = largest + len(grads) * largest_step
        tolerance = {"p": 1e-12 * travelled, **{n: 1e-12 * size for n, size in slot_sizes.items()}}
    else:
        eps, root = np.finfo(np.float32).eps, np.sqrt(len(grads))
        tolerance = {"p": 8 * eps * (largest + root * largest_step)}
        tolerance |= {n: 8 * eps * size for n, size in slot_sizes.items()}
    slots = {n: v for n, v in opt.state[0].items() if n != "step"}
    assert set(slots) == set(state)
    assert opt.state[0]["step"] == len(grads)
    found = {"p": np.abs(opt.param_groups[0]["params"][0] - expected).max(initial=0)}
    found |= {n: np.abs(v - state[n]).max(initial=0) for n, v in slots.items()}
    return {n: error / tolerance[n] if tolerance[n] else error for n, error in found.items()}


def start(n, dtype):
    return np.random.default_rng(0).normal(size=n).astype(dtype)


@each_case_and_dtype()
def test_formula(case, dtype):
    p = start(33, dtype)
    opt = case.cls(p, **case.hyperparameters)
    worst = differences(case, p.copy(), gradients(33, dtype), opt)
    assert max(worst.values()) <= 1, worst


@each_case_and_dtype()
def test_lengths(case, dtype):
    for n in (*LENGTHS, BIG - 2, BIG - 1, BIG):
        p = start(n, dtype)
        opt = case.cls(p, **case.hyperparameters)
        worst = differences(case, p.copy(), gradients(n, dtype, steps=3), opt)
        assert max(worst.values()) <= 1, (n, worst)


@each_case_and_dtype([c for c in CASES if c.torch])
def test_torch(case, dtype, torch64):
    torch = torch64
    p = start(33, dtype)
    theirs = torch.tensor(p, requires_grad=True)
    opt = case.cls(p, **case.hyperparameters)
    peer = getattr(torch.optim, case.cls.__name__)([theirs], **case.hyperparameters)
    largest, largest_step = np.abs(p).max(), 0.0
    for g in gradients(33, dtype):
        before = theirs.detach().numpy().copy()
        theirs.grad = torch.tensor(g)
        peer.step()
        opt.step(g)
        now = theirs.detach().numpy()
        largest = max(largest, np.abs(now).max())
        largest_step = max(largest_step, np.abs(now - before).max())
    eps = np.finfo(np.float32).eps
    if dtype == np.float64:
        tolerance = 1e-12 * (largest + STEPS * largest_step)
    else:  # roundings of the parameter are a random walk
        tolerance = 8 * eps * np.sqrt(case.additions) * (largest + np.sqrt(STEPS) * largest_step)
    assert np.abs(p - theirs.detach().numpy()).max() <= tolerance
    state = peer.state[theirs]
    for name, slot in opt.state[0].items():
        if name != "step":
            wanted = state[name].numpy()
            relative = 1e-11 if dtype == np.float64 else 32 * eps
            assert np.abs(slot - wanted).max() <= relative * np.abs(wanted).max(), name


def test_classic_texts():
    """E = 3 w1^2 + 10 w2^2 from (-15, 20), as printed there to two places."""
    import fastopt

    def walk(make):
        w = np.array([-15.0, 20.0])
        opt = make(w)
        points = []
        for _ in range(2):
            step(opt, np.array([6.0, 20.0]) * w)
            points.append(tuple(w.round(2)))
        return points

    assert walk(lambda w: fastopt.SGD(w, lr=0.001)) == [(-14.91, 19.60), (-14.82, 19.21)]
    assert walk(lambda w: fastopt.Momentum(w, lr=0.001, momentum=0.9)) == [
        (-14.91, 19.60),
        (-14.74, 18.85),
    ]
    adaptive = walk(lambda w: fastopt.RMSprop(w, lr=0.05, alpha=0.9, eps=0.0, eps_root=1e-8))
    assert adaptive == [(-14.84, 19.84), (-14.73, 19.73)]


def test_nag_is_the_look_ahead():
    """On a quadratic, against v = mu v - lr grad(p + mu v); p += v."""
    import fastopt

    a = np.array([6.0, 20.0])
    w, p, v = np.array([-15.0, 20.0]), np.array([-15.0, 20.0]), np.zeros(2)
    opt = fastopt.NAG(w, lr=0.01, momentum=0.95)
    for _ in range(200):
        v = 0.95 * v - 0.01 * a * (p + 0.95 * v)
        p = p + v
        opt.lookahead()
        opt.step(a * w)
        np.testing.assert_allclose(w, p, rtol=0, atol=1e-12 * 20)


def test_an_overflowing_average_of_squares_leaves_steps_that_are_not_rectified_alone(torch64):
    import fastopt

    p = np.ones(3, np.float32)
    theirs = torch64.tensor(p, requires_grad=True)
    opt, peer = fastopt.RAdam(p, lr=1e-20), torch64.optim.RAdam([theirs], lr=1e-20)
    for t in range(1, 9):  # rectified from the sixth on: divided by infinity
        g = np.array([1e30, -1e30, 1.0], np.float32)
        theirs.grad = torch64.tensor(g)
        opt.step(g)
        peer.step()
        np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=4e-7)
        assert -p[0] == pytest.approx(min(t, 5) * 1e10)
