"""Adaptive gradient clipping: by units, in every memory order and loop, against optax and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import event
from packed_storage import packed
from representatives import bits

import fastopt

# each of optax's cases, axes of length 1, rows longer and shorter than a block, matrices larger than a tile
SHAPES = (
    (7,), (), (5, 9), (130, 40), (40, 300), (1, 8), (8, 1), (4, 5, 6), (3, 3, 7, 9), (2, 3, 3, 4, 13), (0,), (0, 5),
    (5, 0),
)  # fmt: skip
FEW = ((5, 9), (33,), (3, 3, 7, 9))


def arrays(dtype, seed, shapes=SHAPES, order="C"):
    """Units of very different norms, some of them 0."""
    rng = np.random.default_rng(seed)
    made = []
    for shape in shapes:
        sizes = 10.0 ** rng.integers(-6, 3, size=shape[-1:]) * rng.integers(0, 2, size=shape[-1:])
        a = rng.normal(size=shape) * sizes
        if np.dtype(dtype).kind == "c":
            a = a + 1j * rng.normal(size=shape) * sizes
        made.append(np.asarray(a, dtype, order=order))
    return made


def norms(x, axis):
    """Of each unit, shaped to be multiplied with."""
    x = np.abs(x.astype(complex))
    if x.ndim < 2 or (axis == -1 and np.squeeze(x).ndim < 2):
        over = None
    elif axis == 0:
        over = tuple(range(1, x.ndim))
    else:
        over = 0 if x.ndim < 4 else tuple(range(x.ndim - 1))
    unit = x.max(initial=1e-300)
    return unit * np.sqrt(np.sum((x / unit) ** 2, axis=over, keepdims=True))


def clipped(grads, params, clipping, axis=-1, scale=1.0):
    seen = []
    for g, p in zip(grads, params, strict=True):
        g = scale * g.astype(np.result_type(g, np.float64))
        most, own = clipping * np.maximum(norms(p, axis), 1e-3), norms(g, axis)
        factor = np.where(own <= most, 1.0, most / np.where(own > 0, own, 1.0))
        seen.append(np.asarray(factor * g, p.dtype))
    return seen


def near(found, expected, unit):
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max(initial=0) <= unit * max(1.0, np.abs(b).max(initial=0))


@pytest.mark.parametrize("order", ["C", "F"])
def test_optax(jax64, order):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    params = [p for p in arrays(np.float64, 0, order=order) if p.size]
    how = {"b1": 0.87, "b2": 0.97, "eps": 0.05, "weight_decay": 0.2}
    peer = optax.chain(optax.adaptive_grad_clip(0.03), optax.adamw(0.013, **how))
    theirs = [jax64.numpy.asarray(p) for p in params]
    state, advance = peer.init(theirs), jax64.jit(peer.update)
    opt = fastopt.AdamW(params, lr=0.013, betas=(0.87, 0.97), eps=0.05, weight_decay=0.2)
    for t in range(50):
        grads = [g for g in arrays(np.float64, t + 1) if g.size]
        opt.step(grads, clip_adaptive=0.03)
        updates, state = advance([jax64.numpy.asarray(g) for g in grads], state, theirs)
        theirs = optax.apply_updates(theirs, updates)
    near(params, theirs, 1e-12)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "dtype", [np.float32, np.complex64, pytest.param(np.float64, marks=pytest.mark.full)]
)
def test_units_of_either_axis(dtype, order, axis):
    """By SGD, which shows the gradient; complex numbers where a unit's lie together."""
    params, grads = arrays(dtype, 0, order=order), arrays(dtype, 1)
    opt = fastopt.SGD(params, lr=1.0)
    if np.dtype(dtype).kind == "c" and (axis == 0) != (order == "C"):
        with pytest.raises(
            TypeError, match=r"clip_adaptive has axis .* parameter 2 is of complex64"
        ):
            opt.step(grads, clip_adaptive=(0.05, axis))
        return
    before = [p.copy() for p in params]
    seen = clipped(grads, params, 0.05, axis, scale=0.5)
    info = opt.step(grads, scale=0.5, clip_adaptive=(0.05, axis))
    assert info.grad_norm == pytest.approx(0.5 * np.sqrt(sum(norms(g.ravel(), 0)[0] ** 2 for g in grads if g.size)), rel=1e-5)  # fmt: skip
    near(params, [p - g for p, g in zip(before, seen, strict=True)], 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "name", ["LAMB", "RowwiseAdagrad", pytest.param("Adafactor", marks=pytest.mark.full), "Muon"]
)
def test_every_loop_sees_the_clipped_gradient(name):
    """Sums of tensors and of lines, and what is made of whole ones."""
    shapes = FEW[:1] if name == "Muon" else FEW
    params, plain = arrays(np.float32, 0, shapes), arrays(np.float32, 0, shapes)
    opt, peer = (getattr(fastopt, name)(p, lr=0.1) for p in (params, plain))
    for t in range(4):
        grads = arrays(np.float32, t + 1, shapes)
        opt.step(grads, clip_adaptive=0.05)
        peer.step(clipped(grads, plain, 0.05))
    near(params, plain, 2e-6)


def test_with_every_other_option():
    shapes = FEW
    more = {"ema_decay": 0.75, "bounds": (-1.5, 1.5)}
    params, plain = arrays(np.float32, 0, shapes), arrays(np.float32, 0, shapes)
    opt, peer = fastopt.AdamW(params, lr=0.1, **more), fastopt.AdamW(plain, lr=0.1, **more)
    opt.monitor = True
    zeroed = {"zero_grads": True}  # in every step: one kernel
    for t, (clipping, axis) in enumerate([(0.05, -1), (0.01, 0), (0.5, -1), (0.05, -1)]):
        given = arrays(np.float32, t + 1, shapes)
        grads = [np.clip(g, -0.02, 0.02) for g in clipped(given, plain, clipping, axis, 0.3)]
        options = {"scale": 0.3, "clip_adaptive": (clipping, axis), "clip_value": 0.02, **zeroed}
        if t == 1:
            before = bits(opt)
            made = opt.propose(given, scale=0.3, clip_adaptive=(clipping, axis), clip_value=0.02)
            assert bits(opt) == before
            info = opt.step(given, **options, skip_nonfinite=True)
            assert all(a.tobytes() == p.tobytes() for a, p in zip(made, params, strict=True))
            assert not any(g.any() for g in given)
        else:
            opt.accumulate(given)
            info = opt.step(**options)
        assert info.update_norm > 0
        peer.step(grads)
    near(params, plain, 1e-5)
    near(opt.ema_params, peer.ema_params, 1e-5)
    given[0][0, 0] = np.nan
    before = bits(opt)[:3]
    assert opt.step(given, skip_nonfinite=True, **options).skipped
    assert bits(opt)[:3] == before
    opt.step(arrays(np.float32, 9, shapes))  # nothing of it is left
    peer.step(arrays(np.float32, 9, shapes))
    near(params, plain, 1e-5)


def test_none_groups_and_other_parameters():
    params, plain = arrays(np.float64, 0, FEW), arrays(np.float64, 0, FEW)
    opt = fastopt.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}], lr=1.0)
    first, second, third = arrays(np.float64, 1, FEW)
    opt.step([[None, second], [third]], clip_adaptive=0.05)
    seen = clipped([first, second, third], plain, 0.05)
    near(params, [plain[0], plain[1] - seen[1], plain[2] - 0.5 * seen[2]], 1e-14)
    opt.add_param_group({"params": (p := np.ones((4, 3))), "lr": 1.0})
    opt.step([[None, None], [None], np.ones((4, 3))], clip_adaptive=0.05)
    near([p], [np.full((4, 3), 0.95)], 1e-14)


def test_a_wrapped_optimizer():
    params, plain = arrays(np.float64, 0, FEW), arrays(np.float64, 0, FEW)
    opt, peer = (fastopt.Lookahead(fastopt.SGD(p, lr=0.5), sync_period=2) for p in (params, plain))
    for t in range(4):
        grads = arrays(np.float64, t + 1, FEW)
        made = opt.propose(grads, clip_adaptive=0.05)
        opt.step(grads, clip_adaptive=0.05)
        peer.step(clipped(grads, plain, 0.05))
        near(made, plain, 1e-13)
    near(params, plain, 1e-13)


@pytest.mark.parametrize("axis", [0, -1])
def test_same_bits_however_the_work_is_split(axis):
    results = []
    for shares in (1, 2, 5):
        params = arrays(np.float32, 0)
        opt = fastopt.SGD(params, lr=0.1)
        opt._force_shares(shares)
        for t in range(3):
            opt.step(arrays(np.float32, t + 1), clip_adaptive=(0.05, axis))
        results.append(bits(opt)[:3])
    assert results[0] == results[1] == results[2]


def test_packed_slots():
    cls = type("PackedAdam", (fastopt.Adam,), {"storages": {"exp_avg": packed}})
    params, plain = arrays(np.float32, 0, FEW), arrays(np.float32, 0, FEW)
    opt, peer = cls(params, lr=0.01), cls(plain, lr=0.01)
    for t in range(3):
        grads = arrays(np.float32, t + 1, FEW)
        opt.step(grads, clip_adaptive=0.05)
        peer.step(clipped(grads, plain, 0.05))
    near(params, plain, 1e-4)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        (np.float32, 1e25), (np.float32, 3e38), (np.float32, 1e-25), (np.float32, 0.0),
        pytest.param(np.float64, 1e200, marks=pytest.mark.full), pytest.param(np.float64, 1e-200, marks=pytest.mark.full),
    ],
)  # fmt: skip
def test_gradients_at_the_ends_of_the_range(dtype, size):
    """Their squares overflow or vanish; the units' gains are right."""
    params = [np.ones((3, 50), dtype), np.ones((50, 3), dtype), np.ones(4, dtype)]
    grads = [np.full_like(p, size) for p in params]
    grads[1][:, 1] = 1e-7
    before = [p.copy() for p in params]
    fastopt.SGD(params, lr=1.0).step(grads, clip_adaptive=0.01)
    seen = clipped(grads, before, 0.01)
    near(params, [p - g for p, g in zip(before, seen, strict=True)], 8 * np.finfo(dtype).eps)


def test_what_is_not_finite_stays_in_its_unit():
    params = [np.ones((4, 3)), np.ones(5)]
    g = np.full((4, 3), 0.001)
    g[1, 0], g[2, 1] = np.nan, np.inf
    fastopt.SGD(params, lr=1.0).step([g, np.full(5, 0.001)], clip_adaptive=0.5)
    assert np.isnan(params[0][:, 0]).all()
    assert np.isnan(params[0][2, 1])
    assert (params[0][[0, 1, 3], 1] == 1).all(), "what is divided by infinity"
    assert (params[0][:, 2] == 0.999).all()
    assert (params[1] == 0.999).all()


@pytest.mark.parametrize("axis", [0, -1])
def test_other_values_compile_nothing(axis):
    opt = fastopt.SGD(arrays(np.float32, 0, FEW), lr=0.1)
    opt.step(arrays(np.float32, 1, FEW), clip_adaptive=0.05)
    with event.install_recorder("numba:compile") as recorder:
        opt.step(arrays(np.float32, 2, FEW), clip_adaptive=(0.5, axis))
    assert not [record for _, record in recorder.buffer if record.is_start]


WRONG = [
    (ValueError, -1.0), (ValueError, np.nan), (ValueError, np.inf), (TypeError, "0.1"), (TypeError, True),
    (ValueError, (0.1, 1)), (ValueError, (0.1, False)), (TypeError, (0.1,)), (ValueError, (-0.1, 0)),
    (TypeError, [0.1, 0]), (ValueError, (0.1, "out")),
]  # fmt: skip


@pytest.mark.parametrize(("error", "value"), WRONG, ids=str)
def test_wrong_values_change_nothing(error, value):
    opt = fastopt.SGD(np.ones((2, 2)), lr=0.1)
    before = bits(opt)
    for call in (opt.step, opt.propose):
        with pytest.raises(
            error, match=r"clip_adaptive is .*expected a finite number >= 0, or a pair"
        ):
            call(np.ones((2, 2)), clip_adaptive=value)
    assert bits(opt) == before


def test_one_norm_at_a_time_and_no_counts_of_rows():
    opt = fastopt.Adam(np.ones((2, 2)), lr=0.1)
    for other in ("clip_norm", "clip_norm_each"):
        with pytest.raises(
            ValueError, match=rf"{other} is 1\.0 and clip_adaptive is 0\.1; expected one of them"
        ):
            opt.step(np.ones((2, 2)), **{other: 1.0}, clip_adaptive=0.1)
