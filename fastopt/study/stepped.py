"""A trajectory step by step, through an optimizer's own `step`: what the compiled loops must equal, and what any class can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastopt.drivers.trajectories import CURVATURE, CURVATURE_EVERY, LOOKAHEAD
from fastopt.optimizer import Optimizer
from fastopt.study.objective import Objective

#: Points, gradients, slots and running numbers; see `fastopt.study.Trajectory`.
Way = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]


def follow(
    cls: type[Optimizer],
    objective: Objective,
    start: np.ndarray,
    steps: int,
    hyperparameters: dict[str, Any],
) -> Way:
    """Points, gradients and slots of an optimizer's steps from a start."""
    w = start.copy()
    opt: Any = cls(w, **hyperparameters)
    state = opt.state[0]
    kept = [name for name in state if isinstance(state[name], np.ndarray)]
    running = {name: np.empty(steps + 1) for name in cls.running}
    points = np.empty((steps + 1, 2), w.dtype)
    gradients = np.empty((steps, 2), w.dtype)
    slots = {name: np.empty((steps + 1, *state[name].shape), w.dtype) for name in kept}
    points[0] = w
    for name in kept:
        slots[name][0] = state[name]
    for name, numbers in running.items():
        numbers[0] = state[name]
    for t in range(1, steps + 1):
        if CURVATURE in cls.folds and t % CURVATURE_EVERY == 1:
            opt.update_hessian(objective.curvature(w))
        if LOOKAHEAD in cls.moves:
            opt.lookahead()
        gradients[t - 1] = objective.gradient(w, t)
        inputs = {name: float(objective.value(w)) for name in cls.inputs}
        opt.step(gradients[t - 1], **inputs)
        points[t] = w
        for name in kept:
            slots[name][t] = state[name]
        for name, numbers in running.items():
            numbers[t] = state[name]
    return points, gradients, slots, running
