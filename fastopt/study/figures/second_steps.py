"""Maps over two gradients in a row: what an optimizer makes of the second, knowing the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastopt
from fastopt.study.figures import style

#: Gradients go from minus this to this; far enough for the border of beta 0.9 in `amplification`.
EXTENT, WIDE = 2.0, 4.0


def responses(
    optimizer: Any, gradients: Any, **hyperparameters: Any
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """What an optimizer does with gradients that are given: at each, its displacement and its slots.

    Parameters
    ----------
    optimizer
        A class of `fastopt.optimizers`.
    gradients : array_like, shape (steps, ...)
        A gradient for each step; float64 is used.
    **hyperparameters
        Of the optimizer.

    Yields
    ------
    displacement : array, shape (...)
        By how much the step moves the parameters, which are at 0 before each.
    slots : dict of arrays
        The optimizer's slots after the step.

    Examples
    --------
    >>> from fastopt.study.figures.second_steps import responses
    >>> for moved, slots in responses(fastopt.Momentum, [[1.0], [1.0]], lr=1.0, momentum=0.5):
    ...     print(moved, slots["momentum_buffer"])
    [-1.] [1.]
    [-1.5] [1.5]
    """
    series = np.asarray(gradients, np.float64)
    p = np.zeros(series.shape[1:])
    opt = optimizer(p, **hyperparameters)
    for gradient in series:
        p[...] = 0.0
        opt.step(gradient)
        slots = {name: a.copy() for name, a in opt.state[0].items() if isinstance(a, np.ndarray)}
        yield p.copy(), slots


def pairs(resolution: int, extent: float = EXTENT) -> np.ndarray:
    """All pairs of gradients in [-extent, extent], 0 among them: (2, n, n), g1 along the last axis."""
    if resolution < 2:
        raise ValueError(f"resolution is {resolution!r}; expected 2 or more")
    axis = np.linspace(-extent, extent, resolution // 2 * 2 + 1)
    return np.stack(np.meshgrid(axis, axis))


def acceleration_map(
    gradients: np.ndarray, momentum: float = 0.9, form: str = "heavy_ball"
) -> np.ndarray:
    """C_m: how far m(2) reaches in the direction of g1, less the length of m(1); NaN where g1 is 0."""
    rule = {"lr": 1.0, "momentum": momentum, "form": form}
    (first, _), (second, _) = responses(fastopt.Momentum, gradients, **rule)
    direction = np.where(gradients[0] == 0, np.nan, -np.sign(gradients[0]))
    return np.asarray(direction * second - np.abs(first))


def amplification_map(optimizer: Any, gradients: np.ndarray, **hyperparameters: Any) -> np.ndarray:
    """C_a: the length of the second step, less that of gradient descent, in units of the learning rate."""
    plain, adaptive = (
        np.abs([step for step, _ in responses(cls, gradients, lr=1.0, **chosen)][1])
        for cls, chosen in ((fastopt.SGD, {}), (optimizer, hyperparameters))
    )
    return np.asarray(adaptive - plain)


def prefactors(steps: int, betas: tuple[float, float] = (0.9, 0.999)) -> np.ndarray:
    """At each step, the length of Adam's displacement with bias correction over that without; shape (steps,)."""
    gradients = np.ones((steps, 1))
    with_correction, without = (
        np.array(
            [
                step[0]
                for step, _ in responses(
                    fastopt.Adam, gradients, lr=1.0, betas=betas, eps=0.0, bias_correction=wanted
                )
            ]
        )
        for wanted in (True, False)
    )
    return np.asarray(with_correction / without)


def acceleration(momentum: float = 0.9, form: str = "heavy_ball", resolution: int = 201) -> Figure:
    """The acceleration map of momentum: C_m over the first two gradients.

    Parameters
    ----------
    momentum : float
        In [0, 1).
    form : {"heavy_ball", "ema", "velocity"}
        The form of `fastopt.Momentum`.
    resolution : int
        Points along each side of the map.

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    With m(1) and m(2) the momenta after the gradients g1 and g2, ``C_m = sign(g1) m(2) - |m(1)|``.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.acceleration(momentum=0.5, resolution=11)
    >>> figure.axes[0].get_title()
    'momentum 0.5'
    """
    gradients = pairs(resolution)
    values = acceleration_map(gradients, momentum, form)
    figure, (axes,) = style.figure(size=(5.8, 4.6))
    _map(
        axes, gradients, values, values, f"momentum {momentum:g}", "$C_m$: acceleration along $g_1$"
    )
    return figure


def amplification(
    betas: Sequence[float] = (0.5, 0.9, 0.99), eps: float = 1e-8, resolution: int = 201
) -> Figure:
    """The amplification maps of adaptive rates: C_a over the first two gradients.

    Parameters
    ----------
    betas : sequence of float
        The decay of the average of squares (`alpha` of `fastopt.RMSprop`), a panel for each.
    eps : float
        Added to the root.
    resolution : int
        Points along each side of a map.

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    ``C_a = |second step| / lr - |g2|``: above 0 the step is longer than that of gradient descent.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.amplification(betas=(0.5, 0.9), resolution=11)
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['beta 0.5', 'beta 0.9']
    """
    gradients, betas = pairs(resolution, WIDE), style.several("betas", betas)
    maps = [amplification_map(fastopt.RMSprop, gradients, alpha=b, eps=eps) for b in betas]
    figure, panels = style.figure(1, len(maps), size=(3.9, 3.4))
    for axes, beta, values in zip(panels, betas, maps, strict=True):
        _amplification_panel(axes, gradients, values, f"beta {beta:g}")
    return figure


def adam_amplification(
    betas: tuple[float, float] = (0.9, 0.999), steps: int = 10_000, resolution: int = 201
) -> Figure:
    """The amplification maps of Adam without and with bias correction, and what the correction multiplies by.

    Parameters
    ----------
    betas : tuple of float
        Of `fastopt.Adam`.
    steps : int
        How far the third panel goes.
    resolution : int
        Points along each side of a map.

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    The correction multiplies step t by ``sqrt(1 - beta2**t) / (1 - beta1**t)``, 0.2353 at the second step for
    the usual betas (Kingma and Ba 2015, section 2). The figure measures it on the library's own steps.

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.adam_amplification(steps=10, resolution=11)
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['without bias correction', 'with bias correction']
    """
    gradients = pairs(resolution)
    maps = [
        amplification_map(fastopt.Adam, gradients, betas=betas, bias_correction=wanted)
        for wanted in (False, True)
    ]
    figure, panels = style.figure(1, 3, size=(3.9, 3.4))
    for axes, values, title in zip(panels, maps, ("without", "with"), strict=False):
        _amplification_panel(axes, gradients, values, f"{title} bias correction")
    _prefactor_panel(panels[2], prefactors(max(steps, 2), betas))
    return figure


def _prefactor_panel(axes: Axes, factors: np.ndarray) -> None:
    axes.semilogx(np.arange(1, len(factors) + 1), factors, color=style.color("Adam"), linewidth=2)
    axes.plot(2, factors[1], "o", color=style.MINIMUM, markersize=8)
    axes.annotate(
        f"second step: {factors[1]:.4f}", (2, factors[1]), (2, 2.8 * factors[1]),
        arrowprops={"arrowstyle": "-", "color": style.MINIMUM},
    )  # fmt: skip
    style.course(axes, "corrected step / uncorrected step")
    axes.set_ylim(0, 1.05 * max(1.0, float(factors.max())))


def _amplification_panel(axes: Axes, gradients: np.ndarray, values: np.ndarray, title: str) -> None:
    changing = np.where(gradients[1] == 0, np.nan, values)  # where g2 is 0, no step is longer
    _map(axes, gradients, values, changing, title, "$C_a$: amplification")


def _map(
    axes: Axes, gradients: np.ndarray, values: np.ndarray, edge: np.ndarray, title: str, bar: str
) -> None:
    """A map, white at 0, with a line where `edge` changes its sign."""
    g1, g2 = gradients[0, 0], gradients[1, :, 0]
    limit = float(np.nanquantile(np.abs(values), 0.98))
    mesh = axes.pcolormesh(
        g1, g2, values, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="nearest", rasterized=True
    )
    if np.nanmin(edge) < 0 < np.nanmax(edge):
        axes.contour(g1, g2, edge, [0.0], colors="black", linewidths=1.2)
    axes.axhline(0, color="#666666", linewidth=0.5)
    axes.axvline(0, color="#666666", linewidth=0.5)
    axes.set_aspect("equal")
    style.label(axes, title, "$g_1$", "$g_2$")
    axes.figure.colorbar(mesh, ax=axes, label=bar, shrink=0.85)
