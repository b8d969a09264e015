"""Optimizers of arrays on a CUDA device: imported when the first such parameter is given."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.device.arrays import DeviceArray, adopt
from fastopt.device.runner import DeviceRunner
from fastopt.device.workspace import DeviceWorkspace
from fastopt.formula import Formula
from fastopt.tree import on_device
from fastopt.workspace import Workspace

__all__ = ["DeviceArray", "adopted", "check_copied", "copies_by_id", "moved"]


def adopted(
    w: Workspace, optimizer: type[Formula], parameters: Sequence[Any], names: Sequence[str]
) -> tuple[list[DeviceArray], int]:
    """Parameters by their interfaces, and the number of their device.

    Raises
    ------
    TypeError
        If some are in host memory, or the optimizer has no kernels for a device.
    ValueError
        If they are on different devices.
    """
    if w.parameters and not w.on_device:
        raise TypeError(
            f"parameter {names[0]} is on a CUDA device; expected host memory, like the first parameters'"
        )
    for p, name in zip(parameters, names, strict=True):
        if not on_device(p):
            where = "in host memory" if isinstance(p, np.ndarray) else f"a {type(p).__name__}"
            raise TypeError(
                f"parameter {name} is {where}, others on a CUDA device; expected all in one place"
            )
    found = [adopt(p, f"parameter {name}") for p, name in zip(parameters, names, strict=True)]
    places = {p.device: name for p, name in zip(found, names, strict=True) if p.nbytes}
    if isinstance(w, DeviceWorkspace):
        places.setdefault(w.device, w.names[0])
    if len(places) > 1:
        where = " and ".join(f"{name} on {number}" for number, name in places.items())
        raise ValueError(f"parameters are on several devices: {where}; expected one device")
    _require_kernels(optimizer)
    return found, next(iter(places), 0)


def _require_kernels(optimizer: type[Formula]) -> None:
    if optimizer.storages:
        raise TypeError(
            f"{optimizer.__name__} has no CUDA kernels yet: its slots are packed; keep its parameters in host memory"
        )


def moved(w: Workspace, device: int) -> tuple[DeviceWorkspace, DeviceRunner]:
    """An empty workspace on a device in the place of one in host memory, and its runner."""
    workspace = DeviceWorkspace(w.declared, device)
    return workspace, DeviceRunner(workspace)


def check_copied(w: Workspace, twin: Workspace) -> None:
    """Refuse a deep copy of a workspace whose parameters are other objects over the same memory.

    How others' arrays are copied is theirs to say, and not every library that makes them says it.
    """
    mine, theirs = ([p for group in each.groups for p in group["params"]] for each in (w, twin))
    for k, (p, q) in enumerate(zip(mine, theirs, strict=True)):
        same = w.parameters[k].nbytes and (
            w.parameters[k].ctypes.data == twin.parameters[k].ctypes.data
        )
        if p is not q and same:
            raise TypeError(
                f"deepcopy: parameter {w.names[k]} is a {type(p).__name__}, whose copy shares its memory; expected an "
                "array that copy.deepcopy copies, such as one of PyTorch or CuPy"
            )


def copies_by_id(w: Workspace) -> dict[int, Any]:
    """Copies of the parameters after all steps so far, whatever library they are of, by the ids of these."""
    w.settle()
    given = [p for group in w.groups for p in group["params"]]
    return {id(p): copy.deepcopy(own) for p, own in zip(given, w.parameters, strict=True)}
