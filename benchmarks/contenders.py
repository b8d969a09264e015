"""AdamW by everybody who has it for arrays in the memory of a CPU, each over one array.

All take the same gradient and start from equal parameters; tests/test_benchmarks.py shows that they compute the same.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

import fastopt
from benchmarks import peers
from benchmarks.steps import MODES, arrays
from benchmarks.timing import Call, compared
from fastopt import measure
from fastopt.cli.trainer import BufferedAdam, TextbookAdam

RATE, DECAY = 1e-6, 1e-2


class Contender(NamedTuple):
    """A step, and where its parameters are."""

    step: Call
    parameters: Callable[[], Any]


class Absent(Exception):
    """Who is not here, and why."""


def _fastopt(p: np.ndarray, g: np.ndarray) -> Contender:
    opt = fastopt.AdamW(p, lr=RATE, weight_decay=DECAY)
    return Contender(lambda: opt.step(g), lambda: p)


def _twin(p: np.ndarray, g: np.ndarray) -> Contender:
    twin = measure.Twin(fastopt.AdamW(p))
    return Contender(lambda: twin.step(g), lambda: p)


def _numpy(adam: Any) -> Callable[[np.ndarray, np.ndarray], Contender]:
    def make(p: np.ndarray, g: np.ndarray) -> Contender:
        opt, kept = adam([p], RATE), p.dtype.type(1 - RATE * DECAY)

        def step() -> None:
            np.multiply(p, kept, out=p)  # decoupled decay comes first
            opt.step([g])

        return Contender(step, lambda: p)

    return make


def _tensor(p: np.ndarray, g: np.ndarray) -> Any:
    try:
        import torch
    except ImportError as missing:
        raise Absent(f"torch cannot be imported: {missing}") from missing
    torch.set_num_threads(fastopt.get_num_threads())
    tensor = torch.nn.Parameter(torch.from_numpy(p))
    tensor.grad = torch.from_numpy(g)
    return tensor


def _torch(**how: bool) -> Callable[[np.ndarray, np.ndarray], Contender]:
    def make(p: np.ndarray, g: np.ndarray) -> Contender:
        tensor = _tensor(p, g)
        from torch.optim import AdamW

        opt = AdamW([tensor], lr=RATE, weight_decay=DECAY, **how)
        return Contender(opt.step, lambda: p)

    return make


def _deepspeed(p: np.ndarray, g: np.ndarray) -> Contender:
    tensor = _tensor(p, g)
    try:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
        with contextlib.redirect_stdout(io.StringIO()):
            from deepspeed.ops.adam import DeepSpeedCPUAdam

            opt = DeepSpeedCPUAdam([tensor], lr=RATE, weight_decay=DECAY, adamw_mode=True)
    except ImportError as missing:
        raise Absent(f"deepspeed cannot be imported: {missing}") from missing
    except (RuntimeError, OSError) as failed:  # it compiles itself with a C++ compiler and ninja
        first = str(failed).strip().splitlines()[0]
        raise Absent(f"DeepSpeed's CPUAdam cannot be built: {first}") from failed
    return Contender(opt.step, lambda: p)


def _bitsandbytes(name: str) -> Callable[[np.ndarray, np.ndarray], Contender]:
    def make(p: np.ndarray, g: np.ndarray) -> Contender:
        tensor = _tensor(p, g)
        try:
            import bitsandbytes
        except ImportError as missing:
            raise Absent(f"bitsandbytes cannot be imported: {missing}") from missing
        opt = getattr(bitsandbytes.optim, name)([tensor], lr=RATE, weight_decay=DECAY)
        return Contender(opt.step, lambda: p)

    return make


def _optax(p: np.ndarray, g: np.ndarray) -> Contender:
    try:
        import optax
    except ImportError as missing:
        raise Absent(f"optax cannot be imported: {missing}") from missing
    rule = optax.adamw(RATE, weight_decay=DECAY)
    return Contender(*peers.compiled(rule, p, g))


#: By name, fastopt and its traffic twin first. Those in 8 bits move fewer bytes, and compute something else.
CONTENDERS: dict[str, Callable[[np.ndarray, np.ndarray], Contender]] = {
    "fastopt": _fastopt,
    "twin": _twin,
    "NumPy, as texts": _numpy(TextbookAdam),
    "NumPy, buffers": _numpy(BufferedAdam),
    "torch single": _torch(foreach=False, fused=False),
    "torch foreach": _torch(foreach=True),
    "torch fused": _torch(fused=True),
    "optax jit": _optax,
    "DeepSpeed CPUAdam": _deepspeed,
    "bitsandbytes 32-bit": _bitsandbytes("AdamW32bit"),
    "bitsandbytes 8-bit": _bitsandbytes("AdamW8bit"),
}
EIGHT_BIT = "bitsandbytes 8-bit"


def present() -> tuple[list[str], dict[str, str]]:
    """Who is here, and why the others are not."""
    names, absent = [], {}
    for name, make in CONTENDERS.items():
        try:
            make(np.ones(8, np.float32), np.ones(8, np.float32))
            names.append(name)
        except Absent as why:
            absent[name] = str(why)
    return names, absent


def measure_all(
    names: Iterable[str], elements: int, mode: str, *, rounds: int = 7
) -> dict[str, float]:
    """Seconds of a step of each over equal parameters and one gradient, in turn; raises `Absent`."""
    p, g = arrays([(elements,), (elements,)], 0)
    g *= 1e-3
    calls = {name: CONTENDERS[name](p.copy(), g).step for name in names}
    return compared(calls, rounds=rounds, between=MODES[mode])
