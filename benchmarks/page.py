"""docs/benchmarks.md, and the table in README.md, from what was recorded: every sentence follows from the numbers."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import between, count, table, us
from benchmarks.sections import SECTIONS, comparison

BEGIN, END = "<!-- times: written by benchmarks/record.py -->\n\n", "\n<!-- end of times -->"


def made(results: dict[str, Any]) -> str:
    """The whole page, with a section for each part that was recorded."""
    parts = results["parts"]
    sections = [_HEAD, _machine(results)]
    for name, section in SECTIONS.items():
        if name in parts:
            sections.append(section(parts[name], results))
    sections.append(_HOW)
    return "\n".join(sections)


def in_readme(text: str, results: dict[str, Any]) -> str:
    """README.md with the table as it should be."""
    return between(text, BEGIN, END, _summary(results))


_HEAD = """\
<!-- written by benchmarks/record.py: edit benchmarks/page.py and sections.py, not this page -->

# Benchmarks

How fast steps are, compared with what one would use otherwise, and with what the machine can do. Everything that is
compared ran in turn in one process, with the same number of threads, over equal arrays in float32. Times are
medians over the rounds; short calls are timed in three slices of a round, of which the shortest counts. *Between
matmuls* has a 256 x 256 float32 matrix product of NumPy before every step, which is not timed: so steps find caches
and threads as they do in training.

The **traffic twin** of an optimizer reads and writes the very same arrays with the same threads and only adds. A step at
its speed is at the limit of the machine's memory: nobody who moves the same arrays can be faster.
"""

_HOW = """\
## Do it again

```
make bench-docs                           # all of this, on a quiet machine; with all that the extra `bench-peers` installs
make bench-docs BENCH_ARGS=--quick        # fewer sizes and rounds
make bench-docs BENCH_ARGS="--only adamw small"
make bench-docs BENCH_ARGS=--missing      # go on after an interruption
python -m benchmarks.record --page        # this page from docs/benchmarks.json, without measuring
make bench                                # a page like this in build/bench, and measurements that have no place here
```

`docs/benchmarks.json` has every figure. On your machine, [`fastopt bench`](command-line.md) measures what you choose.
"""


def _machine(results: dict[str, Any]) -> str:
    m, taken = results["machine"], results["taken"]
    if not taken:
        return "No figures are recorded yet.\n"
    memory = f", {m['memory'] / 2**30:.0f} GiB" if m["memory"] else ""
    dates = sorted({t["date"] for t in taken.values()})
    lines = [
        "## Where\n",
        f"- {m['processor']}, {m['cores']} cores{memory}, {m['system']}",
        f"- fastopt {m['fastopt']} with {_threads_of(m)} (layer {m['layer']}), Python {m['Python']}, "
        + ", ".join(f"{name} {version}" for name, version in m["versions"].items()),
        f"- taken on {' and '.join(dates)}, in {sum(t['seconds'] for t in taken.values()) / 60:.0f} minutes",
    ]
    for extent, means in (
        ("quick", "with fewer sizes and rounds (`--quick`)"),
        ("smoke", "with tiny sizes, to see that the script runs (`--smoke`): these figures mean nothing"),
    ):  # fmt: skip
        names = [name for name, t in taken.items() if t["extent"] == extent]
        if names:
            lines.append(f"- {', '.join(names)}: {means}")
    return "\n".join(lines) + "\n"


def _threads_of(m: dict[str, Any]) -> str:
    return "1 thread" if m["threads"] == 1 else f"{m['threads']} threads"


def _summary(results: dict[str, Any]) -> str:
    """A sentence, and AdamW at some sizes."""
    if results["taken"].get("adamw", {}).get("extent", "smoke") == "smoke":
        return "No figures are recorded yet: `make bench-docs` takes them.\n"
    part, m = results["parts"]["adamw"], results["machine"]
    sizes = part["times"]["back to back"]
    here = [w for w in ("fastopt", "twin", "torch fused", "optax jit", "DeepSpeed CPUAdam", "NumPy, buffers")
            if all(w in t for t in sizes.values())]  # fmt: skip
    rows = [[count(n), *(us(t[who]) for who in here)] for n, t in sizes.items()]
    quick = "" if results["taken"]["adamw"]["extent"] == "full" else ", a short run"
    return "\n".join(
        [
            f"Steps of AdamW in float32, one after the other, in microseconds; {_threads_of(m)} of {m['processor']}{quick}:\n",
            table(["numbers", *here], rows),
            comparison(sizes, "back to back"),
        ]
    )
