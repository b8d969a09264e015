"""Optimizers that torch.optim has not, against optax."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from case import curvature
from references import step
from test_formulas import STEPS, gradients, start

import fastopt


@dataclass
class Peer:
    """A class and its hyperparameters; optax's function and arguments; its names of the slots.

    `exact`: the operations are the same and in the same order, where a rounding may turn a sign.
    """

    cls: type
    how: dict
    name: str
    theirs: dict
    slots: dict = field(default_factory=dict)
    at: int = 0  # where in optax's chain they are
    exact: bool = False

    def __str__(self):
        return f"{self.cls.__name__}({', '.join(f'{k}={v}' for k, v in self.how.items())})"


F = fastopt
ADAM = {"exp_avg": "mu", "exp_avg_sq": "nu"}
BETAS, B = {"betas": (0.87, 0.97), "eps": 0.05}, {"b1": 0.87, "b2": 0.97, "eps": 0.05}
BETAS3 = {"betas": (0.95, 0.83, 0.97), "eps": 0.05}
B3 = {"b1": 0.95, "b2": 0.83, "b3": 0.97, "eps": 0.05}
WITHOUT_SCHEDULE = {"decoupled_weight_decay": True, "momentum_decay": 1e6}
ADAN = {"exp_avg": "m", "exp_avg_diff": "v", "exp_avg_sq": "n", "previous_grad": "g"}
HESSIAN = {"exp_avg": "mu", "hessian": "nu"}
COIN = {n: n for n in fastopt.COCOB.slots}
MIX = {"exp_avg_fast": "m1", "exp_avg_slow": "m2", "exp_avg_sq": "nu"}
PEERS = [
    Peer(F.SignSGD, {}, "sign_sgd", {}, exact=True),
    Peer(F.Signum, {"momentum": 0.87}, "signum", {"beta": 0.87}, {"momentum_buffer": "ema"}, exact=True),
    Peer(F.Signum, {}, "signum", {}, {"momentum_buffer": "ema"}, exact=True),
    Peer(F.Adamax, {**BETAS, "weight_decay": 0.2, "decoupled_weight_decay": True},
         "adamaxw", {**B, "weight_decay": 0.2}, {"exp_avg": "mu", "exp_inf": "nu"}),
    Peer(F.NAdam, {**BETAS, "weight_decay": 0.2, **WITHOUT_SCHEDULE}, "nadamw",
         {**B, "weight_decay": 0.2}, ADAM),
    Peer(F.AdaBelief, {}, "adabelief", {}, {"exp_avg": "mu", "exp_avg_var": "nu"}),
    Peer(F.AdaBelief, {**BETAS, "eps_root": 0.01, "nesterov": True}, "adabelief",
         {**B, "eps_root": 0.01, "nesterov": True}, {"exp_avg": "mu", "exp_avg_var": "nu"}),
    Peer(F.Yogi, {}, "yogi", {}, ADAM),
    Peer(F.Yogi, BETAS, "yogi", B, ADAM),
    Peer(F.Adan, {}, "adan", {}, ADAN),
    Peer(F.Adan, {**BETAS3, "eps_root": 0.4, "weight_decay": 0.2}, "adan",
         {**B3, "eps_root": 0.4, "weight_decay": 0.2}, ADAN),
    Peer(F.ADOPT, {}, "contrib.adopt", {}, ADAM),
    Peer(F.ADOPT, {**BETAS, "nesterov": True}, "contrib.adopt", {**B, "nesterov": True}, ADAM),
    Peer(F.ADOPT, {**BETAS, "use_clipping": False}, "contrib.adopt", {**B, "use_clipping": False}, ADAM),
    Peer(F.AdEMAMix, {}, "contrib.ademamix", {}, MIX),
    Peer(F.AdEMAMix, {**BETAS3, "alpha": 3.0, "eps_root": 0.4, "weight_decay": 0.2}, "contrib.ademamix",
         {**B3, "alpha": 3.0, "eps_root": 0.4, "weight_decay": 0.2}, MIX),
    Peer(F.SimplifiedAdEMAMix, {**BETAS, "alpha": 3.0, "eps_root": 0.4, "weight_decay": 0.2},
         "contrib.simplified_ademamix", {**B, "alpha": 3.0, "eps_root": 0.4, "weight_decay": 0.2},
         {"exp_avg": "m", "exp_avg_sq": "n"}),
    Peer(F.NoisySGD, {"eta": 0.0}, "noisy_sgd", {"eta": 0.0, "key": 0}),
    Peer(F.Sophia, {}, "contrib.sophia", {}, HESSIAN),
    Peer(F.Sophia, {"betas": (0.87, 0.97), "eps": 0.2, "weight_decay": 0.02, "gamma": 0.3, "clip_threshold": 1.5},
         "contrib.sophia", {"b1": 0.87, "b2": 0.97, "eps": 0.2, "weight_decay": 0.02, "gamma": 0.3,
         "clip_threshold": 1.5}, HESSIAN),
    Peer(F.COCOB, {}, "contrib.cocob", {}, COIN, at=2),
    Peer(F.COCOB, {"alpha": 7.0, "eps": 2.5, "weight_decay": 0.2}, "contrib.cocob",
         {"alpha": 7.0, "eps": 2.5, "weight_decay": 0.2}, COIN, at=2),
]  # fmt: skip


def of_optax(optax, peer, lr):
    place = optax
    for part in peer.name.split("."):
        place = getattr(place, part)
    estimated = {"update_interval": 1, "hessian_diagonal_fn": Curvature()} if peer.cls.folds else {}
    return place(lr, **peer.theirs, **estimated)


class Curvature:
    """An estimator of optax's: what `references.step` gives."""

    def init(self, params):
        return ()

    def update(self, updates, state, params=None, **_):
        return curvature(updates), state


@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_float64(peer, jax64):
    """1,000 steps."""
    compare(peer, np.float64, STEPS, jax64)


@pytest.mark.parametrize("peer", [p for p in PEERS if p.exact], ids=str)
def test_exact_in_float32(peer, jax64):
    compare(peer, np.float32, STEPS, jax64)


def compare(peer, dtype, steps, jax):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    lr = 0.013
    p = start(33, dtype)
    theirs = jax.numpy.asarray(p)
    opt = peer.cls(p, lr=lr, **peer.how)
    rule = of_optax(optax, peer, lr)
    # compiled, it would contract multiplications and additions into one rounding
    state, advance = rule.init(theirs), rule.update if peer.exact else jax.jit(rule.update)
    largest, largest_step, sizes = np.abs(p).max(), 0.0, dict.fromkeys(peer.slots, 0.0)
    for g in gradients(33, dtype, steps):
        step(opt, g)
        updates, state = advance(jax.numpy.asarray(g), state, theirs)
        theirs = optax.apply_updates(theirs, updates)
        largest = max(largest, np.abs(theirs).max())
        largest_step = max(largest_step, np.abs(updates).max())
        for name, slot in peer.slots.items():
            sizes[name] = max(sizes[name], np.abs(getattr(state[peer.at], slot)).max())
    assert theirs.dtype == dtype
    slots = {n for n, v in opt.state[0].items() if isinstance(v, np.ndarray)}
    assert slots == set(peer.slots)
    kept = {n: (opt.state[0][n], getattr(state[peer.at], slot)) for n, slot in peer.slots.items()}
    if peer.exact:
        np.testing.assert_array_equal(p, theirs)
        for mine, slot in kept.values():
            np.testing.assert_array_equal(mine, slot)
        return
    assert np.abs(p - theirs).max() <= 1e-12 * (largest + steps * largest_step)
    for name, (mine, slot) in kept.items():
        assert np.abs(mine - slot).max() <= 1e-12 * sizes[name], name
