"""`propose` changes nothing and says what `step` does; `accumulate` adds what a step then takes."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading

import numpy as np
import pytest
from kinds import ordinary
from representatives import arrays, begun, bits, each_dtype, each_optimizer, make, step

import fastopt


@each_dtype
@each_optimizer
def test_propose_changes_nothing_and_is_what_step_gives(name, dtype):
    opt, params = begun(name, dtype)
    clipped = {"clip_value": 0.4} if name == "SGD" else {}
    for options in ({}, {"scale": 0.3, "clip_norm": 2.0, **clipped}):
        grads = arrays(dtype, seed=5)
        grads[0] = np.repeat(grads[0], 2, axis=1)[:, ::2]
        if options:
            grads[1] = None
        if name == "NAG":
            opt.lookahead()
        before, given = bits(opt), [None if g is None else g.tobytes() for g in grads]
        made = opt.propose(grads, **options)
        out = [np.full_like(p, np.nan) for p in params]
        assert opt.propose(grads, out, **options) is out
        assert bits(opt) == before
        assert [None if g is None else g.tobytes() for g in grads] == given
        opt.step(grads, **options)
        for p, q, o in zip(params, made, out, strict=True):
            assert p.tobytes() == q.tobytes() == o.tobytes()


def test_propose_leaves_the_average_and_keeps_bounds():
    p = np.zeros(3)
    opt = fastopt.SGD(p, lr=1.0, ema_decay=0.5, bounds=(-1.0, None))
    assert opt.propose(np.array([3.0, 0.5, -9.0])).tolist() == [-1.0, -0.5, 9.0]
    assert not opt.ema_params.any()
    assert opt.steps_taken == 0


def test_where_propose_may_write():
    p, q = np.ones((3, 4), order="F"), np.ones(2, np.float32)
    opt = fastopt.SGD({"W": p, "b": q}, lr=1.0, ema_decay=0.5)
    g = {"W": np.asfortranarray(np.ones((3, 4))), "b": np.ones(2, np.float32)}
    good = opt.propose(g)
    assert good["W"].flags.f_contiguous
    read_only = np.ones(2, np.float32)
    read_only.flags.writeable = False
    for wrong, error, message in [
        ({**good, "W": np.ones((3, 4))}, ValueError, "out of W has shape .* in order 'F'"),
        ({**good, "W": np.ones((4, 3))}, ValueError, r"out of W has shape \(4, 3\)"),
        ({**good, "b": np.ones(2)}, TypeError, "out of b is float64; expected"),
        ({**good, "b": None}, TypeError, "out of b is NoneType; expected"),
        ({**good, "b": read_only}, ValueError, "out of b is read-only"),
        ({**good, "b": q}, ValueError, "share memory|same array"),
        ({**good, "b": g["b"]}, ValueError, "out of b overlaps the memory of a gradient"),
        ({**good, "W": opt.ema_params["W"]}, ValueError, "out of W overlaps .* optimizer's state"),
        ([good["W"], good["b"]], ValueError, "out is a sequence of 2"),
    ]:
        before = bits(opt)
        with pytest.raises(error, match=message):
            opt.propose(g, wrong)
        assert bits(opt) == before
    with pytest.raises(ValueError, match="clip_norm is -1"):
        opt.propose(g, clip_norm=-1)
    for where_moved, call in ((fastopt.NAG, "lookahead"), (fastopt.ScheduleFreeSGD, "train")):
        other = where_moved([np.ones(2)], lr=0.1)
        if call == "train":
            other.eval()
        with pytest.raises(RuntimeError, match=rf"propose: .*call {call}\(\)"):
            other.propose([np.ones(2)])


# ---- accumulating -----------------------------------------------------------------------------------


def mixed(seed):
    """Gradients of several dtypes and groups."""
    a, b, c, d = arrays(np.float64, seed=seed)
    return [{"W": a, "s": b.astype(np.float32)}, [c, d.astype(np.complex64)]]


def mixed_optimizer(cls=fastopt.AdamW, **more):
    first, second = mixed(0)
    return cls([{"params": first}, {"params": second, "lr": 0.02}], lr=0.01, **more)


@pytest.mark.parametrize(
    "cls", [fastopt.AdamW, ordinary(fastopt.LAMB, when=False)], ids=lambda c: c.__name__
)
def test_a_step_with_the_sum(cls):
    """Over dtypes and groups; None adds nothing; the sum is the caller's own order of additions."""
    opt, plain = mixed_optimizer(cls), mixed_optimizer(cls)
    for turn in range(2):
        total = None
        for t in range(3):
            grads = mixed(10 * turn + t)
            grads[1][1] = None
            if t == 1:
                grads[0] = {"W": None, "s": None}
            opt.accumulate(grads)
            if t == 0:
                total = mixed(10 * turn)
            elif t == 2:
                total[0] = {n: np.asarray(total[0][n] + g) for n, g in grads[0].items()}
            if t:
                total[1][0] = total[1][0] + grads[1][0]
        total[1][1] = None
        before = [p.copy() for p in opt._workspace.parameters]
        assert all((p == q).all() for p, q in zip(before, opt._workspace.parameters, strict=True))
        info = opt.step(scale=1 / 3, clip_norm=0.5, zero_grads=True)
        assert info == plain.step(total, scale=1 / 3, clip_norm=0.5)
        assert bits(opt) == bits(plain)
        assert opt.state["1/1"]["step"] == 0
        with pytest.raises(RuntimeError, match="none accumulated"):
            opt.step()
    other = mixed(5)
    opt.accumulate(other)
    opt.step(mixed(6))  # a step with gradients of its own leaves the sum
    plain.step(mixed(6))
    assert opt.step() == plain.step(other)
    assert bits(opt) == bits(plain)


def test_a_nan_in_a_sum_is_gone_with_it():
    p = np.zeros(2)
    opt = fastopt.SGD(p, lr=1.0)
    opt.accumulate(np.array([np.nan, 1.0]))
    opt.accumulate(np.ones(2))
    assert opt.step(skip_nonfinite=True).skipped
    opt.accumulate(np.ones(2))
    opt.step()
    assert p.tolist() == [-1, -1]


def test_groups_and_copies_after_accumulating():
    p = {"1/0": np.zeros(2), "2/1": np.zeros(2)}  # names that further groups would have
    opt = fastopt.SGD(p, lr=1.0)
    opt.accumulate({n: np.ones(2) for n in p})
    for k in range(1, 3):
        opt.add_param_group({"params": [np.zeros(3), np.zeros(1, np.float32)], "lr": 0.5})
        twin = copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))
        grads = [{n: np.ones(2) for n in p}, *([None, np.ones(1, np.float32)] for _ in range(k))]
        for o in (opt, *twin):
            o.accumulate(grads)
        assert [bits(o) for o in twin] == [bits(opt)] * 2
    for o in (opt, *twin):
        o.step()
        first = o.param_groups[0]["params"][0]
        assert first.tolist() == [-3, -3]
        assert [g["params"][1].tolist() for g in o.param_groups[1:]] == [[-1.0], [-0.5]]
        assert [o.state[k]["step"] for k in o.state] == [1, 1, 0, 1, 0, 1]


# ---- threads and processes ----------------------------------------------------------------------------


@each_optimizer
def test_no_two_threads_at_once(name):
    opt, _ = begun(name)
    grads = arrays()
    group = opt.param_groups[0]
    calls = [
        lambda: opt.step(grads), lambda: opt.step(grads, clip_norm=1.0), lambda: opt.accumulate(grads),
        lambda: opt.state_dict(), lambda: opt.load_state_dict({"state": {}, "param_groups": []}),
        lambda: copy.deepcopy(opt), lambda: pickle.dumps(opt), lambda: group.update(lr=0.5),
        lambda: opt.add_param_group({"params": np.ones(3)}),
    ]  # fmt: skip
    calls += [lambda: opt.propose(grads)] if name != "NAG" else [opt.lookahead]
    calls += [opt.train, opt.eval] if name == "ScheduleFreeSGD" else []
    before = bits(opt)
    assert opt._busy.acquire(blocking=False)  # as a step in another thread does
    try:
        for call in calls:
            with pytest.raises(RuntimeError, match="another thread is using this optimizer"):
                call()
    finally:
        opt._busy.release()
    assert bits(opt) == before


def test_different_optimizers_in_many_threads():
    def work(k, found):
        opt = make("LAMB", arrays(np.float32, seed=k), ema_decay=0.5)
        for t in range(5):
            opt.accumulate(arrays(np.float32, seed=t))
            opt.step(clip_norm=1.0, skip_nonfinite=True)
            opt.propose(arrays(np.float32, seed=t))
        found[k] = bits(opt)

    together, alone = {}, {}
    threads = [threading.Thread(target=work, args=(k, together)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        work(k, alone)
    assert together == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")  # also JAX warns, if it was loaded
def test_a_forked_child_goes_on():
    opt, _ = begun("AdamW", ema_decay=0.5)
    opt.accumulate(arrays())
    child = os.fork()
    if child == 0:
        try:
            opt.step(clip_norm=1.0)
            opt.step(arrays(seed=3), skip_nonfinite=True, clip_value=1.0)
            done = opt.steps_taken == 4
        finally:
            sys.stdout.flush()
            os._exit(0 if done else 1)
    assert os.waitpid(child, 0)[1] == 0
    step(opt, arrays())
    assert opt.steps_taken == 3
