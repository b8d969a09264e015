"""The optimizers of references_momenta.py against optax, and with hyperparameters that change on the way."""

from __future__ import annotations

import numpy as np
import pytest
from case import case
from references_momenta import (
    acprop,
    laprop,
    madgrad,
    optimistic_adam,
    optimistic_gd,
    qhadam,
)
from side_by_side import Compiled, References, errors, gradients, starts
from test_sums_peers import DTYPES, Optax, assert_same, optax, way, ways  # noqa: F401

import fastopt

F = fastopt
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
ADAM = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.05}
CASES = [
    case(F.ACProp, acprop, lr=0.013),
    case(F.ACProp, acprop, **ADAM, eps_root=0.002, weight_decay=0.2),
    case(F.OptimisticGD, optimistic_gd, lr=0.013),
    case(F.OptimisticGD, optimistic_gd, lr=0.013, alpha=0.8, beta=1.3),
    case(F.OptimisticAdam, optimistic_adam, lr=0.013),
    case(F.OptimisticAdam, optimistic_adam, **ADAM, alpha=0.8, beta=1.3, eps_root=0.4),
    case(F.OptimisticAdam, optimistic_adam, **ADAM, alpha=0.8, beta=1.3, nesterov=False),
    case(F.MADGRAD, madgrad, lr=0.013),
    case(F.MADGRAD, madgrad, lr=0.13, momentum=0.87, weight_decay=0.2, eps=0.05),
]


def transform(optax, cls, h):  # noqa: F811
    """optax's transform with these hyperparameters, and its slots."""
    h = dict(h)
    if "betas" in h:
        h["b1"], h["b2"] = h.pop("betas")
    lr = h.pop("lr")
    if cls is F.ACProp:
        kept = lambda s: {"exp_avg": s[0].mu, "exp_avg_var": s[0].nu}
        return optax.contrib.acprop(lr, **h), kept
    if cls is F.OptimisticGD:
        kept = lambda s: {"previous_gradient": s[0].previous_gradient}
        return optax.optimistic_gradient_descent(lr, **h), kept
    if cls is F.OptimisticAdam:
        kept = lambda s: {
            "exp_avg": s[0].mu, "exp_avg_sq": s[0].nu, "previous_step": s[1].previous_gradient,
        }  # fmt: skip
        return optax.optimistic_adam_v2(lr, **h), kept
    kept = lambda s: {name: getattr(s[1], name) for name in ("grad_sum_sq", "s", "x0")}
    return optax.contrib.madgrad(lr, **h), kept


@way
@each_dtype
@pytest.mark.parametrize("case", CASES, ids=str)
def test_optax(optax, case, dtype, way):  # noqa: F811
    """With the slack of test_formulas.test_torch for what is kept, whose roundings are optax's own."""
    import jax

    params = starts(dtype)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params)
    # of a count of 32 bits, madgrad takes the root in float32
    peer._state = jax.tree.map(
        lambda x: x.astype("int64") if x.dtype == "int32" else x, peer._state
    )
    assert_same(peer, ways(case, params)[way](), gradients(dtype), slack=4)


class Changing:
    """A way whose hyperparameters change in every step."""

    def __init__(self, way, assign, values):
        self._way, self._assign, self._values = way, assign, iter(values)

    def step(self, grads):
        self._assign(next(self._values))
        self._way.step(grads)

    params = property(lambda self: self._way.params)
    state = property(lambda self: self._way.state)


@each_dtype
@pytest.mark.parametrize(
    ("cls", "reference", "values"),
    [
        (F.LaProp, laprop, [{"lr": 0.05 / (1 + t % 7)} for t in range(250)]),
        (F.QHAdam, qhadam, [{"betas": (0.9 - t % 3 / 4, 0.99 - t % 5 / 8)} for t in range(250)]),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_running_numbers_follow_what_changes(cls, reference, values, dtype):
    """LaProp's mean of learning rates, and the sums of weights of QHAdam."""
    params, h = starts(dtype), {"lr": 0.013, "eps": 0.05}
    own = case(cls, reference, **h)
    mine = Compiled(cls, params, **h)
    expected = Changing(References(own, params, False), own.hyperparameters.update, values)
    found = Changing(mine, mine._opt.param_groups[0].update, values)
    worst = errors(expected, found, gradients(dtype))
    assert max(worst.values()) <= 1, {k: v for k, v in worst.items() if v > 1}


@each_dtype
def test_madgrad_without_epsilon_leaves_what_has_no_gradient(dtype):
    p = starts(dtype, ((5,),))[0]
    before, opt = p.copy(), F.MADGRAD(p, eps=0.0, momentum=0.5)
    for _ in range(3):
        opt.step(np.array([0, 1, 0, 0, -2], dtype))
    assert (p != before).tolist() == [False, True, False, False, True]


def test_signs_that_neither_agree_nor_differ():
    """An average that is exactly 0 multiplies by nothing."""
    for cls, step in ((F.PowerSign, 1.0), (F.AddSign, 1.0)):
        p = np.zeros(1)
        opt = cls(p, lr=1.0, beta=0.5)
        opt.step(np.array([2.0]))
        p[0] = 0.0
        opt.step(np.array([-1.0]))
        assert opt.state[0]["exp_avg"] == 0
        assert p[0] == step


def test_schedules_let_the_signs_fade():
    p = np.zeros(1)
    opt = F.AddSign(p, lr=1.0, sign_decay=fastopt.schedules.linear_schedule(1.0, 0.0, 4))
    for t in range(6):
        p[0] = 0.0
        opt.step(np.ones(1))
        assert p[0] == -(1 + max(0, 1 - t / 4))


@pytest.mark.parametrize(
    ("make", "like"),
    [
        (lambda p: F.QHM(p, lr=0.13, momentum=0.87, nu=1.0),
         lambda p: F.Momentum(p, lr=0.13, momentum=0.87, form="ema")),
        (lambda p: F.AggMo(p, lr=0.13, beta1=0.87, beta2=0.87, beta3=0.87),
         lambda p: F.SGD(p, lr=0.13, momentum=0.87)),
        (lambda p: F.QHAdam(p, lr=0.13, eps=0.05), lambda p: F.Adam(p, lr=0.13, eps=0.05)),
        (lambda p: F.OptimisticGD(p, lr=0.13, beta=0.0), lambda p: F.SGD(p, lr=0.13)),
        (lambda p: F.OptimisticAdam(p, lr=0.13, eps=0.05, beta=0.0, nesterov=False),
         lambda p: F.Adam(p, lr=0.13, eps=0.05)),
        (lambda p: F.AddSign(p, lr=0.13, sign_decay=0.0), lambda p: F.SGD(p, lr=0.13)),
        (lambda p: F.PowerSign(p, lr=0.13, sign_decay=0.0), lambda p: F.SGD(p, lr=0.13)),
    ],
)  # fmt: skip
def test_special_cases(make, like):
    p, q = (starts(np.float64, ((33,),))[0] for _ in range(2))
    one, other = make(p), like(q)
    for (g,) in gradients(np.float64, ((33,),)):
        one.step(g)
        other.step(g)
    np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-11)
