"""A picture of every schedule in `fastopt.schedules`.

Run it with ``python examples/plot_schedules.py schedules.png``; it needs Matplotlib. The documentation is built with
it.
"""

import inspect
import sys
import textwrap

import numpy as np
from matplotlib.figure import Figure

from fastopt import schedules

COUNTS = np.arange(1001)


def chosen():
    """An example of each; all go from or up to 1, within 1,000 steps."""
    cycle = {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 50, "decay_steps": 250}
    return [
        schedules.constant_schedule(0.5),
        schedules.linear_schedule(1.0, 0.1, 800),
        schedules.polynomial_schedule(1.0, 0.1, power=2, transition_steps=800),
        schedules.cosine_decay_schedule(1.0, 800, alpha=0.1),
        schedules.exponential_decay(1.0, 200, 0.5),
        schedules.piecewise_constant_schedule(1.0, {400: 0.5, 700: 0.2}),
        schedules.piecewise_interpolate_schedule("cosine", 1.0, {400: 0.5, 800: 0.2}),
        schedules.linear_onecycle_schedule(1000, 1.0),
        schedules.cosine_onecycle_schedule(1000, 1.0),
        schedules.warmup_constant_schedule(0.0, 1.0, 200),
        schedules.warmup_cosine_decay_schedule(0.0, 1.0, 200, 1000),
        schedules.warmup_exponential_decay_schedule(0.0, 1.0, 200, 200, 0.5),
        schedules.warmup_stable_decay_schedule(0.0, 1.0, 150, 550, 300, decay="sqrt"),
        schedules.sgdr_schedule([cycle, {**cycle, "peak_value": 0.7, "decay_steps": 750}]),
        schedules.join_schedules(
            [schedules.linear_schedule(0.0, 1.0, 300), schedules.exponential_decay(0.6, 200, 0.5)],
            [300],
        ),
    ]


def plateau():
    """What it is made by, its values, and a loss that stands still from time to time."""
    lr = schedules.ReduceLROnPlateau(1.0, factor=0.5, patience=99)
    call = repr(lr)
    loss = 0.3 + 0.7 * np.exp(-np.minimum(COUNTS, 300) / 150)
    loss[500:] -= 0.1
    values = []
    for metric in loss:
        values.append(lr.lr)
        lr.update(metric)
    return call, values, loss


def draw():
    """All of them, one panel each: the name, what it was called with, and the values."""
    made = chosen()
    functions = {n for n in schedules.__all__ if inspect.isfunction(getattr(schedules, n))}
    missing = functions - {repr(s).partition("(")[0] for s in made} - {"from_state_dict"}
    if missing:
        raise ValueError(f"no picture of {', '.join(sorted(missing))}")

    figure = Figure(figsize=(11, 10), layout="constrained")
    *panels, last = figure.subplots(4, 4, sharex=True, sharey=True).flat
    for axes, schedule in zip(panels, made, strict=True):
        axes.plot(COUNTS, schedule(COUNTS))
        label(axes, repr(schedule))
    call, values, loss = plateau()
    last.plot(COUNTS, values, label="value")
    last.plot(COUNTS, loss, linestyle="--", linewidth=1, label="loss")
    last.legend(fontsize=7, frameon=False)
    label(last, call)
    figure.supxlabel("steps taken", fontsize=9)
    return figure


def label(axes, call):
    """Name and arguments as the title."""
    name, _, arguments = call.removesuffix(")").partition("(")
    lines = textwrap.wrap(arguments, 46, max_lines=3, placeholder=" ...")
    axes.set_title("\n".join([name, *lines]), fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


if __name__ == "__main__":
    draw().savefig(sys.argv[1] if len(sys.argv) > 1 else "schedules.png", dpi=100)
