"""Figures about optimizers: each function gives a ``matplotlib.figure.Figure`` (extra ``plot``).

What they show is made by the library's own steps.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: The module of each figure; imported when it is asked for.
PLACES = {
    "momentum_updates": "updates",
    "adaptive_updates": "updates",
    "acceleration": "second_steps",
    "amplification": "second_steps",
    "adam_amplification": "second_steps",
    "error_courses": "speed",
    "trajectory": "trajectories",
    "saddle": "trajectories",
    "nesterov": "trajectories",
    "fixed_distance": "trajectories",
    "learning_rates": "trajectories",
    "hole": "hills",
    "temperatures": "averages",
    "basins": "maps",
    "rate_map": "maps",
}
__all__ = [*PLACES]


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
