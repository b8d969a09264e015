"""Takes the figures of docs/benchmarks.md, part by part: ``make bench-docs``, or ``python -m benchmarks.record``.

Each part is written into docs/benchmarks.json as soon as it is measured, so a run that was interrupted goes on with ``--missing``. The
page and its pictures are made from that file alone: ``--page`` makes them anew without measuring. ``--quick`` takes fewer sizes and
rounds, and the page says so.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastopt
from benchmarks import against_peers, figures, fresh, page, peers, row_steps, steps
from benchmarks.shapes import NETWORKS, shrunk
from fastopt.bench import saved

DOCS = Path(__file__).parent.parent / "docs"
LIBRARIES = (
    "numpy", "numba", "llvmlite", "tbb", "torch", "jax", "jaxlib", "optax", "deepspeed", "bitsandbytes",
)  # fmt: skip

FULL, QUICK, SMOKE = "full", "quick", "smoke"


def machine() -> dict[str, Any]:
    """What it was measured on, and with."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    found = saved.machine()
    return {
        "processor": f"{found['processor']} (LLVM: {found['llvm']})",
        "cores": found["cores"],
        "threads": fastopt.get_num_threads(),
        "layer": found["layer"],
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if hasattr(os, "sysconf")
        else None,
        "cache": largest_cache(),
        "system": f"{found['system']} {found['architecture']}",
        "Python": platform.python_version(),
        "fastopt": fastopt.__version__,
        "versions": versions,
    }


def largest_cache() -> int | None:
    """Bytes of the largest cache, where the system tells."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    found = [int(s.read_text().strip().removesuffix("K")) * 1024 for s in sizes]
    return max(found, default=None)


# ---- parts --------------------------------------------------------------------------------------


def _adamw(extent: str) -> Any:
    chosen = {FULL: against_peers.SIZES, QUICK: against_peers.QUICK, SMOKE: against_peers.TINY}
    return against_peers.adamw(chosen[extent], _say, 2 if extent == SMOKE else 7)


def _optimizers(extent: str) -> Any:
    sizes, rounds = {
        FULL: (against_peers.AT, 5),
        QUICK: (against_peers.QUICK_AT, 3),
        SMOKE: (against_peers.TINY, 2),
    }[extent]
    names = against_peers.FEW if extent == SMOKE else against_peers.EVERY
    return against_peers.optimizers(sizes, rounds, _say, names)


def _roofline(extent: str) -> Any:
    return against_peers.limits()


def _small(extent: str) -> Any:
    """Seconds by mode and tensors, of ``same`` and ``new`` arrays, and of torch's fused."""

    def others(grads: list[np.ndarray]) -> dict[str, Any]:
        return _present(torch=peers.torch_adamw(grads, fused=True))

    return {
        mode: {
            name: steps.small(shapes, between=between, rounds=_rounds(extent, 9), others=others)
            for name, shapes in steps.SMALL.items()
        }
        for mode, between in steps.MODES.items()
    }


def _networks(extent: str) -> Any:
    """Seconds by network, step and mode, of fastopt, its twin, and torch."""
    found: dict[str, Any] = {}
    for name, shapes in NETWORKS.items():
        kept = shrunk(shapes) if extent == SMOKE else shapes
        found[name] = {}
        for step, option, other in (
            ("plain", steps.OPTIONS["plain"], lambda g: peers.torch_adamw(g, fused=True)),
            ("whole", steps.WHOLE, peers.torch_whole),
        ):
            found[name][step] = {}
            for mode, between in steps.MODES.items():
                _say(f"{name}, {step}, {mode}")
                found[name][step][mode] = steps.with_option(
                    option, kept, between=between, rounds=_rounds(extent, 5),
                    others=lambda g, other=other: _present(torch=other(g)),
                )  # fmt: skip
                gc.collect()
    return found


def _options(extent: str) -> Any:
    """Seconds by elements and option, with those of the plain step in the same rounds."""

    def plain(grads: list[np.ndarray]) -> dict[str, Any]:
        opt = fastopt.AdamW(np.ones_like(grads[0]))
        return {"plain": lambda: opt.step(grads[0])}

    sizes = [1 << 10] if extent == SMOKE else [1 << 14, 1 << 24]
    return {
        str(n): {
            name: steps.with_option(option, [(n,)], rounds=_rounds(extent, 5), others=plain)
            for name, option in steps.OPTIONS.items()
        }
        for n in sizes
    }


def _rows(extent: str) -> Any:
    """Seconds by table of SparseAdam's rows, their twin, and torch's."""
    tables = [row_steps.TINY] if extent == SMOKE else row_steps.TABLES
    return {
        str(table): row_steps.compare(
            "SparseAdam", table, rounds=_rounds(extent, 9),
            others=lambda rows, grads, table=table: _present(
                torch=peers.torch_rows(rows, grads, table.height)
            ),
        )
        for table in tables
    }  # fmt: skip


def _threads(extent: str) -> Any:
    """Seconds of AdamW by elements and number of threads."""
    sizes = [1 << 10] if extent == SMOKE else [1 << 14, 1 << 17, 1 << 20, 1 << 24]
    return {
        str(n): {
            str(count): steps.against_twin("AdamW", n, shares=count, rounds=_rounds(extent, 7))
            for count in steps.thread_counts()
        }
        for n in sizes
    }


def _start(extent: str) -> Any:
    return fresh.starts(1 if extent == SMOKE else 3)


PARTS: dict[str, Callable[[str], Any]] = {
    "adamw": _adamw,
    "small": _small,
    "networks": _networks,
    "optimizers": _optimizers,
    "roofline": _roofline,
    "options": _options,
    "rows": _rows,
    "threads": _threads,
    "start": _start,
}


def _rounds(extent: str, full: int) -> int:
    return {FULL: full, QUICK: max(3, full // 2), SMOKE: 2}[extent]


def _present(**calls: Any) -> dict[str, Any]:
    return {name: call for name, call in calls.items() if call is not None}


def _say(what: str) -> None:
    print(f"    {what}", file=sys.stderr, flush=True)


# ---- the file, and what is made from it -------------------------------------------------------------


def record(file: Path, names: list[str], extent: str) -> dict[str, Any]:
    """Measure these parts, writing each into the file at once."""
    results = (
        json.loads(file.read_text()) if file.exists() else {"machine": {}, "parts": {}, "taken": {}}
    )
    for name in names:
        start = time.perf_counter()
        print(f"{name}: ...", file=sys.stderr, flush=True)
        results["parts"][name] = _shortened(PARTS[name](extent))
        took = time.perf_counter() - start
        results["taken"][name] = {
            "extent": extent, "date": time.strftime("%Y-%m-%d"), "seconds": round(took),
        }  # fmt: skip
        results["machine"] = machine()
        file.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
        gc.collect()
    return results


def _shortened(value: Any) -> Any:
    """To four digits: more are noise."""
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.4g}")
    return value


def write(results: dict[str, Any], folder: Path, readme: Path | None) -> None:
    """The page and its pictures; and the table in the README."""
    pictures = folder / "benchmarks"
    pictures.mkdir(exist_ok=True)
    drawn = figures.draw(results["parts"], pictures)
    for old in set(pictures.glob("*.svg")) - set(drawn):
        old.unlink()
    (folder / "benchmarks.md").write_text(page.made(results))
    if readme is not None:
        readme.write_text(page.in_readme(readme.read_text(), results))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    parser.add_argument("--missing", action="store_true", help="parts that are not there yet")
    parser.add_argument("--page", action="store_true", help="measure nothing, make the page")
    parser.add_argument(
        "--folder", type=Path, default=DOCS,
        help="of page and figures; anywhere but in docs/ the README is left alone",
    )  # fmt: skip
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    file = chosen.folder / "benchmarks.json"
    extent = SMOKE if chosen.smoke else QUICK if chosen.quick else FULL
    names = [] if chosen.page else chosen.only or list(PARTS)
    if chosen.missing and file.exists():
        taken = json.loads(file.read_text())["taken"]
        names = [n for n in names if taken.get(n, {}).get("extent") != extent]
    results = record(file, names, extent)
    readme = DOCS.parent / "README.md" if chosen.folder.resolve() == DOCS.resolve() else None
    write(results, chosen.folder, readme)


if __name__ == "__main__":
    main()
