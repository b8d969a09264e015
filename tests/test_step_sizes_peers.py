"""The optimizers that find the size of their steps, and their references, against optax and torch."""

from __future__ import annotations

import numpy as np
import pytest
from case import case
from references_step_sizes import (
    dadapt_adamw,
    dog,
    dowg,
    fromage,
    momo,
    momo_adam,
    polyak_sgd,
)
from side_by_side import bowl, gradients, starts
from test_sums_peers import Optax, assert_same, way, ways

import fastopt

pytest.importorskip("optax", reason="optax is not installed")

F = fastopt
ADAM = {"betas": (0.87, 0.97), "eps": 0.05}
CASES = [
    case(F.Fromage, fromage),
    case(F.Fromage, fromage, lr=0.013, min_norm=9.0),
    case(F.DoG, dog, lr=0.7, init_step=0.01, eps=5.0, weight_decay=0.2),
    case(F.DoG, dog, lr=0.7, init_step=0.02, init_step_type="distance"),
    case(F.DoG, dog, lr=0.7, init_step=0.003, init_step_type="learning_rate"),
    case(F.DoWG, dowg),
    case(F.DoWG, dowg, lr=0.7, init_estim_sq_dist=0.3, eps=0.05, weight_decay=0.2),
    case(F.DAdaptAdamW, dadapt_adamw, lr=0.05, betas=(0.87, 0.97), eps=0.5, estim_lr0=0.1, weight_decay=0.2),
    case(F.PolyakSGD, polyak_sgd, lr=0.017),
    case(F.PolyakSGD, polyak_sgd, lr=0.017, scaling=0.7, f_min=1.3, eps=5.0),
    case(F.PolyakSGD, polyak_sgd, lr=0.017, scaling=0.7, f_min=1.3, eps=5.0, variant="sps+"),
    case(F.MoMo, momo, lr=0.013),
    case(F.MoMo, momo, lr=0.013, beta=0.87, lower_bound=0.3, weight_decay=0.2),
    case(F.MoMo, momo, lr=0.013, beta=0.87, lower_bound=-4.0, weight_decay=0.2, adapt_lower_bound=True),
    case(F.MoMoAdam, momo_adam),
    case(F.MoMoAdam, momo_adam, lr=0.013, **ADAM, lower_bound=0.3, weight_decay=0.2),
    case(F.MoMoAdam, momo_adam, lr=0.013, **ADAM, lower_bound=-4.0, weight_decay=0.2, adapt_lower_bound=True),
]  # fmt: skip


def transform(optax, cls, h):
    """optax's transform with these hyperparameters, and what it keeps."""
    h = dict(h)
    lr = h.pop("lr", 0.01 if cls in (F.Fromage, F.MoMoAdam) else 1.0)
    kept = lambda at, names: lambda s: {n: getattr(s[at] if at else s, n) for n in names}
    if cls is F.Fromage:
        return optax.fromage(lr, **h), lambda s: {}
    if cls is F.PolyakSGD:
        # optax.polyak_sgd takes the norm of scaling * g, other than its documentation says
        after = optax.sgd(h.pop("scaling", 1.0))
        return optax.chain(optax.scale_by_polyak(max_learning_rate=lr, **h), after), lambda s: {}
    if cls is F.DoG:
        h["init_step"] = h.pop("init_step_type", "heuristic"), h.pop("init_step")
        return optax.contrib.dog(lr, **h), kept(1, ("init_params", "max_dist", "sum_sq_norm_grads"))
    if cls is F.DoWG:
        names = ("init_params", "estim_sq_dist", "weighted_sq_norm_grads")
        return optax.contrib.dowg(lr, **h), kept(1, names)
    if cls is F.DAdaptAdamW:
        names = ("exp_avg", "exp_avg_sq", "grad_sum", "estim_lr", "numerator_weighted")
        return optax.contrib.dadapt_adamw(lr, **h), kept(0, names)
    names = ("exp_avg", "barf", "gamma", "lb")
    if cls is F.MoMo:
        return optax.contrib.momo(lr, **h), kept(0, names)
    if "betas" in h:
        h["b1"], h["b2"] = h.pop("betas")
    return optax.contrib.momo_adam(lr, **h), kept(0, (*names, "exp_avg_sq"))


@way
@pytest.mark.parametrize("case", CASES, ids=str)
def test_optax(jax64, case, way):
    """In float64: in float32 optax adds up in float32 too, and what is found from its sums follows their errors."""
    import optax

    params = starts(np.float64)
    peer = Optax(*transform(optax, case.cls, case.hyperparameters), params, case.cls)
    assert_same(peer, ways(case, params)[way](), gradients(np.float64))


@way
def test_optax_from_its_defaults(jax64, way):
    """Where they come from 1e-6 to rates that go somewhere, on a bowl."""
    import optax

    for cls, reference in ((F.DoG, dog), (F.DAdaptAdamW, dadapt_adamw)):
        params = starts(np.float64)
        peer = Optax(*transform(optax, cls, {"init_step": 1e-6} if cls is F.DoG else {}), params)
        own = case(cls, reference)
        assert_same(peer, ways(own, params)[way](), bowl(peer))


def test_optax_polyak_sgd_by_itself(jax64):
    import optax

    own, params = case(F.PolyakSGD, polyak_sgd, lr=0.017), starts(np.float64)
    peer = Optax(optax.polyak_sgd(0.017), lambda s: {}, params, F.PolyakSGD)
    assert_same(peer, ways(own, params)["fastopt"](), gradients(np.float64))


def test_rows_of_one_column_are_torchs_adagrad():
    """There a row's mean is its element's square."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    how = {
        "lr": 0.13,
        "lr_decay": 0.01,
        "weight_decay": 0.02,
        "initial_accumulator_value": 0.3,
        "eps": 5.0,
    }
    params = starts(np.float64, ((33, 1), (7,)))
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    opt, peer = F.RowwiseAdagrad(params, **how), torch.optim.Adagrad(tensors, **how)
    for grads in gradients(np.float64, ((33, 1), (7,)), steps=100):
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(g)
        peer.step()
        opt.step(grads)
    for p, tensor in zip(params, tensors, strict=True):
        np.testing.assert_allclose(p, tensor.detach(), rtol=1e-12)
