"""Options, moves, groups, streams and errors of optimizers on a device, under CUDA's simulator."""

from __future__ import annotations

import numpy as np
import pytest
from devices import ByDLPack, OnDevice, Pair, numbers, on_device, stream
from references import make

import fastopt
from fastopt.device import DeviceArray, outcome

SHAPES = [(130,), (7,), (0,)]


def adam(params, **more):
    return fastopt.AdamW(params, lr=0.1, **more)


def lamb(params, **more):
    return fastopt.LAMB(params, lr=0.1, **more)


# ---- options -----------------------------------------------------------------------------------

OPTIONS = {
    "scale": ({"scale": 0.5}, 1.0),
    "value": ({"clip_value": 0.25}, 1.0),
    "norm": ({"scale": 0.5, "clip_norm": 1.0}, 1.0),
    "norm that is large enough": ({"clip_norm": 1e6}, 1.0),
    "each": ({"clip_norm_each": 0.5, "clip_value": 0.1}, 1.0),
    "zeros": ({"zero_grads": True}, 1.0),
    "sums that overflow": ({"clip_norm": 1.0}, 1e30),
    "sums that vanish": ({"clip_norm": 1e-3}, 1e-30),
    "no gradient": ({"clip_norm": 1.0}, 0.0),
    "a factor below normal numbers": ({"scale": 1e-39}, 1e30),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    options, size = OPTIONS[name]
    pair = Pair(adam, numbers(np.float32, SHAPES))
    for t in range(2):
        grads = [(g * size).astype(np.float32) for g in numbers(np.float32, SHAPES, t)]
        (mine, other), on = pair.step(grads, **options)
        assert other == mine
        for a, b in zip(grads, on, strict=True):
            np.testing.assert_array_equal(a, b.array)
    pair.require_equal()


def prodigy(params):
    """Whose tensors share numbers."""
    return fastopt.Prodigy(params)


def units(seed, size=1.0):
    shapes = [(3, 4), (5,), (2, 3, 2), (3, 0), (4, 3)]
    made = [(size * a).astype(np.float32) for a in numbers(np.float32, shapes, seed)]
    return [*made[:-1], np.asfortranarray(made[-1])]


@pytest.mark.parametrize(
    "maker",
    [adam, *(pytest.param(m, marks=pytest.mark.full) for m in (lamb, prodigy))],
)
def test_adaptive_clipping(maker):
    """By units of either axis, in both memory orders, and where squares overflow."""
    pair = Pair(maker, units(0))
    for t, clipping in enumerate([0.05, (0.5, 0), 0.05]):
        options = {"clip_adaptive": clipping, "skip_nonfinite": t == 1}
        grads = units(t, 1e30 if t == 2 else 1.0)
        if t == 1:
            proposed = pair.cpu.propose(grads, clip_adaptive=clipping)
            theirs = pair.cuda.propose(on_device(grads), clip_adaptive=clipping)
            for a, b in zip(proposed, theirs, strict=True):
                np.testing.assert_array_equal(a, np.asarray(b))
        (mine, other), _ = pair.step(grads, **options)
        assert other == mine
        pair.require_equal()
    grads[0][0, 0] = np.nan
    assert pair.step(grads, **options | {"skip_nonfinite": True})[0][1].skipped
    pair.step(units(4))  # nothing of it is left
    pair.require_equal()


def test_adaptive_clipping_of_what_has_a_number_for_each_row():
    pair = Pair(lambda p: make(fastopt.RowwiseAdagrad, p), numbers(np.float32, [(3, 4)]))
    for t in range(2):
        pair.step(numbers(np.float32, [(3, 4)], t), clip_adaptive=0.05)
    pair.require_equal()


@pytest.mark.parametrize("maker", [adam, lamb, prodigy])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_skipping_is_decided_on_the_device(maker, bad):
    pair = Pair(maker, numbers(np.float32, SHAPES))
    for t in range(3):
        grads = numbers(np.float32, SHAPES, t)
        if t == 1:
            grads[0][5] = bad
        (mine, other), on = pair.step(grads, skip_nonfinite=True, zero_grads=True)
        assert (other.skipped, mine.skipped) == (t == 1, t == 1)
        assert not any(b.array.any() for b in on)
        pair.require_equal()
    assert pair.cuda.skipped_steps == 1


def test_not_finite_and_not_skipped():
    pair = Pair(adam, numbers(np.float32, SHAPES))
    grads = numbers(np.float32, SHAPES)
    grads[1][2] = np.nan
    (mine, other), _ = pair.step(grads, clip_norm=1.0)
    assert np.isnan(mine.grad_norm)
    assert np.isnan(other.grad_norm)
    pair.require_equal()


def test_average_bounds_and_monitor():
    pair = Pair(lambda p: adam(p, ema_decay=0.75, bounds=(-0.5, 1.0)), numbers(np.float32, SHAPES))
    pair.cpu.monitor = pair.cuda.monitor = True
    for t in range(2):
        (mine, other), _ = pair.step(numbers(np.float32, SHAPES, t), clip_norm=1.0)
        np.testing.assert_allclose(list(other)[1:], list(mine)[1:], rtol=1e-12)
    pair.require_equal()
    for a, b in zip(pair.cpu.ema_params, pair.cuda.ema_params, strict=True):
        assert isinstance(b, DeviceArray)
        np.testing.assert_array_equal(a, np.asarray(b))


def test_what_steps_tell_is_read_when_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(outcome, "_PLACES", 3)
    opt = adam(on_device(numbers(np.float32, [(3,)])))
    infos = [
        opt.step([OnDevice(np.full(3, t, np.float32))], clip_norm=1.0) for t in range(5)
    ]  # more than there are places for
    for t, info in enumerate(infos):
        np.testing.assert_allclose(info.grad_norm, t * np.sqrt(3), rtol=1e-6)
    skipped, norm, *rest = infos[2]
    assert (skipped, norm, rest) == (False, infos[2].grad_norm, [None, None])
    assert "grad_norm=3.46" in repr(infos[2])
    assert infos[2] == infos[2].read()


# ---- other passes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["NAG", "ScheduleFreeAdamW", "Sophia"])
def test_moves_and_folds(name):
    cls = getattr(fastopt, name)
    pair = Pair(lambda p: make(cls, p), numbers(np.float32, SHAPES))
    for t in range(3):
        grads = numbers(np.float32, SHAPES, t)
        if t == 1:
            grads[0] = None
        pair.step(grads)
    if name == "ScheduleFreeAdamW":
        for opt in (pair.cpu, pair.cuda):
            opt.eval()
        pair.require_equal()
        for opt in (pair.cpu, pair.cuda):
            opt.train()
    pair.require_equal()


@pytest.mark.parametrize("maker", [adam, lamb])
def test_proposals(maker):
    pair = Pair(maker, numbers(np.float32, SHAPES))
    pair.step(numbers(np.float32, SHAPES))
    grads = [None, *numbers(np.float32, SHAPES, 1)[1:]]
    mine = pair.cpu.propose(grads, clip_norm=1.0)
    other = pair.cuda.propose(on_device(grads), clip_norm=1.0)
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))
    pair.require_equal()
    out = on_device(numbers(np.float32, SHAPES))
    assert pair.cuda.propose(on_device(grads), out=out, clip_norm=1.0) is out
    for a, b in zip(mine, out, strict=True):
        np.testing.assert_array_equal(a, b.array)
    pair.require_equal()
    with pytest.raises(ValueError, match="share memory"):
        pair.cuda.propose(on_device(grads), out=pair.device)


def test_proposals_ahead_of_the_parameters():
    """Of NAG: the parameters without a gradient go back by their momentum, in the copies only."""
    pair = Pair(lambda p: make(fastopt.NAG, p), numbers(np.float32, SHAPES))
    grads = numbers(np.float32, SHAPES)
    with pytest.raises(RuntimeError, match=r"propose: call lookahead\(\) first"):
        pair.cuda.propose(on_device(grads))
    pair.step(grads)
    for opt in (pair.cpu, pair.cuda):
        opt.lookahead()
    out = on_device(grads)
    for missing in ((), (0,), (0, 1, 2)):
        given = [None if k in missing else g for k, g in enumerate(numbers(np.float32, SHAPES, 1))]
        mine = pair.cpu.propose(given, scale=0.5)
        assert pair.cuda.propose(on_device(given), out, scale=0.5) is out
        for a, b, c in zip(mine, out, pair.cuda.propose(on_device(given), scale=0.5), strict=True):
            np.testing.assert_array_equal(a, b.array)
            np.testing.assert_array_equal(a, np.asarray(c))
        pair.require_equal()
    for opt, own in ((pair.cpu, given), (pair.cuda, on_device(given))):
        opt.step(own)
    for a, b in zip(mine, pair.device, strict=True):
        np.testing.assert_array_equal(a, b.array)
    pair.require_equal()


@pytest.mark.parametrize(
    "options", [{}, {"clip_norm": 0.5, "skip_nonfinite": True}, {"zero_grads": True}]
)
def test_rows(options):
    """In any order, named again, of more than one tile, beside a whole parameter and one that is left alone."""
    shapes = [(9, 5), (6, 2, 3), (4, 4100), (7,), (3, 2)]
    pair = Pair(lambda p: adam(p, ema_decay=0.9), numbers(np.float32, shapes))
    named = [[7, 3, 7, 0, 7, 3], np.array([[5, 1], [5, 5]]), [2], None, None]
    for t in range(2):
        sizes = [(6, 5), (2, 2, 2, 3), (1, 4100), (7,)]
        grads = [*numbers(np.float32, sizes, t), None]
        on = on_device(grads)
        mine = pair.cpu.step_rows(named, grads, **options)
        other = pair.cuda.step_rows(named, on, **options)
        assert tuple(mine) == tuple(other)
        for a, b in zip(grads[:4], on[:4], strict=True):
            np.testing.assert_array_equal(a, b.array)
    pair.require_equal()


def compare_rows(pair, t, shapes, named, **options):
    """A step of some rows on both drivers; None for a whole parameter."""
    sizes = [s if n is None else (len(n), *s[1:]) for n, s in zip(named, shapes, strict=True)]
    grads = numbers(np.float32, sizes, t)
    on = on_device(grads)
    infos = pair.cpu.step_rows(named, grads, **options), pair.cuda.step_rows(named, on, **options)
    assert tuple(infos[0])[:2] == tuple(infos[1])[:2]
    pair.require_equal()
    return infos


@pytest.mark.parametrize("width", [5, 2050])
def test_rows_with_a_number_each(width):
    """Of more elements than a strip has columns, too."""
    shapes = [(4, width), (3, 2)]
    pair = Pair(lambda p: make(fastopt.RowwiseAdagrad, p), numbers(np.float32, shapes))
    pair.step(numbers(np.float32, shapes))
    for t, named in enumerate([[[3, 1, 3], None], [[1], [2, 0]]]):
        compare_rows(pair, t, shapes, named, clip_norm=1.0, skip_nonfinite=True)


FIRST = {
    "Adan": lambda p: make(fastopt.Adan, p),
    "dampening": lambda p: fastopt.SGD(p, lr=0.1, momentum=0.5, dampening=0.5, ema_decay=0.5),
}


@pytest.mark.parametrize("name", FIRST)
def test_rows_that_count_their_own_steps(name):
    shapes = [(4, 3), (3, 2)]
    pair = Pair(FIRST[name], numbers(np.float32, shapes))
    pair.cpu.monitor = pair.cuda.monitor = True
    plain = [[0, 2, 0], [1]]
    for t, named in enumerate([plain, [[2, 3], None], [[2, 1, 3], [0, 2]]]):
        options = [{}, {"clip_norm": 0.5}, {"zero_grads": True, "clip_value": 0.25}][t]
        mine, other = compare_rows(pair, t, shapes, named, **options)
        np.testing.assert_allclose(other.update_norm, mine.update_norm, rtol=1e-12)
    assert "row_step" in pair.cuda.state[0]
    pair.step(numbers(np.float32, shapes, 3), clip_norm=1.0)  # all rows, each its own
    pair.require_equal()
    before = pair.cuda.state[0]["row_step"].copy()
    bad = [np.full((2, 3), np.nan, np.float32), None]
    for opt, grads in ((pair.cpu, bad), (pair.cuda, on_device(bad))):
        assert opt.step_rows([[1, 2], None], grads, skip_nonfinite=True).skipped
    pair.require_equal()
    np.testing.assert_array_equal(pair.cuda.state[0]["row_step"], before)
    saved = pair.cuda.state_dict()
    with pytest.raises(RuntimeError, match="rows have step counts of their own"):
        pair.cuda.propose(on_device(numbers(np.float32, shapes)))
    pair.cuda.load_state_dict(saved)
    pair.step(numbers(np.float32, shapes, 4), skip_nonfinite=True)
    pair.require_equal()


def test_rows_that_do_not_fit():
    opt = adam(OnDevice(np.ones((4, 3), np.float32)))
    good = OnDevice(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="rows of params has 4; expected numbers from 0 to 3"):
        opt.step_rows([0, 4], good)
    with pytest.raises(ValueError, match=r"has shape \(2, 3\); expected .* \(1, 3\)"):
        opt.step_rows([0], good)
    assert opt.steps_taken == 0


def test_accumulation():
    pair = Pair(adam, numbers(np.float32, SHAPES))
    for t in range(3):
        grads = numbers(np.float32, SHAPES, t)
        pair.cpu.accumulate(grads)
        pair.cuda.accumulate(on_device(grads))
    pair.cpu.step(scale=1 / 3)
    pair.cuda.step(scale=1 / 3)
    pair.require_equal()
    with pytest.raises(RuntimeError, match="none accumulated"):
        pair.cuda.step()


def test_groups_schedules_and_variants():
    def grouped(params):
        falling = fastopt.schedules.linear_schedule(0.5, 0.1, 3)
        opt = fastopt.SGD(
            [
                {"params": params[0], "lr": falling, "momentum": 0.5},
                {"params": params[1], "lr": lambda t: 0.1 / (1 + t)},
            ],
            lr=0.1,
        )
        opt.add_param_group({"params": params[2]})
        return opt

    pair = Pair(grouped, numbers(np.float32, [(9,), (4, 3), (5,)]))
    for t in range(4):
        pair.step(numbers(np.float32, [(9,), (4, 3), (5,)], t))
        if t == 1:
            for opt in (pair.cpu, pair.cuda):
                opt.param_groups[1]["momentum"] = 0.9
    pair.require_equal()


def test_inputs():
    pair = Pair(lambda p: fastopt.MoMo(p, lr=0.1), numbers(np.float32, SHAPES))
    for t in range(2):
        pair.step(numbers(np.float32, SHAPES, t))
    pair.require_equal()


@pytest.mark.parametrize("shift", [1, 2, 4])
def test_any_alignment(shift):
    """Whole vectors where addresses allow it, else single numbers."""
    start = numbers(np.float32, [(1100,)])[0]
    room = OnDevice(np.zeros(1200, np.float32))
    first = -room.__cuda_array_interface__["data"][0] // 4 % 4 + shift
    place = room.part(slice(first, first + 1100))
    place.overwrite(start)
    mine = start.copy()
    cpu, cuda = adam(mine), adam(place)
    cuda.exact = True
    cpu.step(start)
    cuda.step(OnDevice(start))
    np.testing.assert_array_equal(mine, place.array)
    assert np.count_nonzero(room.array) == len(start)  # and nothing beside it


# ---- arrays -------------------------------------------------------------------------------------


def test_dlpack():
    mine = numbers(np.float32, [(2, 3)])[0]
    other = ByDLPack(mine.copy())
    cpu, cuda = adam(mine), adam(other)
    cuda.exact = True
    cpu.step(np.ones((2, 3), np.float32))
    cuda.step(ByDLPack(np.ones((2, 3), np.float32)))
    np.testing.assert_array_equal(mine, other.array)


def test_state_is_on_the_device():
    opt = adam({"W": OnDevice(np.ones((3, 2), np.float32))})
    opt.step({"W": OnDevice(np.ones((3, 2), np.float32))})
    m = opt.state["W"]["exp_avg"]
    described = m.__cuda_array_interface__
    assert described["shape"] == (3, 2)
    assert described["typestr"] == "<f4"
    assert described["data"][0] % 16 == 0
    np.testing.assert_allclose(np.asarray(m), 0.1, rtol=1e-6)
    assert isinstance(opt.state_dict()["state"][0]["exp_avg"], np.ndarray)
    assert "DeviceArray" in repr(m)
    assert "1 arrays, 6 numbers" in repr(opt)


def test_streams():
    opt = adam(OnDevice(np.ones(3, np.float32)))
    g = OnDevice(np.ones(3, np.float32))
    assert opt._runner.stream == 0
    given = stream()
    opt.step(g, stream=given)
    assert opt._runner.stream == given.ptr
    opt.step(g)
    assert opt._runner.stream == given.ptr
    with pytest.raises(TypeError, match=r"stream is 'x'; expected a CUDA stream"):
        opt.step(g, stream="x")
    with pytest.raises(TypeError, match="parameters in host memory have none"):
        adam(np.ones(3)).step(np.ones(3), stream=0)


# ---- errors -------------------------------------------------------------------------------------


def test_host_and_device_are_not_mixed():
    on, off = OnDevice(np.ones(3, np.float32)), np.ones(3, np.float32)
    with pytest.raises(TypeError, match="parameter b is in host memory, others on a CUDA device"):
        adam({"a": on, "b": off})
    with pytest.raises(
        TypeError, match="gradient of params is in host memory; expected an array on"
    ):
        adam(on).step(off)
    with pytest.raises(TypeError, match="gradient of params is on a CUDA device, the parameter in"):
        adam(off).step(on)
    opt = adam([off.copy()])
    with pytest.raises(TypeError, match="is on a CUDA device; expected host memory"):
        opt.add_param_group({"params": on})
    assert len(opt.param_groups) == 1
    opt = adam([on])
    with pytest.raises(TypeError, match="in host memory, others on a CUDA device"):
        opt.add_param_group({"params": off.copy()})
    assert len(opt.param_groups) == 1


def test_gradients_that_do_not_fit():
    p = OnDevice(np.ones((4, 3), np.float32))
    opt = adam(p)

    def refused(error, match, gradient, **options):
        before = p.array.copy()
        with pytest.raises(error, match=match):
            opt.step(gradient, **options)
        np.testing.assert_array_equal(p.array, before)
        assert opt.steps_taken == 0

    refused(TypeError, "has dtype float64", OnDevice(np.ones((4, 3))))
    refused(ValueError, r"has shape \(3, 4\)", OnDevice(np.ones((3, 4), np.float32)))
    turned = OnDevice(np.asfortranarray(np.ones((4, 3), np.float32)))
    refused(ValueError, "in device memory are not copied", turned)
    refused(ValueError, "overlaps the memory of a parameter", p.shared())
    good = np.ones((4, 3), np.float32)
    refused(ValueError, "read-only", OnDevice(good, writeable=False), zero_grads=True)
    refused(ValueError, "scale is 1e[+]39", OnDevice(good), scale=1e39)


def test_parameters_that_do_not_fit():
    with pytest.raises(ValueError, match="read-only"):
        adam(OnDevice(np.ones(3, np.float32), writeable=False))
    with pytest.raises(TypeError, match="has dtype float16"):
        adam(OnDevice(np.ones(3, np.float16)))
    with pytest.raises(ValueError, match="neither C- nor F-contiguous"):
        adam(OnDevice(np.ones((4, 4), np.float32)).part(np.s_[:, ::2]))
    p = OnDevice(np.ones(6, np.float32))
    with pytest.raises(ValueError, match="share memory"):
        adam([p, p.part(np.s_[2:])])


def test_what_is_not_there_yet():
    opt = adam(OnDevice(np.ones((3, 2), np.float32)))
    with pytest.raises(TypeError, match=r"jit_step: .* on a CUDA device; expected host memory"):
        opt.jit_step()
