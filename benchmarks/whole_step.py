"""The whole step, measured: ``python -m benchmarks.whole_step``.

The 148 tensors of GPT-2 small (124 million numbers) with unscaling, clipping by norm, skipping and an average of the parameters,
against torch and against the step's own traffic; and what each option costs by itself against the bytes that it adds.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks.timing import interleaved, matmul
from fastopt import measure

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

console = Console(width=120)
BETWEEN = {"back to back": None, "between matmuls": matmul(256)}


def gpt2(width: int = 768, layers: int = 12) -> list[tuple[int, ...]]:
    """The shapes of GPT-2's parameters."""
    block = [
        (width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,),
        (width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width), (width,),
    ]  # fmt: skip
    return [(50257 * width // 768, width), (1024, width), *block * layers, (width,), (width,)]


def arrays(shapes: list[tuple[int, ...]], seed: int, size: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [size * rng.standard_normal(shape, np.float32) for shape in shapes]


def torch_step(
    shapes: list[tuple[int, ...]], grads: list[np.ndarray], unscale: bool
) -> Callable[[], object]:
    """Fused AdamW with clip_grad_norm_, and the average by _foreach_lerp_; first GradScaler's pass if asked for."""
    params = [torch.from_numpy(a).requires_grad_() for a in arrays(shapes, 0)]
    average = [p.detach().clone() for p in params]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.from_numpy(g)
    opt = torch.optim.AdamW(params, fused=True)

    found, inverse = torch.zeros(1), torch.ones(1)

    def step() -> None:
        if unscale:
            tensors = [p.grad for p in params]
            torch._amp_foreach_non_finite_check_and_unscale_(tensors, found, inverse)
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        torch._foreach_lerp_(average, [p.detach() for p in params], 0.001)

    return step


class Reading:
    """The twin of a step that takes a norm first: reads the gradients, then moves what the update moves."""

    def __init__(self, opt: fastopt.Optimizer) -> None:
        self._twin = measure.Twin(opt)
        self._runner = opt._runner

    def step(self, grads: Any) -> None:
        """Read the gradients, then add them to all that the step would touch."""
        self._runner.measure_gradients(np.ones(len(self._runner.workspace.parameters)))
        self._twin.step(grads)


def against_torch(shapes: list[tuple[int, ...]], rounds: int) -> None:
    grads = arrays(shapes, 1, 1e-3)
    opt = fastopt.AdamW(arrays(shapes, 0), ema_decay=0.999)
    twin = Reading(opt)
    table = Table(title=f"{len(shapes)} tensors, {sum(g.size for g in grads):,} numbers, ms")
    for column in (
        "mode",
        "fastopt",
        "twin",
        "speed / twin",
        "torch",
        "torch / fastopt",
        "with unscale",
    ):
        table.add_column(column, justify="left" if column == "mode" else "right")
    calls: dict[str, Callable[[], object]] = {
        "own": lambda: opt.step(grads, scale=1 / 1024, clip_norm=1.0, skip_nonfinite=True),
        "twin": lambda: twin.step(grads),
    }
    if torch is not None:
        copies = [g.copy() for g in grads]
        calls["torch"] = torch_step(shapes, copies, unscale=False)
        calls["unscaled"] = torch_step(shapes, copies, unscale=True)
    for mode, between in BETWEEN.items():
        t = interleaved(calls, rounds=rounds, between=between)
        row = [f"{t['own'] * 1e3:.1f}", f"{t['twin'] * 1e3:.1f}", f"{t['twin'] / t['own']:.3f}"]
        if torch is not None:
            row += [f"{t['torch'] * 1e3:.1f}"]
            row += [f"{t[name] / t['own']:.2f}" for name in ("torch", "unscaled")]
        table.add_row(mode, *row)
    console.print(table)


OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    # what the optimizer is given, what the step is given, bytes added per number
    "plain": ({}, {}, 0),
    "scale": ({}, {"scale": 0.5}, 0),
    "clip_value": ({}, {"clip_value": 1.0}, 0),
    "bounds": ({"bounds": (-9.0, 9.0)}, {}, 0),
    "monitor": ({}, {"monitor": True}, 0),
    "clip_norm": ({}, {"clip_norm": 1.0}, 4),
    "clip_norm_each": ({}, {"clip_norm_each": 1.0}, 4),
    "skip_nonfinite": ({}, {"skip_nonfinite": True}, 4),
    "zero_grads": ({}, {"zero_grads": True}, 4),
    "ema_decay": ({"ema_decay": 0.999}, {}, 8),
}


def each_option(elements: int, rounds: int) -> None:
    gradient = arrays([(elements,)], 1)[0]
    base = 28
    table = Table(title=f"AdamW, {elements:,} float32 numbers: time against that of a plain step")
    for column in ("option", "bytes", "time", "time / bytes", "speed / twin"):
        table.add_column(column, justify="left" if column == "option" else "right")
    plain = fastopt.AdamW(arrays([(elements,)], 0)[0])
    for name, (given, asked, added) in OPTIONS.items():
        opt = fastopt.AdamW(arrays([(elements,)], 0)[0], **given)
        asked = dict(asked)
        opt.monitor = asked.pop("monitor", False)
        twin = Reading(opt) if added == 4 and name != "zero_grads" else measure.Twin(opt)
        t = interleaved(
            {
                "plain": lambda: plain.step(gradient),
                "own": lambda opt=opt, asked=asked: opt.step(gradient, **asked),
                "twin": lambda twin=twin: twin.step(gradient),
            },
            rounds=rounds,
        )
        bytes_, time = (base + added) / base, t["own"] / t["plain"]
        against = "" if name == "zero_grads" else f"{t['twin'] / t['own']:.3f}"
        table.add_row(name, f"{bytes_:.2f}", f"{time:.2f}", f"{time / bytes_:.2f}", against)
        del opt, twin
        gc.collect()
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--only", nargs="*", default=[], help="gpt2 options")
    chosen = parser.parse_args()
    rounds = 2 if chosen.smoke else 11
    if torch is not None:
        torch.set_num_threads(fastopt.get_num_threads())
    if not chosen.only or "gpt2" in chosen.only:
        against_torch(gpt2(16, 1) if chosen.smoke else gpt2(), rounds)
    if not chosen.only or "options" in chosen.only:
        each_option(1 << (14 if chosen.smoke else 25), rounds)


if __name__ == "__main__":
    main()
