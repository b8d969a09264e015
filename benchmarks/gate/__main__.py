"""Steps of this commit against those of another: ``make bench-gate BASE=main``, or ``python -m benchmarks.gate main``.

The status is 1 if any step became slower beyond the limit, with its whole confidence interval, in two measurements one
after the other by new processes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gate.duel import Effort, Finding, compare, slower
from benchmarks.gate.sides import ROOT, checked_out, commit, sides


def table(findings: list[Finding], limit: float, title: str) -> Table:
    """Ratios with their intervals."""
    found = Table(title=title)
    for column in ("case", "time", "by its twin", ""):
        found.add_column(column, justify="left" if column in ("case", "") else "right")
    for one in findings:
        ratios = [f"{r.value:.3f} ({r.low:.3f} to {r.high:.3f})" for r in (one.time, one.by_twin)]
        found.add_row(one.case, *ratios, f"beyond {limit:g}" if one.slower(limit) else "")
    return found


def main() -> None:
    """Compare, print, and tell by the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument(
        "--limit", type=float, default=1.25, help="how many times as slow is too slow"
    )
    parser.add_argument("--rounds", type=int, default=Effort.rounds)
    parser.add_argument("--caches", type=Path, help="keep compiled kernels here, for the next time")
    chosen = parser.parse_args()
    console = Console(width=100)
    base = commit(chosen.base)
    if base is None:
        console.print(
            f"bench-gate: skipped: this clone has no commit {chosen.base} to compare with"
        )
        return
    if base == commit("HEAD") and chosen.base != "HEAD":
        console.print(f"bench-gate: {chosen.base} is this commit; what differs is not committed")
    with (
        checked_out(base) as source,
        sides((f"base {base[:10]}", source), ("this", ROOT), caches=chosen.caches) as (old, new),
    ):
        measurements = compare(old, new, chosen.limit, Effort(rounds=chosen.rounds))
    for turn, findings in enumerate(measurements, 1):
        title = f"times as long as at {chosen.base} ({base[:10]}), measurement {turn}"
        console.print(table(findings, chosen.limit, title))
    worse = slower(measurements, chosen.limit)
    for case in worse:
        console.print(f"[red]slower than {chosen.limit:g} times, twice:[/red] {case}")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
