"""``fastopt warmup``: compile ahead."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

import fastopt
from fastopt.drivers import compile, cpu, threads
from fastopt.variant import Variant


def run(names: list[str], dtypes: list[str]) -> None:
    """Compile the step kernels of every variant of these optimizers, for one thread and for all."""
    console = Console()
    threads.layer()  # parallel kernels need the pool that they will run on
    variants = [v for name in names for dtype in dtypes for v in variants_of(name, dtype)]
    jobs = list(itertools.product(variants, (cpu.SERIAL, cpu.PARALLEL)))
    for variant, driver in track(jobs, "Compiling", console=console):
        cpu.step(variant, driver).compile(cpu.step_signature(variant))
        for move, _ in variant.rule.moves:
            cpu.move(variant, move, driver).compile(cpu.move_signature(variant))
    folder = compile.cache_folder()
    kept = "kept in" if compile.is_writable(folder) else "[red]not kept: cannot write to[/red]"
    console.print(f"{len(jobs)} kernels of {', '.join(names)}, {kept} {folder}", soft_wrap=True)


def variants_of(name: str, dtype: str) -> Iterator[Variant]:
    """Every combination of present and absent slots, for vectors and for matrices, where it takes them."""
    optimizer = getattr(fastopt, name)
    switches = sorted({s.when for s in optimizer.slots.values() if isinstance(s.when, str)})
    for on in itertools.product((False, True), repeat=len(switches)):
        chosen = dict(zip(switches, on, strict=True))
        values = {n: _value(optimizer, n, wanted) for n, wanted in chosen.items()}
        both = [np.ones(1, dtype), np.ones((1, 1), dtype)]
        taken = [p for p in both if optimizer.dimensions in (None, p.ndim)]
        opt = optimizer(taken, **{**required(optimizer), **values})
        yield from {table.variant: None for table in opt._workspace.tables}


def _value(optimizer: Any, name: str, wanted: bool) -> Any:
    default = inspect.signature(optimizer.__init__).parameters[name].default
    return wanted if isinstance(default, bool) else (0.5 if wanted else 0.0)


def required(optimizer: Any) -> dict[str, float]:
    """Values for the hyperparameters that have no defaults."""
    arguments = list(inspect.signature(optimizer.__init__).parameters.values())[2:]
    return {a.name: 0.01 for a in arguments if a.default is a.empty}
