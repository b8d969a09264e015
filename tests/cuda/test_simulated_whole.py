"""Stages in Python over whole tensors on a device, under CUDA's simulator, where the library that computes is NumPy."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pickle
import sys

import numpy as np
import pytest
from devices import SIMULATED, Pair, numbers, on_device
from kinds import ordinary
from references_matrices import CASES
from two_stages import two_stages

import fastopt
from fastopt import libraries
from fastopt.drivers.cuda import runtime

HYPER = CASES[0].hyperparameters
SHAPES = [(5, 7), (12, 5), (1, 4), (4, 1), (0, 3)]


bits = pytest.mark.skipif(not SIMULATED, reason="another library than the CPU's computes")


def muon(params, **more):
    return fastopt.Muon(params, **{**HYPER, **more})


def arrays(dtype=np.float32, seed=0, shapes=SHAPES):
    """The last one in Fortran order."""
    return [*numbers(dtype, shapes, seed), np.asfortranarray(numbers(dtype, [(9, 4)], seed)[0])]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [ordinary(c, np.float32, when=True) for c in CASES]
    + [ordinary(c, np.float64, when=c is CASES[0]) for c in CASES],
)
def test_same_bits(case, dtype):
    pair = Pair(lambda p: case.cls(p, **case.hyperparameters), arrays(dtype))
    for t in range(2):
        pair.step(arrays(dtype, t))
    pair.require_equal()


@bits
@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.5, "clip_norm": 1.0, "zero_grads": True},
        {"clip_norm_each": 0.5, "clip_value": 0.1},
        {"clip_adaptive": 0.05},
        {"skip_nonfinite": True},
    ],
    ids=lambda o: "-".join(o),
)
def test_options(options):
    """With a matrix that is left alone, another group, a schedule, an average, bounds and norms."""

    def grouped(params):
        falling = fastopt.schedules.linear_schedule(0.1, 0.01, 5)
        opt = muon(params[:-1], lr=falling, ema_decay=0.75, bounds=(-1.5, 2.0))
        opt.add_param_group({"params": params[-1], "ns_steps": 3, "eps": 0.5})
        opt.monitor = True
        return opt

    pair = Pair(grouped, arrays())
    for t in range(3):
        *first, last = arrays(seed=t)
        first[1] = None if t == 1 else first[1]
        first[0][2, 3] = np.nan if options.get("skip_nonfinite") and t == 1 else first[0][2, 3]
        (mine, other), _ = pair.step([first, last], **options)
        assert mine.skipped == other.skipped
        np.testing.assert_allclose(
            [x or 0 for x in list(other)[1:]], [x or 0 for x in list(mine)[1:]], rtol=1e-12
        )
        pair.require_equal()


@bits
def test_proposals_accumulation_and_state():
    pair = Pair(muon, arrays())
    pair.step(arrays())
    grads = [None, *arrays(seed=1)[1:]]
    wanted = pair.cpu.propose(grads, clip_norm=1.0)
    for a, b in zip(wanted, pair.cuda.propose(on_device(grads), clip_norm=1.0), strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))
    pair.require_equal()
    pair.cpu.accumulate(grads)
    pair.cuda.accumulate(on_device(grads))
    pair.cpu.step(scale=0.5)
    pair.cuda.step(scale=0.5)
    pair.require_equal()
    saved = pair.cuda.state_dict()
    assert repr(saved) == repr(pair.cpu.state_dict())
    pair.cuda = muon(pair.device)
    pair.cuda.load_state_dict(saved)
    pair.step(grads)
    pair.require_equal()


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies(twin):
    pair = Pair(muon, arrays())
    pair.step(arrays())
    pair.device, pair.cuda = twin((pair.device, pair.cuda))
    pair.step(arrays(seed=1))
    pair.require_equal()


def test_around_another_optimizer():
    pair = Pair(lambda p: fastopt.Mechanic(muon(p)), arrays())
    for t in range(2):
        pair.step(arrays(seed=t))
    pair.require_equal()


def scaled(h, x, room):
    room.xp.multiply(x, h["square"] * h["lr"], out=x)


Own = two_stages(scaled)


def both(seed):
    return numbers(np.float32, [(4, 3), (2,)], seed) + numbers(np.float64, [(3,)], seed)


def test_a_stage_in_python_stands_between_others():
    """Of numbers of both precisions, whose hyperparameter changes."""
    pair = Pair(lambda params: Own(params, lr=0.5), both(0))
    for t in range(2):
        pair.step(both(t))
        for opt in (pair.cpu, pair.cuda):
            opt.param_groups[0]["lr"] = 0.25
    pair.require_equal()


def test_what_only_the_device_knows_is_not_given():
    asking = dataclasses.replace(Own.measures[0], whole=lambda h, x, room: h["step"])
    cls = type("Asking", (Own,), {"measures": (asking, Own.measures[1])})
    opt = cls(on_device(numbers(np.float32, [(3,)])))
    with pytest.raises(TypeError, match="whole: step is renewed on the device"):
        opt.step(on_device(numbers(np.float32, [(3,)])))


@bits
def test_it_is_asked_for_on_the_stream_of_the_step(monkeypatch):
    used = []

    class Noted(runtime.runtime.HostRoom):
        def on(self, stream):
            used.append(stream)
            return contextlib.nullcontext()

    monkeypatch.setattr(runtime, "room_on_device", lambda device, owner: Noted())
    opt = muon(on_device(arrays()))
    opt.step(on_device(arrays()))
    opt.step(on_device(arrays()), stream=7)
    opt.propose(on_device(arrays()))
    assert used == [0, 7, 7]


def test_without_a_library_a_clear_error(monkeypatch):
    monkeypatch.setattr(runtime, "room_on_device", libraries.room_on_device)
    for name in ("cupy", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TypeError, match=r"Muon multiplies matrices .* pip install cupy-cuda13x"):
        muon(on_device(arrays()))
