"""Maps that take thousands of trajectories: where each start leads to, and how soon each setting converges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
    steps: int = 500,
    lr: float | None = 0.01,
) -> Figure:
    """Basins of attraction: every point in the colour of the minimum that an optimizer reaches from there.

    Parameters
    ----------
    objective : str or Objective
        Where to descend. If it brings no minima, they are looked for inside its bounds.
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

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.basins("himmelblau", "SGD", resolution=8, steps=20)
    >>> figure.axes[0].get_title()
    'SGD'
    """
    surface = objectives.get(objective)
    chosen = methods.parse(optimizers, lr)
    columns = len(chosen) if len(chosen) < 4 else 2
    figure, panels = style.figure(
        -(-len(chosen) // columns), columns, size=(3.8, 3.4), sharex=True, sharey=True
    )
    for unused in panels[len(chosen) :]:
        unused.remove()
    for axes, method in zip(panels, chosen, strict=False):
        found = study.basins(
            method.optimizer, surface, resolution=(resolution, resolution), steps=steps,
            **method.hyperparameters,
        )  # fmt: skip
        surface = replace(surface, minima=found.minima)  # the same for all panels
        _territory(axes, found)
        axes.set_title(method.label, fontsize=11)
    figure.supxlabel(
        f"{surface.name}{style.rate(chosen)}: the minimum next to the end of {steps} steps; grey: none is near",
        fontsize=9,
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
    tolerance: float | None = None,
) -> Figure:
    """Learning rate x memory: how many steps each setting needs to come near a minimum.

    Parameters
    ----------
    objective : str or Objective
        One with a minimum inside its bounds.
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
    tolerance : float, optional
        How far above the lowest minimum the value may stay; a thousandth of the start's height if left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If an optimizer has no memory, or the objective no minimum.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.rate_map(optimizers="Momentum", resolution=6, steps=50)
    >>> figure.axes[0].get_ylabel()
    'momentum'
    """
    surface = objectives.get(objective)
    if not (len(style.several("rates", rates)) == 2 and 0 < rates[0] < rates[1]):
        raise ValueError(f"rates is {rates!r}; expected two numbers, 0 < lowest < highest")
    if not (len(style.several("decays", decays)) == 2 and decays[0] < decays[1]):
        raise ValueError(f"decays is {decays!r}; expected two numbers, lowest < highest")
    chosen = methods.parse(optimizers, rates[0])
    x = np.geomspace(rates[0], rates[1], resolution)
    y = np.linspace(decays[0], decays[1], resolution)
    memories = [_memory(method) for method in chosen]
    found = []
    for method, memory in zip(chosen, memories, strict=True):
        own = study.rate_map(
            method.optimizer, surface, x=("lr", x), y=(memory, y), start=start, steps=steps,
            tolerance=tolerance, **method.hyperparameters,
        )  # fmt: skip
        found.append(own)
    figure, panels = style.figure(1, len(chosen), size=(3.7, 3.5))
    counts = [_counts(own) for own in found]
    fewest = min((int(c.min()) for c in counts if c.count()), default=1)
    for axes, method, memory, own in zip(panels, chosen, memories, found, strict=True):
        mesh = speeds(axes, own, fewest)
        axes.set_xscale("log")
        style.label(axes, method.label, "lr", memory if isinstance(memory, str) else "betas[0]")
    figure.colorbar(mesh, ax=panels, label=f"steps to converge; grey: not in {steps}")
    return figure


def speeds(axes: Axes, found: study.RateMap, fewest: int = 1) -> Any:
    """A map of steps on a logarithmic scale of colours that begins at the fewest steps; what has these colours."""
    axes.set_facecolor(NOWHERE)
    return axes.pcolormesh(
        found.x, found.y, _counts(found), norm=LogNorm(fewest, max(found.most, fewest + 1)),
        cmap="viridis_r", shading="nearest", rasterized=True,
    )  # fmt: skip


def _counts(found: study.RateMap) -> Any:
    """The steps, at least 1, masked where it does not converge."""
    return np.ma.masked_greater(np.maximum(found.steps, 1), found.most)


def _memory(method: methods.Method) -> str | tuple[str, int]:
    for name in MEMORIES:
        if name in methods.parameters(method.optimizer):
            return (name, 0) if name == "betas" else name
    raise ValueError(
        f"rate_map: {method.name} has no memory to vary; expected optimizers with {', '.join(MEMORIES)}"
    )


def _territory(axes: Axes, found: Any) -> None:
    window, (rows, columns) = found.bounds, found.which.shape
    x, y = (np.linspace(s[0], s[1], n) for s, n in zip(window, (columns, rows), strict=True))
    colors = [style.PALETTE[1 + k % (len(style.PALETTE) - 1)] for k in range(len(found.minima))]
    axes.pcolormesh(
        x, y, found.which, cmap=ListedColormap([NOWHERE, *colors]), vmin=-1.5, vmax=len(colors) - 0.5,
        shading="nearest", alpha=0.8, rasterized=True,
    )  # fmt: skip
    axes.plot(*found.minima.T, "*", color="white", markeredgecolor="black", markersize=12)
    axes.set(xlim=window[0], ylim=window[1])
    style.label(axes, x="x", y="y")
