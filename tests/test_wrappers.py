"""Lookahead and Mechanic: their formulas, against optax, and the whole interface of an optimizer around another."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import threading

import numpy as np
import pytest
import references
from around import AROUND, LookaheadReference, MechanicReference
from references_sums import lamb
from representatives import arrays

import fastopt
from fastopt.contract import CHECKS

F = fastopt
STEPS = 500
SHAPES = ((5, 7), (), (0,), (4100,))
each_wrapper = pytest.mark.parametrize("cls", AROUND.values(), ids=AROUND)


def gradient(p, t, target=0.25):
    """Of a bowl around a target, with noise, so that an optimizer gets somewhere."""
    noise = np.random.default_rng(1000 + t).normal(size=p.shape)
    return np.asarray(p - target + 0.3 * noise, p.dtype)


def start(shape, dtype, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def bits(opt):
    parameters = [p.tobytes() for group in opt.param_groups for p in group["params"]]
    state = [(n, np.asarray(v).tobytes()) for k in opt.state for n, v in opt.state[k].items()]
    groups = [{n: v for n, v in g.items() if n != "params"} for g in opt.param_groups]
    return repr((parameters, state, groups, opt.steps_taken, opt.skipped_steps))


# ---- formulas ---------------------------------------------------------------------------------------

SGD = {"lr": 0.03, "momentum": 0.87, "weight_decay": 0.02}
ADAM = {"lr": 0.03, "betas": (0.87, 0.97), "eps": 0.05, "weight_decay": 0.2}
LAMB = {"lr": 0.03, "betas": (0.87, 0.97), "eps": 0.05, "weight_decay": 0.2}
INSIDE = {
    "SGD": (F.SGD, SGD, functools.partial(references.sgd, **SGD)),
    "AdamW": (F.AdamW, ADAM, functools.partial(references.adamw, **ADAM)),
    "LAMB": (F.LAMB, LAMB, functools.partial(lamb, **LAMB)),
}
TUNED = {"weight_decay": 0.2, "eps": 1e-3, "s_init": 1e-2, "num_betas": 4}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("inside", INSIDE)
def test_lookahead_formula(inside, reset, dtype):
    cls, h, reference = INSIDE[inside]
    params = [start(s, dtype, k) for k, s in enumerate(((5, 7), (33,), (0,)))]
    wanted = LookaheadReference(reference, params, 3, 0.3, reset)
    opt = F.Lookahead(cls(params, **h), sync_period=3, slow_step_size=0.3, reset_state=reset)
    largest, largest_step = 0.0, 0.0
    for t in range(STEPS):
        grads = [gradient(p, t) for p in wanted.params]
        if t % 7 == 3:
            grads[1] = None
        before = wanted.params[0].copy()
        opt.step(grads)
        wanted.step(grads)
        largest = max(largest, np.abs(wanted.params[0]).max())
        largest_step = max(largest_step, np.abs(wanted.params[0] - before).max())
    tolerance = 8 * np.finfo(dtype).eps * (largest + STEPS**0.5 * largest_step)
    for k, p in enumerate(params):
        assert np.abs(p - wanted.params[k]).max(initial=0) <= tolerance
        slow = opt.state[k]["slow_params"]
        assert np.abs(slow - wanted.slow[k]).max(initial=0) <= tolerance
        assert opt.state[k]["steps_since_sync"] == wanted.since[k]
        assert opt.state[k]["step"] == wanted.t[k]
    assert opt.steps_taken == STEPS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("how", [{}, TUNED], ids=["defaults", "others"])
@pytest.mark.parametrize("inside", ["SGD", "AdamW"])
def test_mechanic_formula(inside, how, dtype):
    cls, h, _ = INSIDE[inside]
    h = {**h, "lr": 1.0}
    reference = functools.partial(getattr(references, inside.lower()), **h)
    params = [start(s, dtype, k) for k, s in enumerate(((5, 7), (33,), (0,)))]
    opt = F.Mechanic(cls(params, **h), **how)
    defaults = {n: a.default for n, a in inspect.signature(F.Mechanic).parameters.items()}
    values = {**defaults, **how}
    del values["optimizer"]
    wanted = MechanicReference(reference, params, **values)
    for t in range(STEPS):
        grads = [gradient(p, t) for p in wanted.params]
        if t % 7 == 3:
            grads[1] = None
        opt.step(grads)
        wanted.step(grads)
    # an error of the sums is one of the factor, which multiplies the way from the start
    relative = 64 * float(np.finfo(dtype).eps)
    assert opt.scale == pytest.approx(wanted.s.sum(), rel=relative)
    assert opt.scale > 5 * values["s_init"]
    for k, p in enumerate(params):
        distance = np.abs(wanted.x0[k] - wanted.params[k]).max(initial=1)
        assert np.abs(p - wanted.params[k]).max(initial=0) <= relative * distance
        np.testing.assert_array_equal(opt.state[k]["x0"], wanted.x0[k])
        assert opt.state[k]["step"] == wanted.t[k]


@pytest.mark.parametrize("reset", [False, True])
def test_lookahead_is_that_of_optax(reset, jax64):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    pairs = [
        (F.SGD, {"lr": 0.03, "momentum": 0.87}, optax.sgd(0.03, momentum=0.87)),
        (F.AdamW, ADAM, optax.adamw(0.03, b1=0.87, b2=0.97, eps=0.05, weight_decay=0.2)),
        (F.Lion, {"lr": 0.03, "weight_decay": 0.2}, optax.lion(0.03, weight_decay=0.2)),
    ]
    for cls, h, theirs in pairs:
        p = start(33, np.float64)
        rule = optax.lookahead(theirs, 3, 0.3, reset)
        both = optax.LookaheadParams.init_synced(jax64.numpy.asarray(p))
        state, advance = rule.init(both), jax64.jit(rule.update)
        opt = F.Lookahead(cls(p, **h), sync_period=3, slow_step_size=0.3, reset_state=reset)
        for t in range(200):
            g = gradient(p, t)
            opt.step(g)
            updates, state = advance(jax64.numpy.asarray(g), state, both)
            both = optax.apply_updates(both, updates)
            assert opt.state[0]["steps_since_sync"] == state.steps_since_sync
        np.testing.assert_allclose(p, both.fast, rtol=0, atol=1e-12)
        np.testing.assert_allclose(opt.slow_params, both.slow, rtol=0, atol=1e-12)


@pytest.mark.parametrize("how", [{}, TUNED], ids=["defaults", "others"])
def test_mechanic_is_that_of_optax(how, jax64):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    pairs = [
        (F.SGD, {"lr": 1.0}, optax.sgd(1.0)),
        (F.AdamW, {**ADAM, "lr": 1.0},
         optax.adamw(1.0, b1=0.87, b2=0.97, eps=0.05, weight_decay=0.2)),
        (F.Lion, {"lr": 1.0}, optax.lion(1.0)),
    ]  # fmt: skip
    for cls, h, theirs in pairs:
        params = {"W": start((5, 7), np.float64), "b": start(9, np.float64, 1)}
        rule = optax.contrib.mechanize(theirs, **how)
        other = {n: jax64.numpy.asarray(p) for n, p in params.items()}
        state, advance = rule.init(other), jax64.jit(rule.update)
        opt = F.Mechanic(cls(params, **h), **how)
        for t in range(200):
            grads = {n: gradient(p, t) for n, p in params.items()}
            opt.step(grads)
            updates, state = advance(
                {n: jax64.numpy.asarray(g) for n, g in grads.items()}, state, other
            )
            other = optax.apply_updates(other, updates)
        np.testing.assert_allclose(opt._tuner.s, state.s, rtol=1e-12)
        np.testing.assert_allclose(opt._tuner.m, state.m, rtol=1e-12)
        for name, p in params.items():
            np.testing.assert_allclose(p, other[name], rtol=0, atol=1e-12)
            np.testing.assert_array_equal(opt.state[name]["x0"], state.x0[name])


# ---- what any optimizer does ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.full)])
@pytest.mark.parametrize("test", CHECKS, ids=lambda f: f.__name__)
@each_wrapper
def test_contract(cls, test, dtype):
    test(cls, {}, dtype)


def begun(cls, steps=4, dtype=np.float32, **h):
    params = arrays(dtype, shapes=SHAPES)
    opt = cls(params, **h)
    for t in range(steps):
        opt.step([gradient(p, t) for p in params])
    return opt, params


def global_norm(grads):
    return np.sqrt(sum(float(np.sum(np.square(g.astype(float)))) for g in grads))


@each_wrapper
def test_options_are_those_of_gradients(cls):
    """A step with options is one with gradients that were scaled and clipped before."""
    options = [
        ({"scale": 0.5}, lambda gs: [g * np.float32(0.5) for g in gs]),
        ({"clip_norm": 2.0}, lambda gs: [g * np.float32(2 / global_norm(gs)) for g in gs]),
        ({"clip_value": 0.3, "zero_grads": True}, lambda gs: [np.clip(g, -0.3, 0.3) for g in gs]),
    ]
    for chosen, meaning in options:
        (opt, params), (plain, others) = begun(cls), begun(cls)
        for t in range(4, 8):
            grads = [gradient(p, t) for p in params]
            plain.step(
                [np.asarray(g, p.dtype) for g, p in zip(meaning(grads), params, strict=True)]
            )
            info = opt.step(grads, **chosen)
            assert (info.grad_norm is not None) == ("clip_norm" in chosen)
            assert not chosen.get("zero_grads") or not any(g.any() for g in grads)
        for p, q in zip(params, others, strict=True):
            np.testing.assert_allclose(p, q, rtol=0, atol=2e-6)


@each_wrapper
def test_skipped_steps_do_not_count(cls):
    opt, params = begun(cls)
    before, saved = bits(opt), repr(opt.state_dict()).replace("'skipped_steps': 0", "")
    grads = [gradient(p, 9) for p in params]
    grads[3][5] = np.nan
    info = opt.step(grads, skip_nonfinite=True, zero_grads=True)
    assert info.skipped
    assert (opt.steps_taken, opt.skipped_steps) == (4, 1)
    assert not any(g.any() for g in grads)
    assert repr(opt.state_dict()).replace("'skipped_steps': 1", "") == saved
    opt._workspace.counters[1] = 0
    assert bits(opt) == before


@each_wrapper
def test_none_strides_and_memory_order(cls):
    opt, params = begun(cls)
    other, _ = begun(cls)
    q = np.asfortranarray(start((6, 9), np.float32))
    p = np.ascontiguousarray(q)
    opts = [cls([q]), cls([p])]
    for t in range(4):
        g = gradient(p, t)
        wide = np.repeat(g, 2, axis=1)[:, ::2]
        opts[0].step([wide])
        opts[1].step([g])
        grads = [gradient(a, t) for a in params]
        grads[0] = None
        opt.step(grads)
        other.step([g if g is None else np.repeat(g[..., None], 2, -1)[..., 0] for g in grads])
    np.testing.assert_allclose(q, p, rtol=0, atol=1e-6)  # sums run in another order
    assert bits(opt) == bits(other)
    assert [opt.state[k]["step"] for k in opt.state] == [4, 8, 8, 8]
    before = bits(opt)
    opt.step([None] * 4)
    assert bits(opt) == before.replace("4, 0)", "5, 0)").replace(", 8, 0)", ", 9, 0)")


@each_wrapper
def test_groups(cls):
    """Hyperparameters of the groups are the inner optimizer's, writable."""
    a, b, c = (start(n, np.float64) for n in (3, 4, 5))
    opt = cls([{"params": a, "lr": 0.5}, {"params": {"b": b}}])
    opt.step([a.copy(), {"b": b.copy()}])
    opt.add_param_group({"params": [c], "lr": 0.25, "maximize": True})
    assert [g["lr"] for g in opt.param_groups] == [0.5, opt.optimizer._defaults["lr"], 0.25]
    before = c.copy()
    for _ in range(3):
        opt.step([a.copy(), {"b": b.copy()}, [np.ones(5)]])
    assert (c > before).all()
    assert opt.state["2/0"]["step"] == 3
    opt.param_groups[0].update(lr=0.0, momentum=0.0)
    assert "momentum_buffer" not in opt.state[0]
    with pytest.raises(ValueError, match=r"SGD: lr is -1\.0"):
        opt.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"params: two|are the same array|share memory"):
        opt.add_param_group({"params": [c]})
    assert len(opt.param_groups) == len(opt._workspace.groups) == 3


@each_wrapper
def test_accumulated_gradients(cls):
    (opt, params), (other, _) = begun(cls), begun(cls)
    first, second = ([gradient(p, t) for p in params] for t in (8, 9))
    opt.accumulate(first)
    opt.accumulate(second)
    opt.step(scale=0.5)
    other.step([a + b for a, b in zip(first, second, strict=True)], scale=0.5)
    assert bits(opt) == bits(other)
    inside = fastopt.SGD(np.ones(3), lr=0.5)
    inside.accumulate(np.ones(3))
    fastopt.Lookahead(inside).step()  # what was added up before
    np.testing.assert_array_equal(inside.param_groups[0]["params"][0], [0.5] * 3)


@each_wrapper
def test_proposals(cls):
    opt, params = begun(cls, steps=5)
    before = bits(opt)
    grads = [gradient(p, 9) for p in params]
    grads[1] = None
    made = opt.propose(grads, clip_norm=1.0)
    out = [np.empty_like(p) for p in params]
    assert opt.propose(grads, out, clip_norm=1.0) is out
    assert bits(opt) == before
    opt.step(grads, clip_norm=1.0)  # the sixth, in which slow parameters move
    for a, b, p in zip(made, out, params, strict=True):
        np.testing.assert_array_equal(a, p)
        np.testing.assert_array_equal(b, p)
    slot = next(iter(cls.slots))
    for wrong in (params, [opt.state[k][slot] for k in opt.state], grads):
        places = [
            w if isinstance(w, np.ndarray) and w.size else o
            for w, o in zip(wrong, out, strict=True)
        ]
        with pytest.raises(ValueError, match=r"out of|share memory|same array"):
            opt.propose(grads, places)


@each_wrapper
def test_average_bounds_and_monitor(cls):
    params, plain = (arrays(np.float32, shapes=SHAPES) for _ in range(2))
    opt, other = cls(params, ema_decay=0.75, bounds=(-1.0, 1.25)), cls(plain)
    average = [p.copy() for p in params]
    opt.monitor = True
    for t in range(7):
        before = [p.copy() for p in params]
        grads = [gradient(p, t) for p in params]
        info = opt.step(grads)
        other.step(grads)
        for p, e in zip(plain, average, strict=True):
            np.clip(p, -1.0, 1.25, out=p)
            e += np.float32(0.25) * (p - e)
        moved = [a - b for a, b in zip(params, before, strict=True)]
        assert info.update_norm == pytest.approx(global_norm(moved), rel=1e-6)
        assert info.param_norm == pytest.approx(global_norm(params), rel=1e-6)
    for p, q in zip(params, plain, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=1e-6)
    for e, mine in zip(average, opt.ema_params, strict=True):
        np.testing.assert_allclose(mine, e, rtol=0, atol=1e-6)
    assert "ema_params" in opt.state[0]


@each_wrapper
def test_schedules_of_both(cls):
    rate = fastopt.schedules.linear_schedule(1.0, 0.5, 4)
    p, q = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    opt, other = cls(p, lr=rate), cls(q)
    for t in range(4):
        other.param_groups[0]["lr"] = float(rate(t))
        g = np.cos(np.arange(9.0) + t)
        opt.step(g)
        other.step(g)
    np.testing.assert_array_equal(p, q)


def test_a_schedule_of_the_slow_step_size():
    p = np.zeros(2)
    rate = fastopt.schedules.piecewise_constant_schedule(0.5, {3: 0.5})
    opt = fastopt.Lookahead(fastopt.SGD(p, lr=1.0), sync_period=2, slow_step_size=rate)
    for expected in (-1.0, -1.0, -2.0, -1.5):
        opt.step(np.ones(2))
        np.testing.assert_array_equal(p, [expected] * 2)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@each_wrapper
def test_complex_parameters_are_pairs_of_reals(cls, dtype):
    real = np.float32 if dtype == np.complex64 else np.float64
    p = (start(9, real) + 1j * start(9, real, 1)).astype(dtype)
    q = p.view(real).copy()
    opt, other = cls(p), cls(q)
    for t in range(6):
        g = gradient(q, t)
        opt.step(g.view(dtype))
        other.step(g)
    np.testing.assert_array_equal(p.view(real), q)


@each_wrapper
def test_both_dtypes_at_once(cls):
    params = [start(5, np.float32), start(6, np.float64, 1)]
    wide = [p.astype(np.float64) for p in params]
    opt, other = cls(params), cls(wide)
    for t in range(6):
        opt.step([gradient(p, t) for p in params])
        other.step([gradient(p, t) for p in wide])
    for p, q in zip(params, wide, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=1e-5)


# ---- saving and copying -------------------------------------------------------------------------------

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda opt: pickle.loads(pickle.dumps(opt)),
}


@pytest.mark.parametrize("twin", COPIES.values(), ids=COPIES)
@each_wrapper
def test_copies_go_on_with_the_same_bits(cls, twin):
    opt, _ = begun(cls, steps=5)  # amid a period
    opt.accumulate([gradient(p, 1) for p in opt._workspace.parameters])
    other = twin(opt)
    assert repr(other) == repr(opt)
    assert bits(other) == bits(opt)
    for o in (opt, other):
        params = [p for group in o.param_groups for p in group["params"]]
        o.step()
        for t in range(3):
            o.step([gradient(p, t) for p in params])
    assert bits(other) == bits(opt)
    assert not np.shares_memory(params[0], opt.param_groups[0]["params"][0])
    assert other.optimizer._workspace.parameters[0] is other._workspace.parameters[0]


@each_wrapper
def test_a_shallow_copy_has_its_own_state(cls):
    opt, params = begun(cls)
    other = copy.copy(opt)
    other.step([gradient(p, 1) for p in params])
    assert other.param_groups[0]["params"][0] is params[0]
    assert (opt.state[0]["step"], other.state[0]["step"]) == (4, 5)
    assert (opt.steps_taken, other.steps_taken) == (4, 5)


@each_wrapper
def test_state_dicts(cls):
    opt, params = begun(cls, steps=5)
    saved = copy.deepcopy(opt.state_dict())
    copies = [p.copy() for p in params]
    other = cls(copies, lr=7.0)
    other.load_state_dict(saved)
    for o, own in ((opt, params), (other, copies)):
        for t in range(4):
            o.step([gradient(p, t) for p in own])
    assert bits(other) == bits(opt)
    assert set(saved) == {"state", "param_groups"}
    assert set(cls.slots) - {"before"} <= set(saved["state"][0])
    assert "before" not in saved["state"][0]
    assert "wrapper" in saved["param_groups"][0]


def spoil_slot(d):
    d["state"][0].update({n: np.ones(3) for n in ("slow_params", "x0")})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["param_groups"][0].update(wrapper=3),
        lambda d: d["param_groups"][0]["wrapper"].update(nonsense=3),
        lambda d: d["param_groups"][0]["wrapper"].update(sync_period=0, num_betas=2.5),
        lambda d: d["param_groups"][0]["wrapper"].update(slow_step_size=None, eps=None),
        lambda d: d["param_groups"][0].update(lr=-1.0),
        lambda d: d["state"][0].pop("momentum_buffer"),
        spoil_slot,
    ],
)
@each_wrapper
def test_state_dicts_that_do_not_fit_change_nothing(cls, spoil):
    opt, params = begun(cls)
    d = opt.state_dict()
    opt.step([gradient(p, 1) for p in params])
    spoil(d)
    before = bits(opt), repr(opt), repr(opt.state_dict())
    with pytest.raises(ValueError, match=r"load_state_dict|is -1|sync_period|num_betas|eps|rate"):
        opt.load_state_dict(d)
    assert (bits(opt), repr(opt), repr(opt.state_dict())) == before


def test_a_state_dict_of_the_optimizer_inside():
    """It has no part for the wrapper, which begins where the parameters are."""
    p = start(5, np.float64)
    inside = fastopt.SGD(p, lr=0.5, momentum=0.5)
    inside.step(np.ones(5))
    for cls in AROUND.values():
        opt = cls(p.copy())
        with pytest.raises(ValueError, match="lacks"):
            opt.load_state_dict(inside.state_dict())
        opt.load_state_dict(inside.state_dict(), strict=False)
        assert opt.state[0]["step"] == 1
        np.testing.assert_array_equal(opt.state[0][next(iter(cls.slots))], p)
        opt.step(np.ones(5))


@pytest.mark.parametrize("numbers", [None, {}, {"r": [0.0]}, {n: ["a"] * 4 for n in "rmvs"}])
def test_a_state_dict_without_what_was_tuned(numbers):
    opt, _ = begun(AROUND["Mechanic"])
    d = opt.state_dict()
    d["param_groups"][0]["wrapper"]["tuned"] = numbers
    before = repr(opt.state_dict())
    with pytest.raises(ValueError, match=r"tuned of a group's wrapper is .*expected 4 numbers"):
        opt.load_state_dict(d)
    assert repr(opt.state_dict()) == before


# ---- what is refused ------------------------------------------------------------------------------------


class Clashing(fastopt.SGD):
    """With slots of the wrappers' names."""

    slots = {**fastopt.SGD.slots, "slow_params": fastopt.Slot(), "x0": fastopt.Slot()}

    @staticmethod
    def update(c, p, g, s):
        return p - c[3] * g, s


def with_kernel():
    opt = fastopt.SGD(np.ones(3))
    opt.jit_step()
    return opt


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: np.ones(3), r"optimizer is a ndarray; expected .*\(fastopt.Adam\(params\)\)"),
        (lambda: fastopt.SGD, "optimizer is a type"),
        (lambda: fastopt.NAG(np.ones(3), lr=0.1),
         r"NAG cannot be wrapped: it moves its parameters .*lookahead\(\) and back\(\)"),
        (lambda: fastopt.ScheduleFreeSGD(np.ones(3)), "ScheduleFreeSGD cannot be wrapped: it moves"),
        (lambda: fastopt.Lookahead(fastopt.SGD(np.ones(3))), "Lookahead cannot be wrapped: it is around"),
        (lambda: fastopt.SGD(np.ones(3), ema_decay=0.5), "it has ema_decay, which must be given to"),
        (lambda: fastopt.SGD(np.ones(3), bounds=(0, 1)), "it has bounds, which must be given to"),
        (lambda: Clashing(np.ones(3)), "both have (slow_params|x0) in their state"),
        (with_kernel, "jit_step"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrapper", [fastopt.Lookahead, fastopt.Mechanic])
def test_what_cannot_be_wrapped(wrapper, make, said):
    with pytest.raises(TypeError, match=f"{wrapper.__name__}: .*{said}"):
        wrapper(make())


@each_wrapper
def test_no_kernel_for_compiled_code(cls):
    with pytest.raises(TypeError, match="does not support jit_step"):
        cls(np.ones(3)).jit_step()


@pytest.mark.parametrize(
    ("wrapper", "name", "value", "error"),
    [
        (F.Lookahead, "sync_period", 0, ValueError), (F.Lookahead, "sync_period", 2.5, ValueError),
        (F.Lookahead, "sync_period", "2", TypeError), (F.Lookahead, "sync_period", lambda t: 2, TypeError),
        (F.Lookahead, "slow_step_size", -0.1, ValueError), (F.Lookahead, "slow_step_size", 1.5, ValueError),
        (F.Lookahead, "reset_state", 1, TypeError), (F.Mechanic, "weight_decay", -1.0, ValueError),
        (F.Mechanic, "eps", -1.0, ValueError), (F.Mechanic, "s_init", 0.0, ValueError),
        (F.Mechanic, "num_betas", 0, ValueError), (F.Mechanic, "num_betas", 2.5, ValueError),
    ],
)  # fmt: skip
def test_wrong_numbers(wrapper, name, value, error):
    with pytest.raises(error, match=rf"{wrapper.__name__}: {name} is .*expected"):
        wrapper(fastopt.SGD(np.ones(3)), **{name: value})


def test_numbers_that_all_share_cannot_begin_anew_for_one():
    with pytest.raises(TypeError, match=r"reset_state is True; Prodigy has numbers .*estim_lr"):
        fastopt.Lookahead(fastopt.Prodigy(np.ones(3)), reset_state=True)
    opt = fastopt.Lookahead(fastopt.Prodigy(np.ones(3)))
    d = opt.state_dict()
    d["param_groups"][0]["wrapper"]["reset_state"] = True
    with pytest.raises(ValueError, match="reset_state is True"):
        opt.load_state_dict(d)


@each_wrapper
def test_wrong_gradients_change_nothing(cls):
    opt, params = begun(cls)
    before = bits(opt)
    good = [gradient(p, 1) for p in params]
    for k, wrong in enumerate((np.ones((7, 5), np.float32), np.ones(()), params[2].tolist())):
        for call in (opt.step, opt.accumulate, opt.propose, lambda g: opt.step(g, clip_norm=1.0)):
            with pytest.raises((TypeError, ValueError), match=f"gradient of {k}"):
                call([*good[:k], wrong, *good[k + 1 :]])
    with pytest.raises(ValueError, match="overlaps"):
        opt.step([*good[:3], params[3]])
    with pytest.raises(RuntimeError, match="none accumulated"):
        opt.step()
    assert bits(opt) == before


@each_wrapper
def test_no_two_threads_at_once(cls):
    opt, params = begun(cls)
    grads = [gradient(p, 1) for p in params]
    calls = [
        lambda: opt.step(grads), lambda: opt.optimizer.step(grads), lambda: opt.propose(grads), opt.state_dict,
        lambda: opt.accumulate(grads), lambda: copy.deepcopy(opt), lambda: opt.param_groups[0].update(lr=0.5),
        lambda: opt.add_param_group({"params": np.ones(3)}),
        lambda: opt.load_state_dict({"state": {}, "param_groups": []}),
    ]  # fmt: skip
    before = bits(opt)
    assert isinstance(opt._busy, type(threading.Lock()))
    assert opt._busy.acquire(blocking=False)
    try:
        for call in calls:
            with pytest.raises(RuntimeError, match="another thread is using this optimizer"):
                call()
    finally:
        opt._busy.release()
    assert bits(opt) == before


@each_wrapper
def test_the_optimizer_inside_is_told_nothing_of_a_monitor(cls):
    inside = fastopt.SGD(np.ones(3), lr=0.5)
    inside.monitor = True
    opt = cls.__mro__[1](inside)
    assert opt.monitor
    assert opt.step(np.ones(3)).update_norm > 0
    opt.monitor = False
    assert opt.step(np.ones(3)).update_norm is None


@pytest.mark.parametrize("wrapper", [fastopt.Lookahead, fastopt.Mechanic])
def test_docstrings_state_formula_conventions_and_source(wrapper):
    text = inspect.getdoc(wrapper)
    for part in ("Parameters", "Conventions:", "References", "Examples", ".. math::"):
        assert part in text, part
    for key in list(inspect.signature(wrapper).parameters):
        assert key in text, key


def test_around_matrices_in_whole():
    """Muon, which goes through Python itself."""
    p = start((6, 4), np.float32)
    for wrapper in (fastopt.Lookahead, fastopt.Mechanic):
        opt = wrapper(fastopt.Muon(p.copy(), lr=0.5))
        (q,) = opt.param_groups[0]["params"]
        for t in range(10):
            opt.step(gradient(q, t))
        assert np.isfinite(q).all()
        assert not np.array_equal(p, q)
