"""What a user takes along: the Python program of a setting, and its figure."""

from __future__ import annotations

import io

import fastopt
from fastopt.study.playground import courses, maps
from fastopt.study.playground.setting import Run, Setting

#: The kinds of pictures, and what browsers call them.
TYPES = {"png": "image/png", "svg": "image/svg+xml"}


def code(setting: Setting) -> str:
    """A Python program that computes and draws what the playground shows.

    Examples
    --------
    >>> from fastopt.study.playground import export, setting
    >>> print(export.code(setting.first()))  # doctest: +ELLIPSIS
    import fastopt
    from fastopt import study
    ...
    """
    lines = [
        "import fastopt",
        "from fastopt import study",
        "from fastopt.study import figures, methods",
        "",
        f"objective = study.objectives.get({setting.objective!r})",
    ]
    if setting.noise:
        lines.append(f"objective = objective.noisy({setting.noise!r}, seed={setting.seed!r})")
    lines += [f"start, steps = {setting.start!r}, {setting.steps!r}", "optimizers = ["]
    for run, label in zip(setting.runs, setting.labels(), strict=True):
        lines.append(
            f"    methods.Method(fastopt.{run.optimizer}, {_given(run)!r}, {label!r}),"
        )
    lines += [
        "]",
        "trajectories = [",
        "    study.trace(m.optimizer, objective, start, steps, **m.hyperparameters) for m in optimizers",
        "]",
        "for method, found in zip(optimizers, trajectories):",
        "    print(method.label, found.points[-1], found.values[-1])",
        "",
        *_figure(setting),
        f'figure.savefig("fastopt-playground-{setting.view}.png", dpi=150)',
    ]
    return "\n".join(lines) + "\n"


def _given(run: Run) -> dict[str, object]:
    """What differs from the defaults, and what has none."""
    return {**{k: v for k, v in run.hyperparameters.items() if k == "lr"}, **run.changed}


def _figure(setting: Setting) -> list[str]:
    return ["figure = figures.trajectory(objective, optimizers, start, steps)"]
