"""The optimizers of other libraries by fastopt's names, each as a step over one array; None where there is none."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

import fastopt
from fastopt.bench import against
from fastopt.bench.rounds import Call

# Where optax has an optimizer under another name than fastopt's in small letters.
_OPTAX = {
    "ADOPT": "contrib.adopt",
    "AdEMAMix": "contrib.ademamix",
    "COCOB": "contrib.cocob",
    "DAdaptAdamW": "contrib.dadapt_adamw",
    "DoG": "contrib.dog",
    "DoWG": "contrib.dowg",
    "MoMo": "contrib.momo",
    "MoMoAdam": "contrib.momo_adam",
    "Muon": "contrib.muon",
    "NoisySGD": "noisy_sgd",
    "OptimisticAdam": "optimistic_adam_v2",
    "OptimisticGD": "optimistic_gradient_descent",
    "PolyakSGD": "polyak_sgd",
    "Prodigy": "contrib.prodigy",
    "ScheduleFreeAdamW": "contrib.schedule_free_adamw",
    "ScheduleFreeSGD": "contrib.schedule_free_sgd",
    "SignSGD": "sign_sgd",
    "SimplifiedAdEMAMix": "contrib.simplified_ademamix",
}


def torch_step(name: str, parameter: np.ndarray, gradient: np.ndarray, **extra: Any) -> Call | None:
    """torch.optim's, fused where it can be."""
    found = against.torch_step(name, parameter, gradient, **extra)
    return None if isinstance(found, str) else found


def torch_adamw(grads: list[np.ndarray], **how: Any) -> Call | None:
    """torch.optim.AdamW over tensors of these gradients' shapes."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(fastopt.get_num_threads())
    params = [torch.nn.Parameter(torch.ones(g.shape)) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.from_numpy(g)
    return torch.optim.AdamW(params, **how).step


def torch_whole(grads: list[np.ndarray]) -> Call | None:
    """Fused AdamW with clip_grad_norm_, and the average by _foreach_lerp_."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(fastopt.get_num_threads())
    params = [torch.nn.Parameter(torch.ones(g.shape)) for g in grads]
    average = [p.detach().clone() for p in params]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.from_numpy(g)
    opt = torch.optim.AdamW(params, fused=True)

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        torch._foreach_lerp_(average, [p.detach() for p in params], 0.001)

    return step


def torch_rows(rows: np.ndarray, grads: np.ndarray, height: int) -> Call | None:
    """torch.optim.SparseAdam over a table of so many rows."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(fastopt.get_num_threads())
    table = torch.zeros((height, grads.shape[1]), requires_grad=True)
    opt = torch.optim.SparseAdam([table])
    indices, values = torch.from_numpy(rows[None]), torch.from_numpy(grads)

    def step() -> None:
        table.grad = torch.sparse_coo_tensor(indices, values, table.shape, check_invariants=False)
        opt.step()

    return step


def optax_step(name: str, parameter: np.ndarray, gradient: np.ndarray) -> Call | None:
    """optax's, compiled with the addition of its updates, over donated arrays."""
    if importlib.util.find_spec("optax") is None:
        return None
    import optax

    found: Any = optax
    for part in _OPTAX.get(name, name.lower()).split("."):
        found = getattr(found, part, None)
    if found is None:
        return None
    step, _ = compiled(_made(found), parameter, gradient)
    return step


def compiled(
    transformation: Any, parameter: np.ndarray, gradient: np.ndarray
) -> tuple[Call, Callable[[], Any]]:
    """A step of an optax transformation over arrays that are donated to it, and what gives the parameter."""
    run, value = donating(transformation, parameter, gradient)

    def step() -> None:
        run()
        value().block_until_ready()

    return step, value


def donating(
    transformation: Any, parameter: np.ndarray, gradient: np.ndarray
) -> tuple[Call, Callable[[], Any]]:
    """The same without waiting for what a step was asked for."""
    import jax
    import optax

    rule = optax.with_extra_args_support(transformation)
    g = jax.numpy.asarray(gradient)
    p = jax.numpy.array(parameter)  # a copy, as it is given away
    kept = [p, rule.init(p)]

    @jax.jit
    def init_apart(state: Any) -> Any:  # donated arrays must not be one and the same
        is_key = jax.dtypes.prng_key
        return jax.tree.map(lambda a: a if jax.numpy.issubdtype(a.dtype, is_key) else a + 0, state)

    kept[1] = init_apart(kept[1])

    def update(p: Any, state: Any, g: Any) -> Any:
        change, state = rule.update(g, state, p, value=1.0)
        return optax.apply_updates(p, change), state

    run = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        kept[:] = run(*kept, g)

    return step, lambda: kept[0]


def _made(factory: Callable[..., Any]) -> Any:
    for arguments in ({"learning_rate": 1e-3}, {}, {"max_learning_rate": 1e-3}):
        try:
            return factory(**arguments)
        except TypeError:
            continue
    raise TypeError(f"{factory} takes no rate that is known")
