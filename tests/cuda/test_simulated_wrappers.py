"""Optimizers around another one on a device, under CUDA's simulator, against the CPU's driver."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from devices import Pair, numbers, on_device, stream

import fastopt
from fastopt.device import DeviceArray

SHAPES = [(6,), (2, 3), (0,)]


def lookahead(params, **more):
    inner = fastopt.Adam(params, lr=0.1)
    return fastopt.Lookahead(inner, sync_period=2, slow_step_size=0.25, **more)


def mechanic(params, **more):
    falling = fastopt.schedules.linear_schedule(1.0, 0.5, 4)
    return fastopt.Mechanic(fastopt.SGD(params, lr=falling, momentum=0.5), **more)


WRAPPERS = {
    "Lookahead": lookahead,
    "anew": lambda p: lookahead(p, reset_state=True, ema_decay=0.5),
    "Mechanic": mechanic,
    "bounded": lambda p: mechanic(p, bounds=(-1.0, 1.0)),
}
STEPS = ({}, {"scale": 0.5, "clip_norm": 1.0, "zero_grads": True}, {"skip_nonfinite": True})


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_same_bits(name):
    pair = Pair(WRAPPERS[name], numbers(np.float32, SHAPES))
    for t, options in enumerate([*STEPS, {}]):
        grads = numbers(np.float32, SHAPES, t)
        grads[1] = None if t == 0 else grads[1]
        grads[0][3] = np.nan if options.get("skip_nonfinite") else grads[0][3]
        (mine, other), on = pair.step(grads, **(options or {"scale": 1.0}))
        assert mine.skipped == other.skipped == ("skip_nonfinite" in options)
        for a, b in zip(grads, on, strict=True):
            assert a is b is None or np.array_equal(a, b.array, equal_nan=True)
        pair.require_equal()


@pytest.mark.parametrize("maker", [lookahead, mechanic])
def test_the_rest(maker):
    """Norms, proposals, accumulation, groups, copies, and state that moves."""
    shapes = SHAPES[:2]
    pair = Pair(lambda p: maker(p, ema_decay=0.5), numbers(np.float32, shapes))
    pair.cpu.monitor = pair.cuda.monitor = True
    for t in range(2):
        (mine, other), _ = pair.step(numbers(np.float32, shapes, t), clip_norm=1.0)
        np.testing.assert_allclose(tuple(other), tuple(mine), rtol=1e-6)
    pair.cpu.monitor = pair.cuda.monitor = False

    grads = numbers(np.float32, shapes, 2)
    wanted = pair.cpu.propose(grads)
    out = on_device(numbers(np.float32, shapes, 3))
    assert pair.cuda.propose(on_device(grads), out) is out
    for a, b, c in zip(wanted, out, pair.cuda.propose(on_device(grads)), strict=True):
        np.testing.assert_array_equal(a, b.array)
        assert isinstance(c, DeviceArray)
        np.testing.assert_array_equal(a, np.asarray(c))
    with pytest.raises(ValueError, match="share memory"):
        pair.cuda.propose(on_device(grads), pair.device)
    pair.require_equal()

    pair.cpu.accumulate(grads)
    pair.cuda.accumulate(on_device(grads))
    pair.cpu.step()
    given = stream()
    pair.cuda.step(stream=given)
    assert pair.cuda._runner.stream == pair.cuda.optimizer._runner.stream == given.ptr
    more = numbers(np.float32, [(4,)], 4)
    for opt, own in ((pair.cpu, more), (pair.cuda, on_device(more))):
        opt.add_param_group({"params": own, "lr": 0.5})
    grads = [numbers(np.float32, shapes, 5), numbers(np.float32, [(4,)], 6)]
    pair.step(grads, skip_nonfinite=True)
    pair.require_equal()

    pair.device, pair.cuda = copy.deepcopy((pair.device, pair.cuda))
    pair.step(grads, scale=0.5)
    pair.require_equal()
    saved = pair.cpu.state_dict()
    again = pair.cuda.state_dict()
    assert repr(again) == repr(saved)
    pair.cuda.load_state_dict(saved)
    pair.step(grads, scale=0.5)
    pair.require_equal()
