"""What docs/benchmarks.md says of each part that was recorded."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders import EIGHT_BIT
from benchmarks.markdown import count, listed, ms, table, us

#: Differences below it are noise.
NOISE = 0.03
#: What a twin, or a step, must reach to count as being at the limit.
AT_LIMIT = 0.9

_YARDSTICKS = ("fastopt", "twin")
_NOT_THE_SAME = (*_YARDSTICKS, EIGHT_BIT)


def _adamw(part: dict[str, Any], results: dict[str, Any]) -> str:
    lines = ["## AdamW, by everybody\n", "![Time against size](benchmarks/time-against-size.svg)\n"]
    for mode, sizes in part["times"].items():
        names = list(next(iter(sizes.values()), {}))
        lines.append(f"Microseconds of a step, {mode}:\n")
        rows = [[count(n), *(us(t[who]) for who in names)] for n, t in sizes.items()]
        lines.append(table(["numbers", *names], rows))
        lines.append(comparison(sizes, mode))
    lines += [_limit(part, results["machine"]["cache"]), _absent(part["absent"])]
    if any(EIGHT_BIT in t for sizes in part["times"].values() for t in sizes.values()):
        lines.append(
            f"{EIGHT_BIT} keeps its two averages in a byte each: it moves 14 bytes for each number, not 28, and its results "
            "are not the same; it is not counted among the fastest.\n"
        )
    return "\n".join(lines)


def comparison(sizes: dict[str, Any], mode: str) -> str:
    """Where somebody was faster, and by how much fastopt was elsewhere."""
    faster, level, ahead = [], [], []
    for n, times in sizes.items():
        others = {who: t for who, t in times.items() if who not in _NOT_THE_SAME}
        if not others:
            return "Nobody else was there.\n"
        who = min(others, key=others.__getitem__)
        ratio = others[who] / times["fastopt"]
        text = f"{count(n)} ({who}: {ratio:.2f})"
        (faster if ratio < 1 - NOISE else ahead if ratio > 1 + NOISE else level).append(text)
    said = [f"Time of the fastest of the others, divided by that of fastopt, {mode}."]
    if faster:
        said.append(f"**Somebody was faster than fastopt** at {listed(faster)}.")
    else:
        said.append("Nobody was faster than fastopt at any size.")
    if level:
        said.append(f"Within {NOISE:.0%} of each other at {listed(level)}.")
    if ahead:
        said.append(f"fastopt was the fastest at {listed(ahead)}.")
    return " ".join(said) + "\n"


def _limit(part: dict[str, Any], cache: int | None) -> str:
    """Where the step is at the twin's speed, and whether the twin is a yardstick there."""
    in_memory, in_cache, void = [], [], []
    for n, t in part["times"]["back to back"].items():
        if 28 * int(n) / t["twin"] < AT_LIMIT * part["copy"][n]:
            void.append(count(n))
        elif t["twin"] / t["fastopt"] > AT_LIMIT:
            beyond = cache is not None and 16 * int(n) > 2 * cache
            (in_memory if beyond else in_cache).append(count(n))
    said = []
    if in_memory:
        said.append(
            f"**The limit**: back to back, fastopt ran at {AT_LIMIT:.0%} or more of the twin's speed at {listed(in_memory)} numbers, "
            "whose arrays are more than twice as large as the largest cache: there memory is the limit, for everybody, and only moving "
            "fewer bytes could be faster."
        )
    if in_cache:
        said.append(
            f"It did so as well at {listed(in_cache)} numbers, of which the caches hold all or much: there the step costs no more than the same "
            "calls and loops that only move the arrays."
        )
    if void:
        said.append(
            f"At {listed(void)} numbers the twin itself did not reach {AT_LIMIT:.0%} of the speed of a copy of as many bytes, so it is no "
            "yardstick there."
        )
    return " ".join(said) + ("\n" if said else "")


def _absent(absent: dict[str, str]) -> str:
    if not absent:
        return ""
    return "\n".join(["Left out:\n", *(f"- {who}: {why}" for who, why in absent.items())]) + "\n"


def _small(part: dict[str, Any], results: dict[str, Any]) -> str:
    rows = []
    for tensors in next(iter(part.values())):
        for mode, found in part.items():
            t = found[tensors]
            rows.append([tensors, mode, us(t["same"]), us(t["new"]), *_peer(t, "torch", "new")])
    return "\n".join(
        [
            "## Small steps\n",
            "A whole call of AdamW's `step`, in microseconds, with the gradient arrays of the step before and with others; beside it "
            "`torch.optim.AdamW(fused=True)`, which gets the same gradients every time.\n",
            table(["arrays", "mode", "same arrays", "new arrays", "torch fused", "torch / new"], rows),
        ]
    )  # fmt: skip


def _networks(part: dict[str, Any], results: dict[str, Any]) -> str:
    rows = []
    for name, found in part.items():
        for step, modes in found.items():
            for mode, t in modes.items():
                rows.append(
                    [name, step, mode, ms(t["time"]), f"{t['bytes'] / t['time'] / 1e9:.0f}",
                     f"{t['twin'] / t['time']:.2f}", *_peer(t, "torch", "time", ms)]
                )  # fmt: skip
    return "\n".join(
        [
            "## Networks\n",
            "AdamW over all parameters of networks that many train (`benchmarks/shapes.json` has their shapes, and where they are from). "
            "*whole* unscales, clips by the global norm, skips what is not finite and keeps an average of the parameters; torch "
            "does so with `clip_grad_norm_`, fused AdamW and `_foreach_lerp_`, without unscaling and skipping.\n",
            table(
                ["network", "step", "mode", "ms", "GB/s", "of the twin", "torch, ms", "torch / fastopt"],
                rows,
            ),
            _slower([(f"{r[0]}, {r[1]}, {r[2]}", r[-1]) for r in rows]),
        ]
    )  # fmt: skip


def _optimizers(part: dict[str, Any], results: dict[str, Any]) -> str:
    lines = ["## Every optimizer\n"]
    for elements, found in part.items():
        lines.append(f"![{count(elements)} numbers](benchmarks/optimizers-{elements}.svg)\n")
        rows = [
            [name, us(t["time"]), f"{t['bytes'] / t['time'] / 1e9:.1f}", f"{t['twin'] / t['time']:.2f}",
             *(f"{t[who] / t['time']:.1f}" if who in t else "" for who in ("torch", "optax"))]
            for name, t in found.items()
        ]  # fmt: skip
        lines.append(
            f"{count(elements)} numbers, back to back; time of torch (fused where it can be) and of optax (jit), divided by fastopt's:\n"
        )
        header = [
            "optimizer",
            "us",
            "GB/s",
            "of the twin",
            "torch / fastopt",
            "optax / fastopt",
        ]
        lines.append(table(header, rows))
        slower = [f"{n} ({t['twin'] / t['time']:.2f})" for n, t in found.items() if t["twin"] < AT_LIMIT * t["time"]]  # fmt: skip
        if slower:
            lines.append(
                f"Below {AT_LIMIT:.0%} of the twin's speed, so not only limited by memory: {listed(slower)}.\n"
            )
        lines.append(
            _slower(
                [(f"{n}, {who}", f"{t[who] / t['time']:.2f}") for n, t in found.items() for who in ("torch", "optax") if who in t]
            )
        )  # fmt: skip
    lines.append(
        "Muon's time is that of its matrix products; where it is missing, they would take seconds. optax's optimizers are compiled with the "
        "addition of their updates, over donated arrays.\n"
    )
    return "\n".join(lines)


def _roofline(part: dict[str, Any], results: dict[str, Any]) -> str:
    ceilings = ", ".join(f"{n} {rate / 1e9:,.0f}" for n, rate in part["ceilings"].items())
    picture = "![Roofline](benchmarks/roofline.svg)\n\n" if "optimizers" in results["parts"] else ""
    return (
        f"## Roofline\n\n{picture}Operations are the additions, multiplications, divisions and roots that a formula writes for each number. The "
        "slanted lines are copies by fastopt's drivers of as many bytes as AdamW moves; the level ones what all threads compute in the nearest "
        f"cache, measured by loops without traffic, in 10^9 per second: {ceilings}. Divisions and roots, of which most optimizers have one "
        "each, are far below additions: that is what binds steps whose arrays lie in a cache.\n"
    )


def _options(part: dict[str, Any], results: dict[str, Any]) -> str:
    rows = [
        [option, count(n), us(t["time"]), f"{t['time'] / t['plain']:.2f}",
         f"{t['bytes'] / (28 * int(n)):.2f}", f"{t['twin'] / t['time']:.2f}" if t["twin"] else ""]
        for n, found in part.items()
        for option, t in found.items()
    ]  # fmt: skip
    return (
        "## Options\n\nWhat each option of a step of AdamW costs by itself: time, and bytes moved, as multiples of the plain step's. Twins of options "
        "with a norm read the gradients first, as these do.\n\n"
        + table(["option", "numbers", "us", "time", "bytes", "of the twin"], rows)
    )


def _rows(part: dict[str, Any], results: dict[str, Any]) -> str:
    rows = [
        [name, us(t["time"]), f"{t['twin'] / t['time']:.2f}", *_peer(t, "torch", "time")]
        for name, t in part.items()
    ]
    return (
        "## Rows\n\n`SparseAdam.step_rows` on random rows of an embedding table. Its twin adds each row of the gradients to the same rows of three "
        "arrays, and neither checks nor sorts.\n\n"
        + table(["rows", "us", "of the twin", "torch SparseAdam, us", "torch / fastopt"], rows)
    )


def _threads(part: dict[str, Any], results: dict[str, Any]) -> str:
    counts = list(next(iter(part.values())))
    rows = []
    for n, found in part.items():
        first = found[counts[0]]["time"]
        times = [us(found[c]["time"]) for c in counts]
        rows.append([count(n), *times, *(f"{first / found[c]['time']:.2f}" for c in counts[1:])])
    header = ["numbers", *(f"{c} {'thread' if c == '1' else 'threads'}, us" for c in counts)]
    header += [f"times as fast with {c}" for c in counts[1:]]
    return (
        "## Threads\n\nAdamW, back to back, always in as many shares as there are threads. (Ordinary steps that are too small for it run in one "
        "thread.)\n\n" + table(header, rows)
    )


def _start(part: dict[str, Any], results: dict[str, Any]) -> str:
    rows = [
        [cache, f"{t['import']:.2f}", f"{t['first']:.3f}", us(t["second"]), f"{t['peak'] / 2**20:.0f}"]
        for cache, t in part.items()
    ]  # fmt: skip
    return (
        "## The start of a process\n\nAdamW's constructor and first step compile a kernel, or load it from the cache of kernels on disk.\n\n"
        + table(
            ["cache", "import, s", "first step, s", "second step, us", "peak memory, MiB"], rows
        )
    )


def _slower(ratios: list[tuple[str, str]]) -> str:
    """Who was faster than fastopt, by ratios of times."""
    found = [f"{what} ({ratio})" for what, ratio in ratios if ratio and float(ratio) < 1 - NOISE]
    return f"**Slower than the other**: {listed(found)}.\n" if found else ""


def _peer(t: dict[str, float], who: str, own: str, unit: Any = None) -> list[str]:
    unit = unit or us
    return [unit(t[who]), f"{t[who] / t[own]:.2f}"] if who in t else ["", ""]


#: By part, in the order of the page.
SECTIONS = {
    "adamw": _adamw, "small": _small, "networks": _networks, "optimizers": _optimizers, "roofline": _roofline,
    "options": _options, "rows": _rows, "threads": _threads, "start": _start,
}  # fmt: skip
