"""Muon: its formula against whole arrays, torch and optax, and every option of a step with it."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from references_matrices import CASES, muon
from representatives import bits
from two_stages import total, two_stages

import fastopt
from fastopt.interop.torch import to_state_dict
from fastopt.measure import Twin

SHAPES = [(5, 7), (12, 5), (6, 6), (1, 4), (4, 1)]
STEPS = 300
HYPER = CASES[0].hyperparameters
BIG = (70, 130)  # several tiles


def start(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def gradients(shape, dtype=np.float32, steps=STEPS, seed=1):
    rng = np.random.default_rng(seed)
    slope = rng.normal(size=shape)
    for _ in range(steps):
        yield (slope + rng.normal(size=shape)).astype(dtype)


def matrices(dtype=np.float32, seed=0, shapes=(*SHAPES, (0, 3), BIG)):
    return [start(shape, dtype, seed + k) for k, shape in enumerate(shapes)]


def run_reference(p, grads, h, reference=muon):
    """Parameter, momentum, and the tolerance of the formula tests: roundings of p are a random walk."""
    state, largest, largest_step = {}, np.abs(p).max(initial=0), 0.0
    for t, g in enumerate(grads, 1):
        before = p
        p = reference(p, g, state, t, **h)
        largest = max(largest, np.abs(p).max(initial=0))
        largest_step = max(largest_step, np.abs(p - before).max(initial=0))
    tolerance = 8 * np.finfo(p.dtype).eps * (largest + t**0.5 * largest_step)
    return p, state["momentum_buffer"], tolerance


# ---- the formula ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_formula(case, dtype):
    for shape in (*SHAPES, BIG):
        for order in "CF":
            p = np.asarray(start(shape, dtype), order=order)
            grads = list(gradients(shape, dtype, STEPS if shape != BIG else 20))
            expected, momentum, tolerance = run_reference(p.copy(), grads, case.hyperparameters)
            opt = case.cls(p, **case.hyperparameters)
            for g in grads:
                opt.step(g)
            assert np.abs(p - expected).max() <= tolerance, shape
            error = np.abs(opt.state[0]["momentum_buffer"] - momentum).max()
            assert error <= 8 * np.finfo(dtype).eps * np.abs(momentum).max(), shape
            assert set(opt.state[0]) == {"step", "momentum_buffer"}


@pytest.fixture
def precise_torch(monkeypatch):
    """Torch, whose cast to bfloat16 leaves numbers as they are: else the same code."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    return torch


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [c for c in CASES if c.torch], ids=str)
def test_torch(case, dtype, precise_torch):
    for shape in SHAPES:
        p = start(shape, dtype)
        theirs = precise_torch.tensor(p, requires_grad=True)
        peer = precise_torch.optim.Muon([theirs], **case.hyperparameters)
        opt = case.cls(p, **case.hyperparameters)
        grads = list(gradients(shape, dtype))
        tolerance = run_reference(p.copy(), grads, case.hyperparameters)[2]
        for g in grads:
            theirs.grad = precise_torch.tensor(g)
            peer.step()
            opt.step(g)
        assert np.abs(p - theirs.detach().numpy()).max() <= tolerance, shape
        momentum = peer.state[theirs]["momentum_buffer"].numpy()
        error = np.abs(opt.state[0]["momentum_buffer"] - momentum).max()
        assert error <= 8 * np.finfo(dtype).eps * np.abs(momentum).max(), shape


def test_torch_as_it_is():
    """The iteration in bfloat16: singular values are off by some 2^-8, which five steps with a slope up to 3.4 grow."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    for shape in ((30, 40), (40, 30)):
        p = start(shape)
        theirs = torch.tensor(p, requires_grad=True)
        before, g = p.copy(), start(shape, seed=3)
        theirs.grad = torch.tensor(g)
        torch.optim.Muon([theirs], lr=1.0, weight_decay=0.0).step()
        fastopt.Muon(p, lr=1.0, weight_decay=0.0).step(g)
        difference = p - theirs.detach().numpy()
        assert np.linalg.norm(difference) <= 0.02 * np.linalg.norm(p - before)


def test_state_dicts_go_to_torch_and_back(precise_torch):
    p = [start((5, 7)), start((7, 5), seed=1)]
    theirs = [precise_torch.tensor(a, requires_grad=True) for a in p]
    opt = fastopt.Muon(p, **HYPER)
    peer = precise_torch.optim.Muon(theirs, lr=0.5)
    opt.step([start(a.shape, seed=2) for a in p])
    peer.load_state_dict(to_state_dict(opt))
    for t, a in zip(theirs, p, strict=True):
        t.data.copy_(precise_torch.tensor(a))
        t.grad = precise_torch.tensor(start(a.shape, seed=3))
    peer.step()
    again = [a.copy() for a in p]
    other = fastopt.Muon(again, lr=0.5)
    other.load_state_dict(opt.state_dict())
    for o in (opt, other):
        o.step([start(a.shape, seed=3) for a in p])
    for a, b, t in zip(p, again, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, t.detach().numpy(), rtol=0, atol=1e-6)
    other.load_state_dict(peer.state_dict())
    np.testing.assert_allclose(
        other.state[1]["momentum_buffer"], opt.state[1]["momentum_buffer"], rtol=0, atol=1e-6
    )


def test_arguments_and_defaults_are_torchs():
    import inspect

    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    mine, theirs = (inspect.signature(cls).parameters for cls in (fastopt.Muon, torch.optim.Muon))
    assert list(mine) == [*theirs, "maximize"]
    assert all(mine[n].default == a.default for n, a in theirs.items())
    group = fastopt.Muon(np.ones((2, 2))).param_groups[0]
    assert type(group["ns_steps"]) is int
    assert group["adjust_lr_fn"] is None


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_optax(adjust, jax64):
    """Without look-ahead, where its correction of the momentum is lost in the norm; 200 steps in float64."""
    optax = pytest.importorskip("optax", reason="optax is not installed")
    h = {"weight_decay": 0.2, "eps": 0.0, "ns_steps": 4, "nesterov": False}
    rms = 0.2 if adjust == "match_rms_adamw" else None
    rule = optax.contrib.muon(0.013, beta=0.87, consistent_rms=rms, **h)
    for shape in SHAPES:
        p = start(shape, np.float64)
        opt = fastopt.Muon(p, lr=0.013, momentum=0.87, adjust_lr_fn=adjust, **h)
        theirs = jax64.numpy.asarray(p.T)  # its weights are inputs times outputs
        state, advance = rule.init(theirs), jax64.jit(rule.update)
        for g in gradients(shape, np.float64, 200):
            opt.step(g)
            updates, state = advance(jax64.numpy.asarray(g.T), state, theirs)
            theirs = optax.apply_updates(theirs, updates)
        np.testing.assert_allclose(p, np.asarray(theirs).T, rtol=0, atol=1e-12)


# ---- options ----------------------------------------------------------------------------------------


def clipped(grads, most, each=False):
    norms = [np.linalg.norm(g.astype(np.float64)) for g in grads]
    whole = np.sqrt(sum(n * n for n in norms))
    return [
        (g * min(1, most / (n if each else whole))).astype(g.dtype)
        for g, n in zip(grads, norms, strict=True)
    ]


OPTIONS = [
    ({"scale": 0.5}, lambda gs: [g * np.float32(0.5) for g in gs]),
    ({"scale": 2.0, "clip_norm": 3.0}, lambda gs: clipped([2 * g for g in gs], 3.0)),
    ({"clip_norm_each": 0.7}, lambda gs: clipped(gs, 0.7, each=True)),
    ({"clip_value": 0.6, "zero_grads": True}, lambda gs: [np.clip(g, -0.6, 0.6) for g in gs]),
    ({"skip_nonfinite": True}, lambda gs: gs),
]


@pytest.mark.parametrize(
    ("options", "meaning"), OPTIONS, ids=[str(options) for options, _ in OPTIONS]
)
def test_options(options, meaning):
    shapes = [(5, 7), (12, 5), BIG]
    params = matrices(shapes=shapes)
    grads = [matrices(seed=10 * t, shapes=shapes) for t in range(1, 6)]
    wanted = [meaning([g.copy() for g in gs]) for gs in grads]
    h = {**HYPER, "eps": 0.01, "momentum": 0.5}
    expected = [run_reference(p.copy(), [w[k] for w in wanted], h) for k, p in enumerate(params)]
    opt = fastopt.Muon(params, **h)
    for gs in grads:
        info = opt.step(gs, **options)
        assert not info.skipped
        assert not options.get("zero_grads") or not any(g.any() for g in gs)
    for p, (q, _, tolerance) in zip(params, expected, strict=True):
        assert np.abs(p - q).max() <= 4 * tolerance  # a norm and a factor are rounded too


def begun(shapes=((5, 7), (12, 5), BIG), **h):
    params = matrices(shapes=shapes)
    opt = fastopt.Muon(params, **{**HYPER, **h})
    for t in range(2):
        opt.step(matrices(seed=20 + t, shapes=shapes))
    return opt, params


def test_a_skipped_step_changes_nothing():
    opt, params = begun()
    before = bits(opt)
    grads = matrices(seed=5, shapes=[p.shape for p in params])
    grads[1][3, 2] = np.nan
    info = opt.step(grads, skip_nonfinite=True, zero_grads=True)
    assert info.skipped
    assert opt.skipped_steps == 1
    assert not any(g.any() for g in grads)
    opt._workspace.counters[1] = 0
    assert without_scratch(opt, before) == without_scratch(opt, bits(opt))


def without_scratch(opt, found):
    parameters, slots, *rest = found
    return parameters, [s for s in slots if s[0] not in opt._workspace.declared.rule.filled], *rest


def test_average_bounds_schedules_and_monitor():
    p, q = start(BIG), start(BIG)
    average = p.copy()
    rates = fastopt.schedules.linear_schedule(0.1, 0.01, 5)
    opt = fastopt.Muon(p, lr=rates, ema_decay=0.75, bounds=(-1.0, 1.5))
    plain = fastopt.Muon(q)
    opt.monitor = True
    for t, g in enumerate(gradients(BIG, steps=6)):
        before = p.copy()
        info = opt.step(g)
        plain.param_groups[0]["lr"] = float(rates(t))
        plain.step(g)
        np.clip(q, -1.0, 1.5, out=q)
        average += np.float32(0.25) * (q - average)
        assert info.update_norm == pytest.approx(np.linalg.norm(p - before), rel=1e-5)
        assert info.param_norm == pytest.approx(np.linalg.norm(p), rel=1e-5)
    np.testing.assert_array_equal(p, q)
    np.testing.assert_allclose(opt.ema_params, average, rtol=0, atol=1e-6)


def test_none_leaves_a_matrix_alone():
    opt, params = begun()
    before, momentum = params[1].copy(), opt.state[1]["momentum_buffer"].copy()
    grads = matrices(seed=3, shapes=[p.shape for p in params])
    opt.step([grads[0], None, grads[2]])
    np.testing.assert_array_equal(params[1], before)
    np.testing.assert_array_equal(opt.state[1]["momentum_buffer"], momentum)
    assert [opt.state[k]["step"] for k in opt.state] == [3, 2, 3]
    opt.step([None] * 3)
    assert opt.state[0]["step"] == 3


def test_groups_are_optimizers_of_their_own():
    params = matrices(shapes=[(5, 7), (12, 5)])
    alone = [p.copy() for p in params]
    own = [{"ns_steps": 3, "eps": 0.5}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}]
    opt = fastopt.Muon([{"params": p, **h} for p, h in zip(params, own, strict=True)], **HYPER)
    singles = [fastopt.Muon(p, **{**HYPER, **h}) for p, h in zip(alone, own, strict=True)]
    for t in range(3):
        grads = matrices(seed=t, shapes=[(5, 7), (12, 5)])
        opt.step(grads)
        for single, g in zip(singles, grads, strict=True):
            single.step(g)
    for p, q in zip(params, alone, strict=True):
        np.testing.assert_array_equal(p, q)
    opt.add_param_group({"params": np.ones((2, 2), np.float32), "ns_steps": 2})
    opt.step([*grads, np.ones((2, 2), np.float32)])
    assert opt.param_groups[2]["ns_steps"] == 2


def test_proposals_change_nothing_and_are_what_steps_give():
    opt, params = begun()
    grads = matrices(seed=3, shapes=[p.shape for p in params])
    grads[0] = None
    before = bits(opt)
    made = opt.propose(grads, clip_norm=1.0)
    assert without_scratch(opt, bits(opt)) == without_scratch(opt, before)
    opt.step(grads, clip_norm=1.0)
    for a, p in zip(made, params, strict=True):
        np.testing.assert_array_equal(a, p)


def test_accumulated_gradients():
    opt, params = begun()
    other = copy.deepcopy(opt)
    first, second = (matrices(seed=s, shapes=[p.shape for p in params]) for s in (3, 9))
    opt.accumulate(first)
    opt.accumulate(second)
    opt.step(scale=0.5)
    other.step([a + b for a, b in zip(first, second, strict=True)], scale=0.5)
    assert bits(opt)[0] == bits(other)[0]


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on_with_the_same_bits(twin):
    opt, params = begun(adjust_lr_fn="original")
    other = twin(opt)
    grads = matrices(seed=3, shapes=[p.shape for p in params])
    for o in (opt, other):
        o.step(grads)
    assert bits(opt) == bits(other)
    assert repr(opt) == repr(other)


def test_shares_strides_and_memory_order():
    shapes = [BIG, (12, 5)]
    results = []
    for shares in (1, 2, 5):
        opt, params = begun(shapes)
        opt._runner.force_shares(shares)
        wide = [np.repeat(g, 2, axis=1)[:, ::2] for g in matrices(seed=3, shapes=shapes)]
        opt.step(wide if shares > 1 else [g.copy() for g in wide])
        results.append(bits(opt))
    assert results[0] == results[1] == results[2]
    fortran = [np.asfortranarray(p) for p in matrices(shapes=shapes)]
    other = fastopt.Muon(fortran, **HYPER)
    for seed in (20, 21, 3):
        other.step(matrices(seed=seed, shapes=shapes))
    for p, q in zip(params, fortran, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=1e-6)


def test_both_dtypes_at_once():
    params = [start((5, 7)), start((6, 4), np.float64), start((0, 3), np.float64)]
    alone = [p.copy() for p in params]
    together, singles = fastopt.Muon(params, **HYPER), [fastopt.Muon(p, **HYPER) for p in alone]
    for t in range(3):
        grads = [start(p.shape, p.dtype, t) for p in params]
        together.step(grads)
        for single, g in zip(singles, grads, strict=True):
            single.step(g)
    for p, q in zip(params, alone, strict=True):
        np.testing.assert_array_equal(p, q)


# ---- what is odd or wrong -----------------------------------------------------------------------------


def test_steps_after_the_first_allocate_nothing():
    params = matrices(shapes=[BIG, (130, 70)])
    grads = matrices(seed=1, shapes=[BIG, (130, 70)])
    opt = fastopt.Muon(params)
    for _ in range(2):
        opt.step(grads)
    tracemalloc.start()
    opt.step(grads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 70 * 70, "less than the smallest of the matrices that are needed"


def test_odd_gradients():
    p, q = np.ones((3, 4), np.float32), np.ones((3, 4), np.float32)
    opt = fastopt.Muon([p, q], lr=0.5, weight_decay=0.0)
    opt.step([np.zeros((3, 4), np.float32), np.full((3, 4), 1e30, np.float32)])
    np.testing.assert_array_equal(p, np.ones((3, 4)))
    np.testing.assert_array_equal(q, np.ones((3, 4)))  # its norm is infinite, as torch's
    opt.step([np.full((3, 4), np.nan, np.float32), None])
    assert np.isnan(p).all()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_matrices_only(shape):
    with pytest.raises(ValueError, match=r"parameter b has shape .*2 dimensions"):
        fastopt.Muon({"W": np.ones((2, 2)), "b": np.ones(shape)})
    opt = fastopt.Muon(np.ones((2, 2)))
    with pytest.raises(ValueError, match="2 dimensions"):
        opt.add_param_group({"params": np.ones(shape)})
    assert len(opt.param_groups) == 1


def test_what_is_ruled_out_says_so():
    with pytest.raises(TypeError, match="Muon takes real numbers only"):
        fastopt.Muon(np.ones((2, 2), complex))
    with pytest.raises(TypeError, match="Muon does not support jit_step"):
        fastopt.Muon(np.ones((2, 2))).jit_step()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("lr", -1.0, ValueError), ("weight_decay", -0.5, ValueError), ("momentum", -0.5, ValueError),
        ("eps", -1e-7, ValueError), ("ns_steps", 100, ValueError), ("ns_steps", 2.5, ValueError),
        ("ns_steps", -1, ValueError), ("ns_steps", "5", TypeError), ("ns_steps", lambda t: 5, TypeError),
        ("ns_coefficients", (1.0, 2.0), ValueError), ("adjust_lr_fn", "none", ValueError),
        ("adjust_lr_fn", 1, ValueError), ("nesterov", 1, TypeError),
    ],
)  # fmt: skip
def test_wrong_hyperparameters(name, value, error):
    with pytest.raises(error, match=rf"Muon: {name} is .*expected"):
        fastopt.Muon(np.ones((2, 2)), **{name: value})
    opt = fastopt.Muon(np.ones((2, 2)))
    with pytest.raises(error, match=rf"Muon: {name} is .*expected"):
        opt.param_groups[0][name] = value


def test_its_twin_only_moves_memory():
    p = np.zeros((40, 50), np.float32)
    Twin(fastopt.Muon(p)).step(np.ones((40, 50), np.float32))
    np.testing.assert_array_equal(p, np.ones((40, 50)))


# ---- stages in Python -----------------------------------------------------------------------------------


def doubled(h, x, room):
    x *= 2 * h["square"]


Own = two_stages(doubled)


def test_a_stage_in_python_stands_between_others():
    p, q = np.zeros(3), np.zeros(2, np.float32)
    Own([p, q]).step([np.ones(3), np.full(2, 2.0, np.float32)])
    # 2 g (g . g): 6 each, and 32 each
    np.testing.assert_allclose(p, [-6 / 82] * 3)
    np.testing.assert_allclose(q, [-32 / 82] * 2, rtol=1e-6)


def test_stages_that_cannot_be():
    with pytest.raises(ValueError, match="into is 'x'; expected none"):
        fastopt.Measure(total, scope="lines", into="x")
    for wrong in ({"scope": "all", "into": "x"}, {"scope": "tensor"}):
        with pytest.raises(ValueError, match="expected the scope 'tensor' and a slot"):
            fastopt.Measure(total, results=("square",), whole=doubled, **wrong)
    wrong = [
        ({"slots": {}}, "writes into 'direction'; expected the name of a plain Slot"),
        ({"slots": {"direction": fastopt.Slot(initial=lambda h, p: 1)}}, "expected the name"),
        ({"supports": fastopt.Optimizer.supports}, "take it out of supports"),
    ]
    for members, said in wrong:
        with pytest.raises(TypeError, match=said):
            type("Wrong", (Own,), members)(np.ones(3))
