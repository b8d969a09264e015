"""Optimizers that torch.optim has not, against the libraries that have them."""

from __future__ import annotations

import numpy as np
import pytest
from test_formulas import STEPS, gradients, start

import fastopt

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
AVERAGING = {"weight_decay": 0.02, "warmup_steps": 20, "r": 0.5, "weight_lr_power": 1.5}
ADAMW = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.05, **AVERAGING}
RADAM = {name: value for name, value in ADAMW.items() if name != "warmup_steps"}
SGD = {"lr": 0.013, "momentum": 0.8, **AVERAGING}
FOLLOWING = [
    ("ScheduleFreeAdamW", "AdamWScheduleFree", ADAMW),
    ("ScheduleFreeAdamW", "AdamWScheduleFree", {}),
    ("ScheduleFreeSGD", "SGDScheduleFree", SGD),
    ("ScheduleFreeSGD", "SGDScheduleFree", {"lr": 0.1}),
    ("ScheduleFreeRAdam", "RAdamScheduleFree", {**RADAM, "silent_sgd_phase": False}),
    # of the default beta2, a last place of its powers is 1e-11 of the first rectified rates
    ("ScheduleFreeRAdam", "RAdamScheduleFree", {"betas": (0.9, 0.99)}),
]
following = pytest.mark.parametrize(("name", "theirs", "how"), FOLLOWING, ids=str)


@DTYPES
def test_lion_is_optaxs(dtype, jax64):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    p = start(33, dtype)
    theirs = jax64.numpy.asarray(p)
    opt = fastopt.Lion(p, lr=0.013, betas=(0.87, 0.97), weight_decay=0.02)
    peer = optax.lion(0.013, b1=0.87, b2=0.97, weight_decay=0.02)
    state = peer.init(theirs)
    for g in gradients(33, dtype):
        opt.step(g)
        updates, state = peer.update(jax64.numpy.asarray(g), state, theirs)
        theirs = optax.apply_updates(theirs, updates)
    assert theirs.dtype == dtype
    # the same operations in the same order, since a rounding may turn a sign
    np.testing.assert_array_equal(p, theirs)
    np.testing.assert_array_equal(opt.state[0]["exp_avg"], state[0].mu)


def near(mine, theirs, largest):
    """Within what rounding can do to values of up to `largest` in 1,000 steps.

    fastopt adds to y once in a step and the authors twice, each time rounding by 0.29 units in the last place
    (a standard deviation): a random walk, which is allowed 4 deviations.
    """
    walk = 4 * 0.29 * np.finfo(mine.dtype).eps * np.sqrt(3 * STEPS) * largest
    assert np.abs(mine - np.asarray(theirs)).max() <= walk


class Pair:
    """A schedule-free optimizer and the authors', over equal parameters, compared as they go."""

    def __init__(self, torch, name, theirs, how, dtype):
        package = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
        self.torch, self.p = torch, start(33, dtype)
        self.tensor = torch.tensor(self.p, requires_grad=True)
        self.opt = getattr(fastopt, name)(self.p, **how)
        self.peer = getattr(package, theirs)([self.tensor], **how, foreach=False)
        self.peer.train()
        self.largest = {"p": np.abs(self.p).max(), "z": 0.0}

    def step(self, g):
        self.tensor.grad = self.torch.tensor(g)
        self.opt.step(g)
        self.peer.step()
        for name, values in (("p", self.p), ("z", self.opt.state[0]["z"])):
            self.largest[name] = max(self.largest[name], np.abs(values).max())

    def switch(self, mode):
        getattr(self.opt, mode)()
        getattr(self.peer, mode)()

    def compare(self):
        near(self.p, self.tensor.detach().numpy(), self.largest["p"])
        theirs, mine = self.peer.state[self.tensor], self.opt.state[0]
        assert set(theirs) == {n for n, v in mine.items() if isinstance(v, np.ndarray)}
        near(mine["z"], theirs["z"].numpy(), self.largest["z"])
        if "exp_avg_sq" in theirs:
            rtol = 1e-11 if self.p.dtype == np.float64 else 4e-6
            np.testing.assert_allclose(mine["exp_avg_sq"], theirs["exp_avg_sq"], rtol=rtol)
        group = self.peer.param_groups[0]
        assert mine["lr_max"] == pytest.approx(group["lr_max"], rel=1e-14)
        assert mine["weight_sum"] == pytest.approx(group["weight_sum"], rel=1e-12)


@DTYPES
@following
def test_schedule_free_is_the_authors(name, theirs, how, dtype, torch64):
    pair = Pair(torch64, name, theirs, how, dtype)
    for t, g in enumerate(gradients(33, dtype)):
        if t % 100 == 0:  # before the first step too; twice is once
            for mode in ("eval", "eval", "train", "train"):
                pair.switch(mode)
                pair.compare() if t else None
        pair.step(g)
    pair.compare()
    pair.switch("eval")
    pair.compare()


@pytest.mark.parametrize("mode", ["train", "eval"])
@following
def test_the_authors_states_are_loaded(name, theirs, how, mode, torch64):
    pair = Pair(torch64, name, theirs, how, np.float64)
    grads = list(gradients(33, np.float64, steps=20))
    for g in grads[:10]:
        pair.step(g)
    pair.switch(mode)
    pair.p = pair.tensor.detach().numpy().copy()
    pair.opt = type(pair.opt)(pair.p)
    pair.opt.load_state_dict(pair.peer.state_dict())
    assert pair.opt.param_groups[0]["train_mode"] is (mode == "train")
    assert pair.opt.state[0]["step"] == 10
    pair.switch("train")
    for g in grads[10:]:
        pair.step(g)
    pair.compare()
    pair.switch("eval")
    pair.compare()
