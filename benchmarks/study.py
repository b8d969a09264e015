"""Watching optimizers, measured: ``python -m benchmarks.study``.

A map of basins of 512 x 512 starts, 200 steps of Adam each, against the same by torch (its fused Adam over all points as one
tensor, gradients written by hand) and by optax (jit of a scan, gradients by jax); and what a slider of the playground
costs: 8 optimizers followed over 1,000 steps with values, gradients and slots.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks.timing import interleaved
from fastopt.study import Objective, basins, objectives, trace, trace_many

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
try:
    import jax
    import optax
except ImportError:
    jax = None

console = Console(width=120)
LR = 0.1
SLIDER = {
    "SGD": {"lr": 0.01}, "Momentum": {"lr": 0.001}, "NAG": {"lr": 0.001}, "Adagrad": {"lr": 0.5}, "RMSprop": {"lr": 0.01},
    "Adadelta": {"lr": 1.0}, "Adam": {"lr": 0.05}, "AdamW": {"lr": 0.05},
}  # fmt: skip


def starts_of(objective: Objective, size: int, dtype: str) -> np.ndarray:
    (x0, x1), (y0, y1) = objective.bounds
    x, y = np.meshgrid(np.linspace(x0, x1, size), np.linspace(y0, y1, size))
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(dtype)


GRADIENTS = {
    "himmelblau": lambda m, x, y: (
        4 * x * (x * x + y - 11) + 2 * (x + y * y - 7),
        2 * (x * x + y - 11) + 4 * y * (x + y * y - 7),
    ),
    "rastrigin": lambda m, x, y: (
        2 * x + 62.83185307179586 * m.sin(6.283185307179586 * x),
        2 * y + 62.83185307179586 * m.sin(6.283185307179586 * y),
    ),
}


def by_fastopt(objective: Objective, starts: np.ndarray, steps: int) -> Callable[[], np.ndarray]:
    dtype = starts.dtype
    return lambda: (
        trace_many(fastopt.Adam, objective, starts, steps, keep="last", dtype=dtype, lr=LR).last
    )


def by_torch(objective: Objective, starts: np.ndarray, steps: int) -> Callable[[], np.ndarray]:
    gradient = GRADIENTS[objective.name]

    def run() -> np.ndarray:
        p = torch.from_numpy(starts.T.copy()).requires_grad_()
        p.grad = torch.empty_like(p)
        opt = torch.optim.Adam([p], lr=LR, fused=True)
        with torch.no_grad():
            for _ in range(steps):
                p.grad[0], p.grad[1] = gradient(torch, p[0], p[1])
                opt.step()
        return p.detach().numpy().T

    return run


def by_optax(objective: Objective, starts: np.ndarray, steps: int) -> Callable[[], np.ndarray]:
    jax.config.update("jax_enable_x64", True)
    gradient, opt = GRADIENTS[objective.name], optax.adam(LR)

    def one(p, state):  # type: ignore[no-untyped-def]
        def step(carry, _):  # type: ignore[no-untyped-def]
            p, state = carry
            g = jax.numpy.stack(gradient(jax.numpy, p[0], p[1]))
            updates, state = opt.update(g, state)
            return (optax.apply_updates(p, updates), state), None

        return jax.lax.scan(step, (p, state), None, length=steps)[0][0]

    every = jax.jit(jax.vmap(lambda p: one(p, opt.init(p))))
    return lambda: np.asarray(every(starts).block_until_ready())


def maps(names: list[str], size: int, steps: int, rounds: int) -> None:
    table = Table(
        "objective", "dtype", "by", "ms", "million trajectory steps/s", "as fastopt's ends"
    )
    for name in names:
        for dtype in ("float32", "float64"):
            objective = objectives.get(name)
            starts = starts_of(objective, size, dtype)
            makers = {"fastopt": by_fastopt}
            makers |= {"torch": by_torch} if torch else {}
            makers |= {"optax": by_optax} if jax else {}
            calls = {by: make(objective, starts, steps) for by, make in makers.items()}
            ends = {by: call() for by, call in calls.items()}
            times = interleaved(calls, rounds=rounds)
            for by, seconds in times.items():
                near = np.isclose(ends[by], ends["fastopt"], atol=1e-2).all(axis=1).mean()
                rate = len(starts) * steps / seconds / 1e6
                table.add_row(name, dtype, by, f"{1e3 * seconds:.0f}", f"{rate:.0f}", f"{near:.1%}")
    console.print(table)


def picture(size: int, steps: int, rounds: int) -> None:
    """The whole call that the playground makes: starts, trajectories, nearest minima."""
    run = lambda: basins(fastopt.Adam, "himmelblau", resolution=(size, size), steps=steps, lr=LR)
    seconds = interleaved({"basins": run}, rounds=rounds)["basins"]
    console.print(f"basins() of {size} x {size} starts, {steps} steps: {1e3 * seconds:.0f} ms")


def slider(steps: int, rounds: int) -> None:
    def follow() -> None:
        for name, own in SLIDER.items():
            trace(getattr(fastopt, name), "rosenbrock", steps=steps, **own)

    seconds = interleaved({"slider": follow}, rounds=rounds)["slider"]
    console.print(f"trace() of {len(SLIDER)} optimizers, {steps:,} steps: {1e3 * seconds:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small, to see that it runs")
    parser.add_argument("--objectives", default="himmelblau", help="of himmelblau,rastrigin")
    arguments = parser.parse_args()
    smoke = arguments.smoke
    size, steps, rounds = (32, 20, 1) if smoke else (512, 200, 3)
    slider(20 if smoke else 1000, rounds)
    picture(size, steps, rounds)
    maps(arguments.objectives.split(","), size, steps, rounds)


if __name__ == "__main__":
    main()
