"""``fastopt compare``: an animation of optimizers side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from fastopt.study import animation, movies


def run(
    objective: str, optimizers: str, lr: float, steps: int, start: str | None, view: Any, out: Path,
    fps: int, dpi: int,
) -> None:  # fmt: skip
    """Trace the optimizers, draw, and say where each came to."""
    movies.writer(out)  # an impossible format is refused before anything is computed
    console = Console()
    made = animation.compare(
        objective, optimizers, lr=lr, steps=steps, start=_point(start), view=view
    )

    def progress(frames: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
        return iter(track(frames, "Drawing", total=count, console=console))

    made.save(out, fps=fps, dpi=dpi, progress=progress)
    for method, found in zip(made.chosen, made.trajectories, strict=True):
        (x, y), value = found.points[-1], found.values[-1]
        console.print(
            f"{method.label}: ({x:.4g}, {y:.4g}), value {value:.4g}", highlight=False, markup=False
        )
    console.print(f"{made.surface.name}, {steps} steps: {out}", highlight=False, markup=False)


def _point(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"start is {text!r}; expected a point such as -1.5,2") from None
    return x, y
