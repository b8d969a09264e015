"""What a user takes along: the Python program of a setting, and its figure."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastopt
from fastopt.hyperparameters import Value
from fastopt.study import RateMap, figures, methods
from fastopt.study.figures.maps import speeds
from fastopt.study.playground import courses, maps
from fastopt.study.playground.controls import Control
from fastopt.study.playground.setting import Run, Setting

#: The kinds of pictures, and what browsers call them.
TYPES = {"png": "image/png", "svg": "image/svg+xml"}
#: Pixels along an edge of the map of rates.
EDGE = 160


def picture(setting: Setting, kind: str) -> bytes:
    """The figure that the program draws, as PNG or SVG.

    Raises
    ------
    ValueError
        For another kind, or if there is no such map.
    """
    if kind not in TYPES:
        raise ValueError(f"a figure as {kind[:40]!r}; expected one of {', '.join(TYPES)}")
    file = io.BytesIO()
    figure(setting).savefig(file, format=kind, dpi=150)
    return file.getvalue()


def figure(setting: Setting) -> Figure:
    """The figure that the program draws."""
    objective = courses.objective(setting)
    every = [
        methods.Method(getattr(fastopt, run.optimizer), dict(_given(run)), label)
        for run, label in zip(setting.runs, setting.labels(), strict=True)
    ]
    chosen = [every[setting.active]]
    made: Figure
    if setting.view == "basins":
        made = figures.basins(objective, chosen, steps=setting.steps)
    elif setting.view == "rates":
        made = rate_figure(maps.rates(setting, setting.run, maps.axes_of(setting.run), EDGE))
    else:
        made = figures.trajectory(objective, every, setting.start, setting.steps)
    return made


def code(setting: Setting) -> str:
    """A Python program that computes and draws what the playground shows.

    Examples
    --------
    >>> from fastopt.study.playground import export, setting
    >>> print(export.code(setting.first()))
    import fastopt
    from fastopt import study
    from fastopt.study import figures, methods
    <BLANKLINE>
    objective = study.objectives.get('beale')
    start, steps = (1.0, 1.5), 300
    optimizers = [
        methods.Method(fastopt.Momentum, {'lr': 0.001}, 'Momentum'),
        methods.Method(fastopt.RMSprop, {'lr': 0.03}, 'RMSprop'),
        methods.Method(fastopt.Adam, {'lr': 0.1}, 'Adam'),
    ]
    trajectories = [
        study.trace(m.optimizer, objective, start, steps, **m.hyperparameters) for m in optimizers
    ]
    for method, found in zip(optimizers, trajectories):
        print(method.label, found.points[-1], found.values[-1])
    <BLANKLINE>
    figure = figures.trajectory(objective, optimizers, start, steps)
    figure.savefig("playground.png", dpi=150)
    <BLANKLINE>
    """
    get = f"objective = study.objectives.get({setting.objective!r})"
    noisy = f"objective = objective.noisy({setting.noise!r}, seed={setting.seed!r})"
    imported = {
        "surface": ["from fastopt.study import figures, methods"],
        "basins": ["from fastopt.study import figures, methods"],
        "rates": [
            "from fastopt.study import methods",
            "from fastopt.study.playground import export",
        ],
    }
    lines = [
        *(["import numpy as np", ""] if setting.view == "rates" else []),
        "import fastopt",
        "from fastopt import study",
        *imported[setting.view],
        "",
        get,
        *([noisy] if setting.noise else []),
        f"start, steps = {setting.start!r}, {setting.steps!r}",
        "optimizers = [",
        *(
            f"    methods.Method(fastopt.{run.optimizer}, {_given(run)!r}, {label!r}),"
            for run, label in zip(setting.runs, setting.labels(), strict=True)
        ),
        "]",
        "trajectories = [",
        "    study.trace(m.optimizer, objective, start, steps, **m.hyperparameters) for m in optimizers",
        "]",
        "for method, found in zip(optimizers, trajectories):",
        "    print(method.label, found.points[-1], found.values[-1])",
        "",
        *_drawing(setting),
        'figure.savefig("playground.png", dpi=150)',
    ]
    return "\n".join(lines) + "\n"


def _drawing(setting: Setting) -> list[str]:
    """The lines that make the figure."""
    if setting.view == "basins":
        return [f"figure = figures.basins(objective, [optimizers[{setting.active}]], steps=steps)"]
    if setting.view == "rates":
        axes = maps.axes_of(setting.run)
        return [
            f"chosen = optimizers[{setting.active}]",
            "found = study.rate_map(",
            f"    chosen.optimizer, objective, x={_axis(axes.x)},",
            f"    y={_axis(axes.y)}, start=start, steps=steps,",
            "    **chosen.hyperparameters,",
            ")",
            "figure = export.rate_figure(found)",
        ]
    return ["figure = figures.trajectory(objective, optimizers, start, steps)"]


def _given(run: Run) -> dict[str, Value]:
    """The learning rate, and what differs from the defaults."""
    return {**{k: v for k, v in run.hyperparameters.items() if k == "lr"}, **run.changed}


def _axis(control: Control) -> str:
    """An axis of `study.rate_map` in Python."""
    scale = control.scale
    assert scale is not None
    half = (scale.end - scale.start) / (2 * EDGE)
    places = f"np.linspace({scale.start + half!r}, {scale.end - half!r}, {EDGE})"
    values = {"log": f"10.0 ** {places}", "decay": f"1 - 10.0 ** -{places}"}.get(scale.kind, places)
    return f"({maps.axis_name(control)!r}, {values})"


def rate_figure(found: RateMap) -> Figure:
    """A map of learning rates, each axis so that its values lie evenly.

    Parameters
    ----------
    found : RateMap

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastopt.study.playground import export
    >>> found = fastopt.study.rate_map(
    ...     fastopt.Momentum, "quadratic", x=("lr", np.geomspace(0.001, 1, 4)), y=("momentum", [0.0, 0.9]), steps=50
    ... )
    >>> export.rate_figure(found).axes[0].get_ylabel()
    'momentum'
    """
    made = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = made.add_subplot()
    mesh = speeds(axes, found)
    for name, values in (("x", found.x), ("y", found.y)):
        _spread(axes, name, values)
    axes.set(xlabel=found.names[0], ylabel=found.names[1])
    axes.set_title(f"{found.optimizer.__name__} on {found.objective.name}", fontsize=11)
    made.colorbar(mesh, label=f"steps to converge; grey: not in {found.most}")
    return made


def _spread(axes: Axes, name: str, values: np.ndarray) -> None:
    """A scale on which the values are evenly spaced: logarithmic, by distance from 1, or linear."""
    set_scale = getattr(axes, f"set_{name}scale")
    if _geometric(values):
        set_scale("log")
    elif _geometric(1 - values):
        set_scale(
            "function",
            functions=(lambda b: -np.log10(np.maximum(1 - b, 1e-12)), lambda p: 1 - 10.0**-p),
        )
        nines = 1 - 10.0 ** -np.arange(6)
        ticks = nines[(nines >= values[0]) & (nines <= values[-1])]
        getattr(axes, f"set_{name}ticks")(ticks, [f"{tick:g}" for tick in ticks])


def _geometric(values: np.ndarray) -> bool:
    if len(values) < 3 or (values <= 0).any():
        return False
    ratios = values[1:] / values[:-1]
    return bool(np.allclose(ratios, ratios[0]) and not np.isclose(ratios[0], 1))
