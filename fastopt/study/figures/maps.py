"""Maps that take thousands of trajectories: where each start leads to, and how soon each setting converges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from fastopt import study
from fastopt.study import methods, objectives
from fastopt.study.figures import style
from fastopt.study.figures.trajectories import Methods, Start

NOWHERE = "#DDDDDD"
#: What is drawn upwards in `rate_map`, the first that the class has.
MEMORIES = ("momentum", "betas", "alpha", "rho", "beta1", "beta")


def basins(
    objective: Any = "himmelblau",
    optimizers: Methods = "SGD,Momentum,RMSprop,Adam",
    resolution: int = 200,
    steps: int = 300,
    lr: float | None = 0.01,
) -> Figure:
    """Basins of attraction: every point in the colour of the minimum that an optimizer reaches from there.

    Parameters
    ----------
    objective : str or Objective
        One with known minima.
    optimizers : str or sequence of Method
        A panel for each; see `fastopt.study.methods.parse`.
    resolution : int
        Starts along each side.
    steps : int
        From each start.
    lr : float, optional
        Learning rate of those that are given none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no minimum of the objective is known.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.basins("himmelblau", "SGD", resolution=8, steps=20)
    >>> figure.axes[0].get_title()
    'SGD'
    """
    surface = objectives.get(objective)
    if not len(surface.minima):
        raise ValueError(f"objective {surface.name}: no minimum is known; expected one that has")
    chosen = methods.parse(optimizers, lr)
    figure, panels = style.figure(1, len(chosen), size=(4.2, 4.2), sharey=True)
    for axes, method in zip(panels, chosen, strict=True):
        found = study.basins(
            method.optimizer, surface, resolution=(resolution, resolution), steps=steps,
            **method.hyperparameters,
        )  # fmt: skip
        _territory(axes, surface, found)
        axes.set_title(method.label, fontsize=11)
    figure.supxlabel(
        f"{surface.name}: the minimum next to the end of {steps} steps; grey: none is near", fontsize=9
    )
    return figure


def rate_map(
    objective: Any = "quadratic",
    optimizers: Methods = "Momentum,NAG,Adam",
    rates: Sequence[float] = (1e-3, 1.0),
    decays: Sequence[float] = (0.0, 0.995),
    resolution: int = 120,
    start: Start = None,
    steps: int = 400,
    tolerance: float = 1e-3,
) -> Figure:
    """Learning rate x memory: how many steps each setting needs to come near a minimum.

    Parameters
    ----------
    objective : str or Objective
        One with known minima.
    optimizers : str or sequence of Method
        A panel for each; see `fastopt.study.methods.parse`. Their memory is what they have of momentum, the
        first of betas, alpha, rho, beta1 and beta.
    rates : sequence of 2 float
        The lowest and the highest learning rate; in between on a logarithmic scale.
    decays : sequence of 2 float
        The same for the memory; in between evenly.
    resolution : int
        Settings along each side.
    start : sequence of 2 float, optional
        Where all start; the objective's own if left out.
    steps : int
        At most.
    tolerance : float
        What counts as near; see `fastopt.study.rate_map`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If an optimizer has no memory, or no minimum of the objective is known.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.rate_map(optimizers="Momentum", resolution=6, steps=50)
    >>> figure.axes[0].get_ylabel()
    'momentum'
    """
    surface = objectives.get(objective)
    chosen = methods.parse(optimizers, rates[0])
    x, y = np.geomspace(*rates, resolution), np.linspace(*decays, resolution)
    figure, panels = style.figure(1, len(chosen), size=(4.4, 4.2))
    norm = LogNorm(1, steps)
    for axes, method in zip(panels, chosen, strict=True):
        memory = _memory(method)
        varied = "lr", memory if isinstance(memory, str) else memory[0]
        fixed = {k: v for k, v in method.hyperparameters.items() if k not in varied}
        found = study.rate_map(
            method.optimizer, surface, x=("lr", x), y=(memory, y), start=start, steps=steps,
            tolerance=tolerance, **fixed,
        )  # fmt: skip
        counts = np.ma.masked_greater(found.steps, steps)
        mesh = axes.pcolormesh(
            x, y, np.maximum(counts, 1), norm=norm, cmap="viridis_r", shading="nearest", rasterized=True
        )
        axes.set_xscale("log")
        axes.set_facecolor(NOWHERE)
        style.label(axes, method.label, "lr", memory if isinstance(memory, str) else "betas[0]")
    figure.colorbar(mesh, ax=panels, label=f"steps to converge; grey: not in {steps}")
    return figure


def _memory(method: methods.Method) -> str | tuple[str, int]:
    for name in MEMORIES:
        if name in methods.parameters(method.optimizer):
            return (name, 0) if name == "betas" else name
    raise ValueError(
        f"rate_map: {method.name} has no memory to vary; expected optimizers with {', '.join(MEMORIES)}"
    )


def _territory(axes: Axes, surface: Any, found: Any) -> None:
    (left, right), (below, above) = found.bounds
    colors = [style.PALETTE[1 + k % (len(style.PALETTE) - 1)] for k in range(len(surface.minima))]
    axes.imshow(
        found.which, origin="lower", extent=(left, right, below, above), aspect="auto", alpha=0.8,
        cmap=ListedColormap([NOWHERE, *colors]), vmin=-1.5, vmax=len(colors) - 0.5,
        interpolation="nearest",
    )  # fmt: skip
    axes.plot(*surface.minima.T, "*", color="white", markeredgecolor="black", markersize=12)
    axes.set(xlim=(left, right), ylim=(below, above))
    style.label(axes, x="x", y="y")
