"""Whether the gate deserves trust: ``make bench-gate-proof``, or ``python -m benchmarks.gate.proof``.

Slow-downs planted into a temporary copy of this commit must be found; the commit against itself must stay quiet, run after run.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from benchmarks.gate.__main__ import table
from benchmarks.gate.duel import Effort, compare, slower
from benchmarks.gate.sides import Side, checked_out, sides


class Plant(NamedTuple):
    """A change of one file that makes steps slower."""

    file: str
    pattern: str
    text: str

    def into(self, source: Path) -> None:
        """Change the file."""
        path = source / self.file
        text, count = re.subn(self.pattern, self.text, path.read_text(encoding="utf-8"))
        if count != 1:
            raise RuntimeError(f"{self.file}: {count} places to plant in; expected one")
        path.write_text(text, encoding="utf-8")


PLANTS = {
    # in one formula: Adam's, which is AdamW's as well
    "formula": Plant(
        "fastopt/optimizers/adam.py",
        r"(    def update\(.*:\n)",
        r"\1" + 3 * "        g = g / c[3]\n",
    ),
    # in the drivers, where the twins become slower too
    "drivers": Plant("fastopt/variant.py", r"(?m)^BLOCK = 128$", "BLOCK = 16"),
}


def planted(name: str, limit: float, effort: Effort, console: Console) -> bool:
    """Whether a planted slow-down is found."""
    with checked_out("HEAD") as source, checked_out("HEAD") as slow:
        PLANTS[name].into(slow)
        with sides(("this", source), (f"slow {name}", slow)) as (base, head):
            measurements = compare(base, head, limit, effort)
    for turn, findings in enumerate(measurements, 1):
        console.print(table(findings, limit, f"planted in the {name}, measurement {turn}"))
    found = slower(measurements, limit)
    console.print(f"planted in the {name}: {'found' if found else '[red]NOT FOUND[/red]'}")
    return bool(found)


def quiet(base: Side, head: Side, runs: int, limit: float, effort: Effort, console: Console) -> int:
    """How many of so many runs of a commit against itself raise an alarm."""
    alarms = suspicions = 0
    for run in range(runs):
        measurements = compare(base, head, limit, effort)
        found = [(r, f) for f in measurements[0] for r in (f.time, f.by_twin)]
        far, sure = max(found, key=lambda f: f[0].value), max(found, key=lambda f: f[0].low)
        suspicions += len(measurements) > 1
        alarm = bool(slower(measurements, limit))
        alarms += alarm
        console.print(
            f"run {run + 1}: largest ratio {far[0].value:.3f} ({far[1].case}), largest lower end of an "
            f"interval {sure[0].low:.3f} ({sure[1].case}){', ALARM' if alarm else ''}"
        )
    console.print(
        f"{runs} runs of a commit against itself: {alarms} alarms, {suspicions} measured again"
    )
    return alarms


def main() -> None:
    """Run the proofs; the status is 1 if a planted slow-down was missed or a quiet run was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plants", nargs="*", choices=PLANTS, default=list(PLANTS))
    parser.add_argument("--runs", type=int, default=20, help="of the commit against itself")
    parser.add_argument("--limit", type=float, default=1.25)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--caches", type=Path, help="keep the kernels of these runs here")
    chosen = parser.parse_args()
    console, effort = Console(width=160), Effort(rounds=chosen.rounds)
    found = [planted(name, chosen.limit, effort, console) for name in chosen.plants]
    good = all(found)
    if chosen.runs:
        with (
            checked_out("HEAD") as one,
            checked_out("HEAD") as same,
            sides(("this", one), ("this again", same), caches=chosen.caches) as (base, head),
        ):
            good &= not quiet(base, head, chosen.runs, chosen.limit, effort, console)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
