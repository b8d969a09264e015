"""fastopt against everybody else who steps arrays in the memory of a CPU: ``python -m benchmarks.against_peers``.

AdamW by all of them at many sizes, every optimizer of fastopt against torch's and optax's, and both against what the machine can do.
Prints tables, and draws time against size, bars for each optimizer, and a roofline. Who is not installed is left out, with
the reason.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks import contenders, figures, peers, roofline, steps
from fastopt.bench.cases import shape_of

SIZES = [1 << k for k in (10, 12, 14, 16, 17, 18, 20, 22, 24, 26)]
QUICK = [1 << k for k in (10, 14, 17, 20, 24)]
TINY = [1 << 8, 1 << 10]
#: Where every optimizer is compared: in a core's cache, and in memory.
AT, QUICK_AT = [1 << 14, 1 << 24], [1 << 14, 1 << 22]

#: What people use as much as the defaults, and torch has too: by the name in the tables, class and hyperparameters.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "Adam with amsgrad": ("Adam", {"amsgrad": True}),
    "RMSprop centered with momentum": ("RMSprop", {"centered": True, "momentum": 0.9}),
    "SGD with momentum": ("SGD", {"momentum": 0.9}),
}
EVERY = sorted([*fastopt.optimizers.__all__, *VARIANTS], key=str.lower)
FEW = ["AdamW", "LAMB", "SGD with momentum"]

Say = Callable[[str], None]


def adamw(sizes: list[int], say: Say = print, most: int = 7) -> dict[str, Any]:
    """Seconds of AdamW's step: ``times[mode][elements][who]``; who is ``absent``; bytes per second of a ``copy``.

    There are `most` rounds, and fewer at large sizes.
    """
    names, absent = contenders.present()
    times: dict[str, Any] = {mode: {} for mode in steps.MODES}
    copy = {}
    for elements in sizes:
        if not _fits(12 * len(names) * elements):
            absent[f"{elements:,} elements"] = "their arrays do not fit into memory together"
            continue
        say(f"AdamW of {elements:,}")
        rounds = min(most, 7 if elements < 1 << 22 else 5 if elements < 1 << 26 else 3)
        copy[str(elements)] = roofline.copy_rate(28 * elements)
        for mode in steps.MODES:
            found = contenders.measure_all(names, elements, mode, rounds=rounds)
            times[mode][str(elements)] = found
    return {"times": times, "absent": absent, "copy": copy}


def optimizers(
    sizes: list[int], rounds: int, say: Say = print, names: list[str] = EVERY
) -> dict[str, Any]:
    """Every optimizer by size and name: seconds of its step, its twin, torch's and optax's, and bytes moved."""
    found: dict[str, Any] = {str(elements): {} for elements in sizes}
    for elements in sizes:
        for label in names:
            name, given = VARIANTS.get(label, (label, {}))
            try:
                steps.require_traffic(name, elements)
            except NotImplementedError:
                continue
            say(f"{label} of {elements:,}")
            found[str(elements)][label] = _with_others(name, given, elements, rounds)
    return found


def _with_others(name: str, given: dict[str, Any], elements: int, rounds: int) -> dict[str, float]:
    shape = shape_of(elements, getattr(fastopt, name).dimensions)

    def others(gradient: Any) -> dict[str, Any]:
        calls = {
            "torch": peers.torch_step(name, steps.arrays([shape], 0)[0], gradient, **given),
            "optax": None
            if given
            else peers.optax_step(name, steps.arrays([shape], 0)[0], gradient),
        }
        return {who: call for who, call in calls.items() if call is not None}

    return steps.against_twin(name, elements, rounds=rounds, others=others, hyperparameters=given)


def limits() -> dict[str, Any]:
    """What the machine can do, how many operations every formula has, and how many bytes it moves for each number."""
    names = [n for n in fastopt.optimizers.__all__ if not _has_products(n)]
    return {
        "ceilings": roofline.ceilings(),
        "copy": {str(n): roofline.copy_rate(28 * n) for n in (1 << 14, 1 << 24)},
        "operations": {name: roofline.operations(name) for name in names},
    }


def _has_products(name: str) -> bool:
    return any(stage.whole for stage in getattr(fastopt, name).measures)


def _fits(amount: int) -> bool:
    """Whether so many bytes, and half as many for intermediate results, are free; True where nobody tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return True
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return 1.5 * amount < 1024 * free


# ---- to be read ---------------------------------------------------------------------------------


def tables(results: dict[str, Any]) -> list[Table]:
    """Of AdamW in microseconds, by mode; and of every optimizer by size."""
    made = []
    for mode, sizes in results["adamw"]["times"].items():
        table = Table(title=f"AdamW, float32, microseconds, {mode}")
        table.add_column("elements", justify="right")
        names = list(next(iter(sizes.values()), {}))
        for name in names:
            table.add_column(name, justify="right")
        for elements, times in sizes.items():
            table.add_row(f"{int(elements):,}", *(f"{times[n] * 1e6:,.1f}" for n in names))
        made.append(table)
    for elements, found in results["optimizers"].items():
        table = Table(title=f"{int(elements):,} float32 elements, back to back")
        for column in ("optimizer", "us", "GB/s", "of the twin", "torch / own", "optax / own"):
            table.add_column(column, justify="left" if column == "optimizer" else "right")
        for name, t in found.items():
            others = [f"{t[w] / t['time']:.1f}" if w in t else "" for w in ("torch", "optax")]
            rate, fraction = t["bytes"] / t["time"] / 1e9, t["twin"] / t["time"]
            table.add_row(
                name, f"{t['time'] * 1e6:,.1f}", f"{rate:.1f}", f"{fraction:.2f}", *others
            )
        made.append(table)
    return made


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument(
        "--out", type=Path, default=Path("build/peers"), help="folder of the figures"
    )
    chosen = parser.parse_args()
    console = Console(width=200)

    def say(what: str) -> None:
        print(f"\r{what:60}", end="", file=sys.stderr, flush=True)

    sizes = TINY if chosen.smoke else QUICK if chosen.quick else SIZES
    at = TINY[-1:] if chosen.smoke else QUICK_AT if chosen.quick else AT
    results = {
        "adamw": adamw(sizes, say, 2 if chosen.smoke else 7),
        "optimizers": optimizers(
            at, 3 if chosen.quick or chosen.smoke else 5, say, FEW if chosen.smoke else EVERY
        ),
        "roofline": limits(),
    }
    say("")
    print(file=sys.stderr)
    for table in tables(results):
        console.print(table)
    for who, why in results["adamw"]["absent"].items():
        console.print(f"left out: {who}: {why}")
    os.makedirs(chosen.out, exist_ok=True)
    for path in figures.draw(results, chosen.out):
        console.print(f"drawn: {path}")


if __name__ == "__main__":
    main()
