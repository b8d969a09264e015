"""What no option may do: depend on threads, leave something behind, compile anew, change anything in an error."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from kinds import ordinary
from numba.core import event
from representatives import (
    ALWAYS,
    EVERYTHING,
    HARMLESS,
    REPRESENTATIVES,
    SHAPES,
    arrays,
    begun,
    begun_with_everything,
    bits,
    each_dtype,
    each_optimizer,
    make,
    step,
)  # fmt: skip

import fastopt

SIZES = ((5, 7), (), (0,), (9000,), (70, 130))


def run(name, dtype, shares, groups=False, mixed=False):
    params = arrays(dtype, shapes=SIZES)
    if mixed:
        params[1], params[4] = (params[k].astype(np.complex64) for k in (1, 4))
    split = lambda a: [a[:2], a[2:]] if groups else a
    given = [{"params": own} for own in split(params)] if groups else params
    opt = make(name, given, **ALWAYS)
    opt.monitor = True
    opt._runner.force_shares(shares)
    infos = []
    for t in range(3):
        grads = arrays(dtype, seed=t, shapes=SIZES)
        if mixed:
            grads = [g.astype(p.dtype) for g, p in zip(grads, params, strict=True)]
        if isinstance(opt, fastopt.NAG):
            opt.lookahead()
        options = {**EVERYTHING, "clip_norm": None, "clip_norm_each": 0.7} if t == 1 else EVERYTHING
        infos.append(opt.step(split(grads), **options))
    opt._runner.force_shares(None)
    parameters, slots, header, *rest = bits(opt)
    return infos, parameters, sorted(slots), header, rest


@each_dtype
@each_optimizer
def test_same_bits_in_any_number_of_shares_and_groups(name, dtype):
    expected = run(name, dtype, 1)
    assert run(name, dtype, 2) == expected
    assert run(name, dtype, 5) == expected
    assert run(name, dtype, 2, groups=True) == expected


@pytest.mark.parametrize(
    "name", [ordinary(name, when=name == "Prodigy") for name in ("SGD", "NAG", "LAMB", "Prodigy")]
)
def test_same_bits_over_several_tables(name):
    expected = run(name, np.float64, 1, mixed=True)
    assert run(name, np.float64, 3, mixed=True) == expected


# ---- skipping ---------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("place", [0, -1])
@each_optimizer
def test_a_skipped_step_changes_nothing(name, place, dtype):
    opt, params = begun_with_everything(name, dtype)
    before, average = bits(opt), [e.tobytes() for e in opt.ema_params]
    for wrong in (np.nan, np.inf, -np.inf):
        grads = arrays(dtype, seed=4)
        grads[place].flat[place] = wrong
        near = [p.copy() for p in params]
        info = step(opt, grads, skip_nonfinite=True, **HARMLESS)
        assert info.skipped
        assert not np.isfinite(info.grad_norm)
        assert info.update_norm is info.param_norm is None
        assert not any(g.any() for g in grads)
        if name == "NAG":  # it has moved ahead and back
            for p, q in zip(params, near, strict=True):
                np.testing.assert_allclose(p, q, rtol=0, atol=4 * np.finfo(dtype).eps * 3)
    assert [e.tobytes() for e in opt.ema_params] == average
    assert (opt.steps_taken, opt.skipped_steps) == (2, 3)
    opt._workspace.counters[1] = 0
    after = bits(opt)
    assert after[1:] == before[1:]
    if name != "NAG":
        assert after == before


def test_finite_gradients_that_overflow_when_scaled_are_skipped():
    opt = fastopt.SGD(np.ones(2, np.float32), lr=1.0)
    g = np.full(2, 1e30, np.float32)
    assert opt.step(g, scale=1e10, skip_nonfinite=True).skipped
    assert not opt.step(g, skip_nonfinite=True).skipped
    assert opt.step(g * 0, skip_nonfinite=True) == (False, 0.0, None, None)


# ---- gradients of all kinds --------------------------------------------------------------------------


@each_optimizer
def test_none_strided_and_read_only_gradients(name):
    opt, _ = begun(name)
    plain, _ = begun(name)
    grads = arrays(seed=3)
    grads[1] = None
    wide = np.repeat(grads[0], 2, axis=1)
    strided = [wide[:, ::2], None, grads[2], np.repeat(grads[3], 3)[::3]]
    for g in strided:
        if g is not None:
            g.flags.writeable = False
    step(opt, strided, clip_norm=1.0)
    step(plain, grads, clip_norm=1.0)
    assert bits(opt) == bits(plain)
    assert opt.state[1]["step"] == 2
    if name == "NAG":
        opt.lookahead()
    before = bits(opt)
    with pytest.raises(
        ValueError, match="gradient of 0 is read-only; zero_grads=True needs writable"
    ):
        opt.step(strided, zero_grads=True)
    assert bits(opt) == before


@pytest.mark.parametrize("skipped", [False, True])
def test_zero_grads_reaches_the_callers_arrays(skipped):
    whole = np.ones((6, 8))
    grads = [whole[::2, ::2], np.asfortranarray(np.ones((3, 4))), None, np.ones(()), np.ones(0)]
    opt = fastopt.SGD([np.ones(() if g is None else g.shape) for g in grads], lr=0.5)
    if skipped:
        grads[0][0, 0] = np.nan
    assert opt.step(grads, zero_grads=True, skip_nonfinite=True).skipped is skipped
    assert not any(g.any() for g in grads if g is not None)
    assert whole.sum() == 48 - 12
    columns = np.ones((4, 2))
    opt = fastopt.SGD([np.ones(4), np.ones(4)], lr=0.5)
    opt.step([columns[:, 0], columns[:, 1]], zero_grads=True)  # beside each other, not the same
    assert not columns.any()


def test_gradients_that_share_memory():
    g = np.ones(6)
    p, q = np.zeros(4), np.zeros(4)
    opt = fastopt.SGD([p, q], lr=1.0)
    opt.step([g[:4], g[2:]])
    assert p.tolist() == q.tolist() == [-1] * 4
    for pair in (
        [g[:4], g[2:]],
        [g[:4], g[:4]],
        [g[:4][::-1], g[:4]],
        [np.ones((4, 2))[:, 0], None],
    ):
        if pair[1] is not None:
            with pytest.raises(
                ValueError, match=r"gradients of \d and \d share memory; zero_grads=True"
            ):
                opt.step(pair, zero_grads=True)
            assert g.all()
    with pytest.raises(ValueError, match="gradient of 0 overlaps the memory of a parameter"):
        opt.step([p, None], zero_grads=True)


# ---- errors -----------------------------------------------------------------------------------------

WRONG = [
    (ValueError, {"scale": np.inf}), (ValueError, {"scale": np.nan}), (ValueError, {"scale": 10**400}),
    (ValueError, {"scale": 1e39}), (TypeError, {"scale": "1"}), (TypeError, {"scale": None}),
    (TypeError, {"scale": True}), (TypeError, {"scale": 1j}), (TypeError, {"scale": np.ones(3)}),
    (ValueError, {"clip_norm": -1.0}), (ValueError, {"clip_norm": np.nan}), (TypeError, {"clip_norm": False}),
    (ValueError, {"clip_norm_each": np.inf}), (TypeError, {"clip_norm_each": "2"}),
    (ValueError, {"clip_norm": 1.0, "clip_norm_each": 1.0}), (ValueError, {"clip_value": -0.5}),
    (TypeError, {"clip_value": [1.0]}), (TypeError, {"skip_nonfinite": 1}), (TypeError, {"zero_grads": None}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "options"), WRONG, ids=str)
def test_wrong_options_change_nothing(error, options):
    opt, _ = begun("AdamW", np.float32)
    before = bits(opt)
    name = next(iter(options))
    with pytest.raises(error, match=rf"step: {name} is .*expected"):
        opt.step(arrays(np.float32), **options)
    assert bits(opt) == before


@each_optimizer
def test_wrong_gradients_change_nothing_whatever_the_options(name):
    opt, params = begun_with_everything(name)
    if name == "NAG":
        opt.lookahead()
    before = bits(opt)
    good = arrays(seed=3)
    for k, wrong in enumerate(
        (good[0].astype(np.float64), np.ones(2, np.float32), params[2].tolist(), params[3][::-1])
    ):
        grads = [*good[:k], wrong, *good[k + 1 :]]
        for call in (lambda g: opt.step(g, **EVERYTHING), opt.accumulate, opt.propose, opt.step):
            if call != opt.accumulate or k != 3:  # a sum of its own overlaps nothing
                with pytest.raises((TypeError, ValueError), match=f"gradient of {k}"):
                    call(grads)
    with pytest.raises(ValueError, match="grads is a sequence of 3"):
        opt.step(good[:3], **EVERYTHING)
    assert bits(opt) == before
    assert all(g.any() for g in good if g.size)
    if name != "NAG":
        with pytest.raises(RuntimeError, match="no gradients were given and none accumulated"):
            opt.step(**EVERYTHING) if opt._accumulator is None else opt.step()


# ---- compiling, memory ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [ordinary(name, when=name in ("SGD", "LAMB")) for name in REPRESENTATIVES]
)
def test_values_of_options_compile_nothing(name):
    opt, _ = begun_with_everything(name)
    used = [EVERYTHING, {"clip_norm_each": 1.0}, {"scale": 2.0}]
    for options in used:
        step(opt, arrays(np.float32), **options)
    with event.install_recorder("numba:compile") as recorder:
        for options in used:
            changed = {n: v * 0.5 if isinstance(v, float) else v for n, v in options.items()}
            step(opt, arrays(np.float32, seed=1), **changed)
        opt.param_groups[0]["ema_decay"] = 0.5
        opt.param_groups[0]["bounds"] = (None, 3.0)
        step(opt, arrays(np.float32, seed=2))
        assert not [record for _, record in recorder.buffer if record.is_start]


@pytest.mark.parametrize(
    "name", [ordinary(name, when=name == "SGD") for name in ("SGD", "NAG", "Adafactor")]
)
def test_no_gradient_is_kept_alive(name, collect):
    opt, _ = begun_with_everything(name)
    plain, _ = begun(name)
    calls = [lambda g: step(plain, g), lambda g: step(opt, g, **EVERYTHING), opt.accumulate]
    calls.append(lambda g: plain.propose(g) if name != "NAG" else None)
    for call in calls:
        for build in (
            lambda: np.ones((5, 7), np.float32),
            lambda: np.ones((10, 14), np.float32)[::2, ::2],
        ):
            grads = [build(), *(np.ones(s, np.float32) for s in SHAPES[1:])]
            alive = [weakref.ref(g) for g in grads]
            call(grads)
            del grads
            collect()
            assert not any(ref() is not None for ref in alive)
