"""Steps on a CUDA device: time by its own events, against copies of as much memory, and against torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import fastopt
from benchmarks.steps import stepper
from fastopt.bench.cases import make, shape_of
from fastopt.bench.rounds import Call

_SECONDS = 0.02  # that a measurement lasts at least


def require() -> str:
    """The name of the first device; NotImplementedError, with the reason, where there is none."""
    import importlib.util

    if importlib.util.find_spec("numba_cuda") is None:
        raise NotImplementedError("numba-cuda is not installed (extra: cuda13)")
    from fastopt.drivers.cuda import runtime

    found = runtime.devices()
    if not found:
        raise NotImplementedError("no CUDA device")
    return str(found[0])


def against_copies(name: str, elements: int, dtype: str) -> dict[str, float]:
    """Seconds of a step, ``time``, and of a ``copy`` within the device that moves as many ``bytes``."""
    from fastopt.drivers.cuda import runtime

    cls = getattr(fastopt, name)
    shape = shape_of(elements, cls.dimensions)
    opt = make(cls, _array(shape, dtype, 1.0))
    step = stepper(opt, _array(shape, dtype, 1e-3))
    moved = float(sum(table.bytes for table in opt._workspace.tables))
    half = int(moved) // 2
    source, target = runtime.Memory(half, 0), runtime.Memory(half, 0)
    calls = {"time": step, "copy": lambda: runtime.copy(target.address, source.address, half)}
    return compared(calls) | {"bytes": 2.0 * half}


def launches(name: str, tensors: int) -> float:
    """Kernels that a step of so many tensors starts."""
    from fastopt.drivers.cuda import runtime

    cls = getattr(fastopt, name)
    shape = shape_of(100, cls.dimensions)
    opt = make(cls, [_array(shape, "float32", 1.0) for _ in range(tensors)])
    step = stepper(opt, [_array(shape, "float32", 1e-3) for _ in range(tensors)])
    step()  # compiles
    own, count = runtime.launch, 0

    def counted(*arguments: Any) -> None:
        nonlocal count
        count += 1
        own(*arguments)

    runtime.launch = counted
    try:
        step()
    finally:
        runtime.launch = own
    return float(count)


def against_torch(shapes: list[tuple[int, ...]]) -> dict[str, float]:
    """Seconds of AdamW's step on tensors of torch: ``fastopt``, and torch's own, ``torch``."""
    return compared(beside_torch(shapes))


def beside_torch(
    shapes: list[tuple[int, ...]], clip_norm: float | None = None, capturable: bool = False
) -> dict[str, Call]:
    """AdamW's step on tensors of torch: ``fastopt``, and torch's own fused one, ``torch``."""
    try:
        import torch
    except ImportError as why:
        raise NotImplementedError("torch is not installed") from why
    if not torch.cuda.is_available():
        raise NotImplementedError("this torch finds no CUDA device")
    ours, theirs, grads = (
        [torch.rand(s, device="cuda") * size for s in shapes] for size in (1.0, 1.0, 1e-3)
    )
    for tensor, gradient in zip(theirs, grads, strict=True):
        tensor.requires_grad_().grad = gradient
    peer = torch.optim.AdamW(theirs, lr=1e-3, fused=True, capturable=capturable)
    opt = fastopt.AdamW(ours, lr=1e-3)

    def fused() -> None:
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(theirs, clip_norm, foreach=True)
        peer.step()

    def step() -> None:
        opt.step(grads, stream=torch.cuda.current_stream(), clip_norm=clip_norm)

    return {"fastopt": step, "torch": fused}


def compared(calls: Mapping[str, Call], rounds: int = 7) -> dict[str, float]:
    """Median seconds of each call on the device, in turn, between two events of the default stream."""
    for call in calls.values():
        call()
    loops = {name: max(1, round(_SECONDS / _elapsed(call, 3))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_elapsed(call, loops[name]))
    return {name: float(np.median(values)) for name, values in times.items()}


def _elapsed(call: Call, loops: int) -> float:
    """Seconds for each of so many calls, from the first one's start to the last one's end."""
    from cuda.bindings import driver

    first, last = (_done(driver.cuEventCreate(0)) for _ in range(2))
    _done(driver.cuEventRecord(first, 0))
    for _ in range(loops):
        call()
    _done(driver.cuEventRecord(last, 0))
    _done(driver.cuEventSynchronize(last))
    milliseconds: float = _done(driver.cuEventElapsedTime(first, last))
    for event in (first, last):
        _done(driver.cuEventDestroy(event))
    return milliseconds / 1e3 / loops


def _done(answer: tuple[Any, ...]) -> Any:
    error, *values = answer
    if int(error):
        raise RuntimeError(f"CUDA: {error}")
    return values[0] if values else None


def _array(shape: tuple[int, ...], dtype: str, size: float) -> Any:
    from fastopt.device.arrays import zeros

    made = zeros(shape, np.dtype(dtype), 0)
    made.fill(np.random.default_rng(0).random(shape, np.dtype(dtype)) * size)
    return made
