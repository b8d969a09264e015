"""Every optimizer trained to the same loss: ``python -m benchmarks.training`` writes ``docs/training.json``.

Two problems with data that scikit-learn ships: a small network on handwritten digits, in mini-batches, and linear
regression of the progress of diabetes, over all data in every step. For each optimizer the learning rate is looked for
by the same rule (`tuned`), on seeds of their own; then it trains from other seeds, whose steps and losses are kept. Steps
and losses follow from the seeds; seconds, of course, don't. With names, only these optimizers are measured again.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
import sklearn
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

import fastopt
from benchmarks.problems import PROBLEMS, Problem
from fastopt.cli import trainer

RESULTS = Path(__file__).parent.parent / "docs" / "training.json"
SEEDS, TUNING_SEEDS = range(10), range(100, 103)
FARTHEST = 8  # learning rates are looked for within a factor of 10 ** (8 / 2) of the default
HESSIAN_EVERY = 10  # steps, as Sophia's authors do

Share = tuple[Any, list[int]]  # an optimizer, and which of the parameters it has


# ---- training with any optimizer ---------------------------------------------------------------------


@dataclass
class Run:
    """What came of one run: steps and seconds until the loss was reached (None: never), and the end."""

    steps: int | None
    seconds: float | None
    loss: float
    score: float


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # to diverge is a result
def train(problem: Problem, cls: type[fastopt.Optimizer], lr: float | None, seed: int) -> Run:
    """Train from a seed; the seconds are the processor's, without those of looking at the loss."""
    params = trainer.network(problem.sizes, "float32", seed)
    shared = optimizers(cls, params, lr)
    step = stepper(shared, problem, params, seed)
    x, y = problem.data
    epochs = -(-problem.steps * problem.batch // len(x)) + 1
    seconds, reached = 0.0, None
    for t, rows in enumerate(trainer.batches(len(x), problem.batch, epochs, seed)):
        if t % problem.every == 0 or t == problem.steps:
            loss, score = looked_at(shared, problem, params)
            if reached is None and loss <= problem.target:
                reached = t, seconds
        if t == problem.steps or not np.isfinite(loss):
            break
        batch = x[rows], y[rows]
        start = time.thread_time()
        step(t, *batch)
        seconds += time.thread_time() - start
    return Run(*(reached or (None, None)), loss, score)


def optimizers(
    cls: type[fastopt.Optimizer], params: trainer.Arrays, lr: float | None
) -> list[Share]:
    """The optimizer with this learning rate, and AdamW for arrays of dimensions that it does not take.

    A wrapper is put around AdamW, which has the learning rate.
    """
    if wraps(cls):
        return [(cls(fastopt.AdamW(params, lr=lr)), list(range(len(params))))]
    arguments = list(inspect.signature(cls).parameters.values())[1:]
    values = {
        a.name: 0.01 for a in arguments if a.default is a.empty and a.kind is not a.VAR_KEYWORD
    }
    values |= {} if lr is None else {"lr": lr}
    taken = cls.dimensions
    own = [i for i, p in enumerate(params) if taken in (None, p.ndim)]
    shares: list[Share] = [(cls([params[i] for i in own], **values), own)]
    if others := [i for i in range(len(params)) if i not in own]:
        shares.append((fastopt.AdamW([params[i] for i in others]), others))
    return shares


def wraps(cls: type[fastopt.Optimizer]) -> bool:
    """Whether it is made from another optimizer."""
    return cls.__name__ in fastopt.wrappers.__all__


def stepper(
    shares: list[Share], problem: Problem, params: trainer.Arrays, seed: int
) -> Callable[[int, np.ndarray, np.ndarray], None]:
    """The step that optimizers ask for, found by what they can do."""
    rng = np.random.default_rng(seed)

    def step(t: int, x: np.ndarray, y: np.ndarray) -> None:
        for opt, own in shares:
            if hasattr(opt, "lookahead"):
                opt.lookahead()
            if hasattr(opt, "update_hessian") and t % HESSIAN_EVERY == 0:
                diagonal = curvature(problem, params, x, y, rng)
                opt.update_hessian([diagonal[i] for i in own])
        loss, grads = problem.gradients(params, x, y)
        known = {"value": loss}
        for opt, own in shares:
            inputs = {name: known[name] for name in opt.inputs}
            opt.step([grads[i] for i in own], **inputs)

    return step


def curvature(
    problem: Problem,
    params: trainer.Arrays,
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    distance: float = 1e-3,
) -> trainer.Arrays:
    """Hutchinson's estimate of the Hessian's diagonal, by a central difference of gradients."""
    signs = [rng.choice(np.array([-1, 1], p.dtype), p.shape) for p in params]
    ahead, behind = (
        problem.gradients([p + d * s for p, s in zip(params, signs, strict=True)], x, y)[1]
        for d in (distance, -distance)
    )
    return [s * (a - b) / (2 * distance) for s, a, b in zip(signs, ahead, behind, strict=True)]


def looked_at(shares: list[Share], problem: Problem, params: trainer.Arrays) -> tuple[float, float]:
    """Loss and score, of the parameters that the optimizers would have one use."""
    for opt, _ in shares:
        if hasattr(opt, "eval"):
            opt.eval()
    loss, score = problem.loss(params), problem.tested(params)
    for opt, _ in shares:
        if hasattr(opt, "train"):
            opt.train()
    return loss, score


# ---- the learning rate -------------------------------------------------------------------------------


def default_rate(cls: type[fastopt.Optimizer]) -> float | None:
    """The class's own; 0.01 if a learning rate must be given; None if it has none."""
    lr = inspect.signature(fastopt.AdamW if wraps(cls) else cls).parameters.get("lr")
    if lr is None:
        return None
    return 0.01 if lr.default is lr.empty else float(lr.default)


def tuned(problem: Problem, cls: type[fastopt.Optimizer]) -> float | None:
    """The best learning rate: the default times a power of the root of 10.

    First one to either side of the default is tried, then further ones towards the better, as long as the best is the
    last. The best has the fewest steps to the loss, the mean over the seeds for tuning, and is not above it at the end
    from any of them; between equals, and where none has, it has the lowest mean loss at the end.
    """
    default = default_rate(cls)
    if default is None:
        return None
    costs: dict[int, tuple[float, float]] = {}

    def cost(k: int) -> tuple[float, float]:
        if k not in costs:
            runs = [train(problem, cls, rate(default, k), seed) for seed in TUNING_SEEDS]
            steps = [
                np.inf if r.steps is None or not r.loss <= problem.target else r.steps for r in runs
            ]
            loss = float(np.mean([r.loss for r in runs]))
            costs[k] = float(np.mean(steps)), np.inf if np.isnan(loss) else loss
        return costs[k]

    best = min((0, -1, 1), key=cost)
    while best in (min(costs), max(costs)) and abs(best) < FARTHEST:
        best = min((best, best + (1 if best == max(costs) else -1)), key=cost)
    return rate(default, best)


def rate(default: float, k: int) -> float:
    """To two digits."""
    return float(f"{default * 10 ** (k / 2):.2g}")


# ---- results -----------------------------------------------------------------------------------------


def measured(problem: Problem, cls: type[fastopt.Optimizer]) -> dict[str, Any]:
    """The learning rate, and the results of every seed."""
    lr = tuned(problem, cls)
    runs = [train(problem, cls, lr, seed) for seed in SEEDS]
    return {
        "lr": lr,
        "default": default_rate(cls),
        "steps": [r.steps for r in runs],
        "milliseconds": [None if r.seconds is None else round(1e3 * r.seconds, 1) for r in runs],
        "losses": [number(r.loss) for r in runs],
        "scores": [number(r.score) for r in runs],
    }


def number(value: float) -> float | None:
    """To four digits; None if it is not finite."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def setting() -> dict[str, str]:
    """Machine and versions."""
    return {
        "machine": f"{llvmlite.binding.get_host_cpu_name()} ({platform.machine()}), {os.cpu_count()} cores",
        "fastopt": fastopt.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "Numba": numba.__version__,
        "scikit-learn": sklearn.__version__,
    }


def main() -> None:
    """Measure and write, all optimizers or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="optimizers; all if left out")
    parser.add_argument("--smoke", action="store_true", help="two steps each, kept nowhere")
    chosen = parser.parse_args()
    known = [*fastopt.optimizers.__all__, *fastopt.wrappers.__all__]
    if unknown := set(chosen.names) - set(known):
        parser.error(f"no optimizer {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    console, names = Console(), chosen.names or known
    problems = {name: make() for name, make in PROBLEMS.items()}
    kept: dict[str, Any] = {}
    if chosen.names and RESULTS.exists():
        before = json.loads(RESULTS.read_text())
        if not chosen.smoke and before["setting"] != setting():
            parser.error(f"the others were measured with {before['setting']}; measure all")
        kept = {name: row for name, row in before["results"].items() if name in known}
    with threadpool_limits(1):
        for name in track(names, "Training", console=console):
            cls = getattr(fastopt, name)
            if chosen.smoke:
                for problem in problems.values():
                    train(replace(problem, steps=2), cls, default_rate(cls), 0)
            else:
                kept[name] = {key: measured(problem, cls) for key, problem in problems.items()}
    if not chosen.smoke:
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in known)
        RESULTS.write_text(f'{{"setting": {json.dumps(setting())},\n"results": {{\n{rows}\n}}}}\n')
        console.print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
