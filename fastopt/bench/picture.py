"""A picture of a run: time against size, with the limit that memory sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastopt.bench.measuring import Result
from fastopt.bench.saved import Run


def draw(run: Run, file: Path) -> None:
    """Time of a step against its size, both logarithmic, a line for each optimizer; twins dashed, peers dotted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys((r.case.optimizer, r.case.dtype) for r in run.results))
    for k, (optimizer, dtype) in enumerate(names):
        own = [r for r in run.results if (r.case.optimizer, r.case.dtype) == (optimizer, dtype)]
        own.sort(key=lambda r: r.case.elements)
        color = f"C{k % 10}"
        _line(axes, own, "own", f"{optimizer}, {dtype}", color=color, marker="o", markersize=4)
        _line(axes, own, "twin", None, color=color, linestyle="--", linewidth=1, alpha=0.7)
        for peer in run.settings.peers:
            has = [r for r in own if peer in r.times]
            if has:
                _line(
                    axes, has, peer, f"{optimizer}, {peer}", color=color, linestyle=":", linewidth=2
                )
    axes.plot([], [], color="gray", linestyle="--", label="the limit: their traffic twins")
    axes.set(xscale="log", yscale="log", xlabel="elements", ylabel="microseconds per step")
    axes.set_title(f"{run.machine['processor']}, {run.threads} threads", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=120)


def _line(axes, results: list[Result], which: str, label: str | None, **style) -> None:  # type: ignore[no-untyped-def]
    sizes = np.array([r.case.elements for r in results])
    axes.plot(sizes, [r.seconds(which) * 1e6 for r in results], label=label, **style)
