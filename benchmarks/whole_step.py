"""The whole step, measured: ``python -m benchmarks.whole_step``.

The 148 tensors of GPT-2 small (124 million numbers) with unscaling, clipping by norm, skipping and an average of the parameters,
against torch and against the step's own traffic; and what each option costs by itself against the bytes that it adds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks import peers
from benchmarks.shapes import NETWORKS, shrunk
from benchmarks.steps import MODES, OPTIONS, Reading, arrays, with_option
from benchmarks.timing import interleaved

console = Console(width=120)


def against_torch(shapes: list[tuple[int, ...]], rounds: int) -> None:
    grads = arrays(shapes, 1, size=1e-3)
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
    copies = [g.copy() for g in grads]
    torch = peers.torch_whole(copies)
    if torch is not None:
        calls["torch"] = torch
        calls["unscaled"] = peers.torch_whole(copies, unscale=True)
    for mode, between in MODES.items():
        t = interleaved(calls, rounds=rounds, between=between)
        row = [f"{t['own'] * 1e3:.1f}", f"{t['twin'] * 1e3:.1f}", f"{t['twin'] / t['own']:.3f}"]
        if torch is not None:
            row += [f"{t['torch'] * 1e3:.1f}"]
            row += [f"{t[name] / t['own']:.2f}" for name in ("torch", "unscaled")]
        table.add_row(mode, *row)
    console.print(table)


def each_option(elements: int, rounds: int) -> None:
    table = Table(title=f"AdamW, {elements:,} float32 numbers: time against that of a plain step")
    for column in ("option", "bytes", "time", "time / bytes", "speed / twin"):
        table.add_column(column, justify="left" if column == "option" else "right")

    def plain(grads: list[np.ndarray]) -> dict[str, Callable[[], object]]:
        opt = fastopt.AdamW(arrays([(elements,)], 0)[0])
        return {"plain": lambda: opt.step(grads[0])}

    for name, option in OPTIONS.items():
        t = with_option(option, [(elements,)], rounds=rounds, others=plain)
        bytes_, time = (28 + option.added) / 28, t["time"] / t["plain"]
        against = "" if option.twin is None else f"{t['twin'] / t['time']:.3f}"
        table.add_row(name, f"{bytes_:.2f}", f"{time:.2f}", f"{time / bytes_:.2f}", against)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--only", nargs="*", default=[], help="gpt2 options")
    chosen = parser.parse_args()
    rounds = 2 if chosen.smoke else 11
    if not chosen.only or "gpt2" in chosen.only:
        shapes = NETWORKS["GPT-2 small"]
        against_torch(shrunk(shapes) if chosen.smoke else shapes, rounds)
    if not chosen.only or "options" in chosen.only:
        each_option(1 << (14 if chosen.smoke else 25), rounds)


if __name__ == "__main__":
    main()
