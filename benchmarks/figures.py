"""Pictures of what was measured: time against size, bars for each optimizer, a roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.contenders import EIGHT_BIT

_COLORS = {
    "fastopt": "#d62728",
    "twin": "#888888",
    "NumPy, as texts": "#bcbd22",
    "NumPy, buffers": "#8c8b1f",
    "torch single": "#f7b6a0",
    "torch foreach": "#ff9e4a",
    "torch fused": "#e8710a",
    "optax jit": "#1f77b4",
    "DeepSpeed CPUAdam": "#2ca02c",
    "bitsandbytes 32-bit": "#9467bd",
    EIGHT_BIT: "#c5b0d5",
}
# Text stays text, so that pictures are small and can be searched.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "fastopt", "font.size": 9, "axes.grid": True,
          "grid.alpha": 0.3, "axes.axisbelow": True, "legend.frameon": False}  # fmt: skip


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what there are results for; the files."""
    made = []
    with plt.rc_context(_STYLE):
        if "adamw" in results:
            made.append(_save(_against_size(results["adamw"]), folder / "time-against-size.svg"))
        for elements, found in results.get("optimizers", {}).items():
            made.append(_save(_bars(elements, found), folder / f"optimizers-{elements}.svg"))
        if "roofline" in results and "adamw" in results and results.get("optimizers"):
            made.append(_save(_roofline(results), folder / "roofline.svg"))
    return made


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def _against_size(adamw: dict[str, Any]) -> Any:
    figure, panels = plt.subplots(1, 2, figsize=(10, 5), sharey=True, layout="constrained")
    copy = {int(n): 28 * int(n) / rate for n, rate in adamw["copy"].items()}
    for panel, (mode, sizes) in zip(panels, adamw["times"].items(), strict=True):
        panel.plot(list(copy), list(copy.values()), "k:", lw=1, label="28 bytes each, copied")
        for who in next(iter(sizes.values()), {}):
            x = [int(n) for n in sizes]
            y = [times[who] for times in sizes.values()]
            front = who == "fastopt"
            style = {"lw": 2.2 if front else 1.2, "zorder": 5 if front else 3}
            panel.plot(
                x, y, ".--" if who == "twin" else ".-", color=_COLORS[who], label=who, **style
            )
        panel.set(xscale="log", yscale="log", title=mode, xlabel="float32 numbers")
    panels[0].set_ylabel("seconds of a step of AdamW")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def _bars(elements: str, found: dict[str, Any]) -> Any:
    names = sorted(found, key=lambda n: found[n]["time"])
    figure, panel = plt.subplots(figsize=(8, 1 + 0.17 * len(names)), layout="constrained")
    y = range(len(names))
    panel.barh(y, [found[n]["time"] for n in names], color=_COLORS["fastopt"], label="fastopt")
    twins = [found[n]["twin"] for n in names]
    panel.plot(twins, y, "|", color="black", ms=7, mew=1.6, label="traffic twin")
    for who, marker, color in (("torch", "o", "torch fused"), ("optax", "s", "optax jit")):
        there = [(found[n][who], i) for i, n in enumerate(names) if who in found[n]]
        if there:
            panel.plot(*zip(*there, strict=True), marker, color=_COLORS[color], ms=3.5, label=who)
    panel.set(xscale="log", ylim=(-1, len(names)), xlabel="seconds of a step")
    panel.set_yticks(y, names, fontsize=7)
    panel.set_title(f"{int(elements):,} float32 numbers, back to back")
    panel.legend(loc="lower right")
    panel.grid(axis="y", visible=False)
    return figure


def _roofline(results: dict[str, Any]) -> Any:
    limits, found = results["roofline"], results["optimizers"]
    figure, panel = plt.subplots(figsize=(8, 5), layout="constrained")
    ceilings = limits["ceilings"]
    ends = (0.05, 30.0)
    top = ceilings["multiply-add"]
    lines = zip(limits["copy"].items(), ("--", "-"), strict=True)
    for (elements, rate), style in lines:
        x = [ends[0], min(ends[1], top / rate)]
        label = f"copies {rate / 1e9:.0f} GB/s, {int(elements):,} numbers"
        panel.plot(x, [v * rate for v in x], style, color="black", lw=1, label=label)
    for name, rate in ceilings.items():
        panel.axhline(rate, color="#888888", lw=1, ls="-" if rate == top else ":")
        panel.text(ends[0] * 1.05, rate * 1.06, f"{name}, {rate / 1e9:,.0f} G operations/s")
    for elements, color in zip(found, ("#ff9e4a", _COLORS["fastopt"]), strict=False):
        points = [
            (operations * int(elements) / t["bytes"], operations * int(elements) / t["time"], name)
            for name, t in found[elements].items()
            if (operations := limits["operations"].get(name))
        ]
        x, y, names = zip(*points, strict=True)
        label = f"optimizers, {int(elements):,} numbers"
        panel.plot(x, y, ".", color=color, label=label)
        for name in {"AdamW", "SGD", "LAMB", "Rprop"} & set(names):
            i = names.index(name)
            panel.annotate(name, (x[i], y[i]), (4, -9), textcoords="offset points", fontsize=7)
    panel.set(xscale="log", yscale="log", xlim=ends, xlabel="operations for each byte moved",
              ylabel="operations per second")  # fmt: skip
    panel.legend(loc="lower right")
    return figure
