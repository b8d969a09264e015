"""State of fastopt's optimizers for torch.optim's (needs the extra ``torch``).

The other way needs nothing from here: ``opt.load_state_dict(torch_optimizer.state_dict())``.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch

from fastopt.optimizer import Optimizer


def to_state_dict(opt: Optimizer) -> dict[str, Any]:
    """What ``torch.optim.Optimizer.load_state_dict`` of the class with the same name accepts.

    Parameters
    ----------
    opt : Optimizer
        Of a class that torch.optim has, with hyperparameters that it knows.

    Returns
    -------
    dict
        With tensors that share no memory with the optimizer.

    Raises
    ------
    TypeError
        If torch.optim has no class of this name.
    ValueError
        If a hyperparameter that torch does not know is away from its default.

    Examples
    --------
    >>> import torch
    >>> from fastopt.interop.torch import to_state_dict
    >>> w = np.ones(3, np.float32)
    >>> opt = fastopt.AdamW(w, lr=0.1)
    >>> info = opt.step(np.ones(3, np.float32))
    >>> peer = torch.optim.AdamW([torch.from_numpy(w)], lr=0.5)
    >>> peer.load_state_dict(to_state_dict(opt))
    >>> peer.param_groups[0]["lr"]
    0.1
    """
    name = type(opt).__name__
    peer = getattr(torch.optim, name, None)
    if peer is None or not isinstance(opt, Optimizer):
        raise TypeError(f"to_state_dict: torch.optim has no {name}")
    sample = torch.zeros((1,) * (opt.dimensions or 1))
    fresh = peer([sample], **_shared(opt, peer))
    template = fresh.param_groups[0]
    saved = opt.state_dict()
    groups = []
    for group in saved["param_groups"]:
        _refuse_unknown(opt, group, template)
        groups.append({**template, **{k: v for k, v in group.items() if k in template}})
    eager = bool(fresh.state)  # such as Adagrad's: torch expects an entry for every parameter
    keeps_step = eager or _keeps_step(fresh)
    state = {
        key: _entry(entry, keeps_step)
        for key, entry in saved["state"].items()
        if entry["step"] or eager
    }
    return {"state": state, "param_groups": groups}


def _shared(opt: Optimizer, peer: Any) -> dict[str, Any]:
    known = inspect.signature(peer).parameters
    return {k: v for k, v in opt.param_groups[0].items() if k in known and k != "params"}


def _refuse_unknown(opt: Optimizer, group: dict[str, Any], template: dict[str, Any]) -> None:
    arguments = inspect.signature(type(opt).__init__).parameters
    for name, value in group.items():
        if name in ("params", "param_names") or name in template:
            continue
        if name in arguments and value != arguments[name].default:
            raise ValueError(
                f"to_state_dict: {name} is {value!r}, but torch.optim.{type(opt).__name__} has no {name}"
            )


def _keeps_step(peer: Any) -> bool:
    (p,) = peer.param_groups[0]["params"]
    p.grad = torch.zeros_like(p)
    peer.step()
    return "step" in peer.state[p]


def _entry(entry: dict[str, Any], keeps_step: bool) -> dict[str, Any]:
    slots = {k: torch.from_numpy(v) for k, v in entry.items() if isinstance(v, np.ndarray)}
    running = {
        k: torch.tensor(v, dtype=torch.float64) for k, v in entry.items() if isinstance(v, float)
    }
    step = {"step": torch.tensor(float(entry["step"]))} if keeps_step else {}
    return {**step, **running, **slots}
