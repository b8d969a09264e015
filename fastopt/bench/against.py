"""Steps of other libraries over the same arrays, or the reason why there is none."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from fastopt.bench.rounds import Call


def torch_step(
    name: str, parameter: np.ndarray, gradient: np.ndarray, **hyperparameters: Any
) -> Call | str:
    """torch.optim's step, fused where it can be, with as many threads as fastopt uses; else the reason."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed (extra: torch)"
    import torch

    import fastopt

    found = getattr(torch.optim, name, None)
    if not isinstance(found, type):
        return f"torch.optim has no {name}"
    torch.set_num_threads(fastopt.get_num_threads())
    tensor = torch.from_numpy(parameter).requires_grad_()
    tensor.grad = torch.from_numpy(gradient)
    try:
        peer = found([tensor], lr=1e-3, fused=True, **hyperparameters)
    except (TypeError, RuntimeError):
        peer = found([tensor], lr=1e-3, **hyperparameters)
    try:
        peer.step()
    except RuntimeError as error:  # it takes sparse gradients only
        return f"torch.optim.{name}: {error}"
    return peer.step  # type: ignore[no-any-return]


#: By name: what gives the step of ``(optimizer, parameter, gradient)``.
PEERS: dict[str, Callable[..., Call | str]] = {"torch": torch_step}
