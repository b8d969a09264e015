"""The optimizers with sums, and their references, against optax and torch."""

from __future__ import annotations

import numpy as np
import pytest
from case import case, inputs_of
from references_sums import (
    adafactor,
    cautious_adamw,
    lamb,
    lars,
    novograd,
    prodigy,
    sm3,
)
from side_by_side import Compiled, References, bowl, errors, gradients, starts

import fastopt

F = fastopt
# the references, which fastopt is held to elsewhere, against the libraries; fastopt itself where all cases are asked for
DTYPES = [pytest.param(np.float32, marks=pytest.mark.full), np.float64]
way = pytest.mark.parametrize("way", ["reference", pytest.param("fastopt", marks=pytest.mark.full)])


@pytest.fixture
def optax():
    """With float64, which is off unless asked for."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield optax
    jax.config.update("jax_enable_x64", before)


class Optax:
    """Steps of a transform of optax's; `slots` gives what it keeps, as lists by fastopt's names.

    It is given the inputs of the class.
    """

    def __init__(self, transform, slots, params, cls=fastopt.Optimizer):
        import jax
        import optax

        @jax.jit
        def step(grads, state, params, inputs):
            updates, state = transform.update(grads, state, params, **inputs)
            return optax.apply_updates(params, updates), state

        self._step, self._slots, self._cls, self._count = step, slots, cls, 0
        self._params = [jax.numpy.asarray(p) for p in params]
        self._state = transform.init(self._params)

    def step(self, grads):
        inputs = inputs_of(self._cls, self._count)
        self._params, self._state = self._step(grads, self._state, self._params, inputs)
        self._count += 1

    @property
    def params(self):
        return [np.asarray(p) for p in self._params]

    @property
    def state(self):
        slots = self._slots(self._state)
        return [
            {n: np.asarray(own[k] if isinstance(own, list) else own) for n, own in slots.items()}
            for k in range(len(self._params))
        ]


def ways(case, params):
    together = any(m.scope == "all" for m in case.cls.measures)
    return {
        "reference": lambda: References(case, params, together),
        "fastopt": lambda: Compiled(case.cls, params, **case.hyperparameters),
    }


def assert_same(peer, found, grads, slack=1):
    worst = errors(peer, found, grads, slack)
    assert max(worst.values()) <= 1, {k: v for k, v in worst.items() if v > 1}


# ---- optax ----------------------------------------------------------------------------------------

ADAM = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.05, "weight_decay": 0.2}
PRODIGY = {"lr": 0.7, "betas": (0.87, 0.97), "eps": 0.5, "estim_lr0": 0.1, "weight_decay": 0.2}
LAMB = [
    case(F.LAMB, lamb, lr=0.013),
    case(F.LAMB, lamb, **ADAM),
    case(F.LAMB, lamb, **ADAM, eps_root=0.4),
]
LARS = [
    case(F.LARS, lars, lr=0.5),
    case(F.LARS, lars, lr=0.13, momentum=0.87, weight_decay=0.2, trust_coefficient=0.03, eps=0.5),
    case(F.LARS, lars, lr=0.13, momentum=0.87, weight_decay=0.2, trust_coefficient=0.03, nesterov=True),
]  # fmt: skip
NOVOGRAD = [
    case(F.NovoGrad, novograd, lr=0.013),
    case(F.NovoGrad, novograd, lr=0.013, betas=(0.87, 0.37), eps=0.5, weight_decay=0.2, eps_root=4.0),
]  # fmt: skip
SM3 = [
    case(F.SM3, sm3, lr=0.013),
    case(F.SM3, sm3, lr=0.13, momentum=0.37),
]
PRODIGIES = [
    case(F.Prodigy, prodigy, **PRODIGY, estim_lr_coef=0.3),
    case(F.Prodigy, prodigy, **PRODIGY, beta3=0.95, estim_lr_coef=0.3, safeguard_warmup=True),
]


def transform(optax, cls, h):
    """optax's transform with these hyperparameters, and its slots."""
    h = dict(h)
    lr = h.pop("lr", 1.0)
    if cls in (F.LAMB, F.NovoGrad) and "betas" in h:
        h["b1"], h["b2"] = h.pop("betas")
    if cls is F.LAMB:
        return optax.lamb(lr, **h), lambda s: {"exp_avg": s[0].mu, "exp_avg_sq": s[0].nu}
    if cls is F.NovoGrad:
        return optax.novograd(lr, **h), lambda s: {"exp_avg": s[0].mu, "exp_avg_sq": s[0].nu}
    if cls is F.LARS:
        return optax.lars(lr, **h), lambda s: {"momentum_buffer": [-b for b in s[-1].trace]}
    if cls is F.SM3:
        return optax.sm3(lr, **h), lambda s: {"momentum_buffer": s[0].nu}
    kept = ("exp_avg", "exp_avg_sq", "grad_sum", "params0", "estim_lr", "numerator_weighted")
    return optax.contrib.prodigy(lr, **h), lambda s: {name: getattr(s, name) for name in kept}


@way
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [*LAMB, *LARS, *NOVOGRAD], ids=str)
def test_optax(optax, case, dtype, way):
    params = starts(dtype)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params)
    assert_same(peer, ways(case, params)[way](), gradients(dtype))


@way
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PRODIGIES, ids=str)
def test_optax_prodigy(optax, case, dtype, way):
    """With the slack of test_formulas.test_torch for what is kept, for optax's own sums are of float32.

    Of the reference's numerator_weighted in float32, its own in float64 is 6 units apart, optax's 22.
    """
    params = starts(dtype)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params)
    assert_same(peer, ways(case, params)[way](), gradients(dtype), slack=4)


@way
@pytest.mark.parametrize(
    "case", [case(F.Prodigy, prodigy), case(F.Prodigy, prodigy, lr=0.5)], ids=str
)
def test_optax_prodigy_from_its_default(optax, case, way):
    """In float64: of a float32, the first p - params0 are a few units in the last place."""
    params = starts(np.float64)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params)
    assert_same(peer, ways(case, params)[way](), bowl(peer))
    assert peer.state[0]["estim_lr"] > 1e-2


@way
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SM3, ids=str)
def test_optax_sm3(optax, case, dtype, way):
    """Of two dimensions at most; larger tensors are there what they are here as lists of matrices."""
    shapes = ((7,), (33,), (5, 9), (40, 130), *[(4, 5)] * 3)
    params = starts(dtype, shapes)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params)
    mine = [*params[:4], np.stack(params[4:])]
    found = ways(case, mine)[way]()

    class Apart:
        """The last tensor's matrices one by one."""

        def step(self, grads):
            found.step([*grads[:4], np.stack(grads[4:])])

        @property
        def params(self):
            return [*found.params[:4], *found.params[4]]

        @property
        def state(self):
            *own, last = found.state
            return own + [{n: v[k] for n, v in last.items()} for k in range(3)]

    assert_same(peer, Apart(), gradients(dtype, shapes))
    state = Apart().state
    for own, accumulators in zip(state, peer._state[0].mu, strict=True):
        names = (
            ["accumulator"] if len(accumulators) == 1 else ["row_accumulator", "col_accumulator"]
        )
        for name, theirs in zip(names, accumulators, strict=True):
            np.testing.assert_allclose(
                own[name].ravel(), theirs, rtol=1e-12 if dtype == np.float64 else 1e-6
            )


# ---- torch ----------------------------------------------------------------------------------------


class Torch:
    def __init__(self, name, params, **hyperparameters):
        import torch

        self._torch = torch
        self._params = [torch.tensor(p, requires_grad=True) for p in params]
        self._opt = getattr(torch.optim, name)(self._params, **hyperparameters)

    def step(self, grads):
        for p, g in zip(self._params, grads, strict=True):
            p.grad = self._torch.tensor(g)
        self._opt.step()

    @property
    def params(self):
        return [p.detach().numpy().copy() for p in self._params]

    @property
    def state(self):
        own = [self._opt.state[p] for p in self._params]
        return [{n: v.numpy() for n, v in s.items() if n != "step"} for s in own]


@way
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {"lr": 0.013, "beta2_decay": -0.7, "eps": (0.3, 0.02), "d": 1.0, "weight_decay": 0.2},
        {"lr": 0.13, "beta2_decay": -0.9, "eps": (None, 0.8), "d": 1.05, "weight_decay": 1.1},
        {"lr": 0.13, "eps": (2.2, 0.02), "weight_decay": 1.1, "maximize": True},
    ],
    ids=str,
)
def test_torch_adafactor(hyperparameters, dtype, way):
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    params = starts(dtype)
    own = case(F.Adafactor, adafactor, **hyperparameters)
    assert_same(
        Torch("Adafactor", params, **hyperparameters), ways(own, params)[way](), gradients(dtype)
    )


@way
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-6, 1e-9])
def test_torch_adafactor_with_small_gradients(scale, dtype, way):
    """So small that the machine epsilon decides, in both of its places."""
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    params = starts(dtype)
    peer = Torch("Adafactor", params, lr=0.013)
    found = ways(case(F.Adafactor, adafactor, lr=0.013), params)[way]()
    small = ([dtype(scale) * x for x in g] for g in gradients(dtype))
    assert_same(peer, found, small)


@way
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_adamw_while_all_agree(dtype, way):
    """Gradients that keep their signs: the mask is 1, and without epsilon and decay the step is AdamW's."""
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    params = starts(dtype)
    h = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.0, "weight_decay": 0.0}
    peer = Torch("AdamW", params, **h)
    found = ways(case(F.CautiousAdamW, cautious_adamw, **h), params)[way]()
    same = ([np.asarray(np.abs(x) * np.sign(p), dtype) for x, p in zip(g, params, strict=True)]
            for g in gradients(dtype))  # fmt: skip
    assert_same(peer, found, same)


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_adafactor_state_goes_both_ways(dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from fastopt.interop.torch import to_state_dict

    params = starts(dtype)
    one, grads = Torch("Adafactor", params, lr=0.05, weight_decay=0.1), gradients(dtype, steps=9)
    for _ in range(3):
        one.step(next(grads))
    here = one.params
    opt = fastopt.Adafactor(here)
    opt.load_state_dict(one._opt.state_dict())
    for _ in range(3):
        g = next(grads)
        one.step(g)
        opt.step(g)
    other = Torch("Adafactor", here)
    other._opt.load_state_dict(to_state_dict(opt))
    for g in grads:
        one.step(g)
        other.step(g)
    unit = 64 * np.finfo(dtype).eps
    for mine, theirs in zip(other.params, one.params, strict=True):
        assert np.abs(mine - theirs).max() <= unit * np.abs(theirs).max()
    assert other._opt.param_groups[0]["eps"] == (None, 1e-3)
    assert torch.equal(*[w._opt.state[w._params[0]]["step"] for w in (one, other)])
