"""Options of a step against the tools that torch and optax have for them."""

from __future__ import annotations

import numpy as np
import pytest
from representatives import arrays

import fastopt

SHAPES = ((5, 7), (33,), ())
HOW = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.05, "weight_decay": 0.2}
STEPS = 60


def gradients(t):
    return arrays(np.float64, seed=100 + t, shapes=SHAPES)


class Pair:
    """AdamW here and in torch, over equal parameters."""

    def __init__(self, torch, **more):
        self.torch, self.params = torch, arrays(np.float64, shapes=SHAPES)
        self.tensors = [torch.tensor(p, requires_grad=True) for p in self.params]
        self.opt = fastopt.AdamW(self.params, **HOW, **more)
        self.peer = torch.optim.AdamW(self.tensors, **HOW)

    def give(self, grads):
        for tensor, g in zip(self.tensors, grads, strict=True):
            tensor.grad = self.torch.tensor(g)

    def compare(self):
        near(self.params, self.tensors)
        for k, tensor in enumerate(self.tensors):
            theirs, mine = self.peer.state[tensor], self.opt.state[k]
            assert mine["step"] == theirs["step"]
            for name in ("exp_avg", "exp_avg_sq"):
                np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-12, atol=1e-15)


def near(mine, theirs):
    for p, t in zip(mine, theirs, strict=True):
        theirs_too = t.detach().numpy() if hasattr(t, "detach") else np.asarray(t)
        np.testing.assert_allclose(p, theirs_too, rtol=1e-12, atol=1e-13)


def test_clip_norm_is_clip_grad_norm(torch64):
    """Torch divides by the norm plus 1e-6: its limit is chosen to make up for that exactly."""
    pair = Pair(torch64)
    clipped = 0
    for t in range(STEPS):
        grads = gradients(t)
        norm = float(np.sqrt(sum((g**2).sum() for g in grads)))
        pair.give(grads)
        limit = 10.5
        theirs = torch64.nn.utils.clip_grad_norm_(pair.tensors, limit * (norm + 1e-6) / norm)
        pair.peer.step()
        info = pair.opt.step(grads, clip_norm=limit)
        assert info.grad_norm == pytest.approx(float(theirs), rel=1e-14)
        clipped += norm > limit
    assert 0 < clipped < STEPS
    pair.compare()


def test_clip_value_is_clip_grad_value(torch64):
    pair = Pair(torch64)
    for t in range(STEPS):
        pair.give(gradients(t))
        torch64.nn.utils.clip_grad_value_(pair.tensors, 0.7)
        pair.peer.step()
        pair.opt.step(gradients(t), clip_value=0.7)
    pair.compare()


def test_unscaling_and_skipping_are_those_of_grad_scaler(torch64):
    pair = Pair(torch64)
    scaler = torch64.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=7)
    skipped = 0
    for t in range(STEPS):
        scale = float(scaler.scale(torch64.ones(())))  # scales a loss of 1, and starts the scaler
        grads = [np.asarray(g * scale) for g in gradients(t)]
        if t % 11 == 3:
            grads[t % 3].flat[-1] = (np.inf, np.nan)[t % 2]
        pair.give(grads)
        scaler.step(pair.peer)
        scaler.update()
        info = pair.opt.step(grads, scale=1 / scale, skip_nonfinite=True)
        assert info.skipped == (t % 11 == 3)
        skipped += info.skipped
    assert pair.opt.skipped_steps == skipped == 6
    assert pair.opt.steps_taken == STEPS - 6
    pair.compare()


def test_the_average_is_torchs(torch64):
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    pair = Pair(torch64, ema_decay=0.9)
    model = torch64.nn.ParameterList(pair.tensors)
    pair.peer.param_groups[0]["params"] = pair.tensors = list(model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    average.update_parameters(model)  # the first is a copy
    for t in range(STEPS):
        pair.give(gradients(t))
        pair.peer.step()
        average.update_parameters(model)
        pair.opt.step(gradients(t))
    pair.compare()
    near(pair.opt.ema_params, list(average.module))


def test_skipping_averaging_and_projecting_are_optaxs():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        p = arrays(np.float64, shapes=((33,),))[0]
        opt = fastopt.AdamW(p, **HOW, ema_decay=0.9, bounds=(-0.8, 1.1))
        theirs = average = jax.numpy.asarray(p)
        peer = optax.apply_if_finite(
            optax.adamw(0.013, b1=0.87, b2=0.97, eps=0.05, weight_decay=0.2),
            max_consecutive_errors=5,
        )
        state = peer.init(theirs)
        for t in range(20):
            g = gradients(t)[1]
            if t % 7 == 2:
                g[0] = np.nan
            skipped = opt.step(g, skip_nonfinite=True).skipped
            updates, state = peer.update(jax.numpy.asarray(g), state, theirs)
            assert skipped == (not state.last_finite)
            if not skipped:
                theirs = optax.projections.projection_box(
                    optax.apply_updates(theirs, updates), -0.8, 1.1
                )
                average = optax.incremental_update(theirs, average, 0.1)
        assert opt.skipped_steps == state.total_notfinite == 3
        np.testing.assert_allclose(p, theirs, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(opt.ema_params, average, rtol=1e-12, atol=1e-13)
    finally:
        jax.config.update("jax_enable_x64", before)
