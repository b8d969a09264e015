"""``fastopt demo``: the same network trained three times, in turn, on the same batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import fastopt
from fastopt.cli import trainer


@dataclass
class Run:
    """One of the three: who steps, and what came of it."""

    name: str
    params: trainer.Arrays
    optimizer: Any
    losses: list[float] = field(default_factory=list)
    total: float = 0.0
    stepping: float = 0.0

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """One training step, timed."""
        start = time.perf_counter()
        loss, grads = trainer.loss_and_gradients(self.params, x, y)
        between = time.perf_counter()
        self.optimizer.step(grads)
        end = time.perf_counter()
        self.losses.append(loss)
        self.total += end - start
        self.stepping += end - between


def run(
    hidden: tuple[int, ...], epochs: int, batch: int, lr: float, dtype: str, seed: int, out: Path
) -> None:
    """Train, print the table, and save the picture."""
    console = Console()
    (x, y), (test_x, test_y) = trainer.digits(dtype, seed)
    sizes = (x.shape[1], *hidden, 10)
    console.print(
        f"{len(x):,} images to train on, {len(test_x)} to test; layers {' - '.join(map(str, sizes))}, "
        f"{sum(a * b + b for a, b in zip(sizes, sizes[1:], strict=False)):,} parameters in {dtype}"
    )
    runs = [
        _prepare(name, make, sizes, dtype, seed)
        for name, make in (
            ("NumPy, as in texts", lambda p: trainer.TextbookAdam(p, lr)),
            ("NumPy, reusing buffers", lambda p: trainer.BufferedAdam(p, lr)),
            ("fastopt", lambda p: fastopt.Adam(p, lr=lr)),
        )
    ]
    start = time.perf_counter()
    _first_step(sizes, dtype, seed, lr)
    console.print(
        f"fastopt's kernel was made ready in {time.perf_counter() - start:.2f} s (compiled once, then cached)"
    )
    train(runs, x, y, epochs, batch, seed, console)
    console.print(table(runs, test_x, test_y))
    console.print(f"losses differ from NumPy's by {_difference(runs):.1e} at most")
    picture(runs, out)
    console.print(f"picture of the losses: {out}")


def _prepare(
    name: str, make: Callable[[trainer.Arrays], Any], sizes: tuple[int, ...], dtype: str, seed: int
) -> Run:
    params = trainer.network(sizes, dtype, seed)
    return Run(name, params, make(params))


def _first_step(sizes: tuple[int, ...], dtype: str, seed: int, lr: float) -> None:
    """A step of an optimizer that is thrown away, so that compiling is not taken for training."""
    params = trainer.network(sizes, dtype, seed)
    fastopt.Adam(params, lr=lr).step([np.zeros_like(p) for p in params])


def train(
    runs: list[Run],
    x: np.ndarray,
    y: np.ndarray,
    epochs: int,
    batch: int,
    seed: int,
    console: Console,
) -> None:
    """All runs in turn over every batch, so that what else the machine does hits them alike."""
    steps = list(trainer.batches(len(x), batch, epochs, seed))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=len(steps))
        for i, chosen in enumerate(steps):
            images, labels = x[chosen], y[chosen]
            first = i % len(runs)  # nobody always comes first
            for one in runs[first:] + runs[:first]:
                one.step(images, labels)
            progress.update(task, advance=1, description=f"loss {runs[-1].losses[-1]:.4f}")


def table(runs: list[Run], test_x: np.ndarray, test_y: np.ndarray) -> Table:
    """Accuracy, times, and ratios to fastopt's."""
    own = runs[-1]
    result = Table(title="Adam by")
    for column in ("", "test accuracy", "training", "ratio", "in the optimizer", "ratio"):
        result.add_column(column, justify="left" if not column else "right")
    for one in runs:
        result.add_row(
            one.name,
            f"{trainer.accuracy(one.params, test_x, test_y):.2%}",
            f"{one.total:.2f} s",
            f"{one.total / own.total:.2f}",
            f"{one.stepping:.3f} s",
            f"{one.stepping / own.stepping:.2f}",
        )
    return result


def _difference(runs: list[Run]) -> float:
    losses = np.array([one.losses for one in runs])
    return float(np.abs(losses[-1] - losses[0]).max())


def picture(runs: list[Run], out: Path) -> None:
    """Loss against steps, and against training time, smoothed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    by_step, by_time = figure.subplots(1, 2, sharey=True)
    for one, width in zip(runs, (6, 3.5, 1.2), strict=True):
        smooth = fastopt.smoothing.ema(one.losses, beta=0.9)
        seconds = np.linspace(0, one.total, len(smooth))
        by_step.plot(smooth, label=one.name, linewidth=width, alpha=0.75)
        by_time.plot(seconds, smooth, label=one.name, linewidth=1.5)
    by_step.set(xlabel="step", ylabel="training loss, smoothed", yscale="log")
    by_step.set_title("the same losses ...")
    by_time.set(xlabel="seconds of training")
    by_time.set_title("... in different time")
    by_step.legend()
    for axes in (by_step, by_time):
        axes.grid(alpha=0.3)
    figure.savefig(out, dpi=120)
