"""``fastopt bench``: how far each step is from this machine's limit, and whether it became slower."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import fastopt
from fastopt.bench import comparing, saved
from fastopt.bench.cases import Case, NotMeasured, optimizer_class
from fastopt.bench.comparing import Verdict
from fastopt.bench.measuring import REACHED, Result, Settings, measured
from fastopt.bench.saved import Run


@dataclass(frozen=True)
class Request:
    """What is wanted of a run beside its figures."""

    save: str | None = None
    compare: str | None = None
    limit: float = 1.25
    json: Path | None = None
    plot: Path | None = None
    folder: Path = saved.FOLDER


def command(
    optimizers: str,
    sizes: str,
    dtype: str,
    threads: int | None,
    between: str,
    peers: Iterable[str],
    rounds: int,
    request: Request,
) -> None:
    """Run what the command line says; exits with status 1 if something became slower.

    Raises
    ------
    ValueError
        For what cannot be measured or compared, before anything is.
    """
    if not request.limit > 1:
        raise ValueError(f"--ratio is {request.limit:g}; expected more than 1")
    names = fastopt.optimizers.__all__
    if optimizers != "all":
        names = [name.strip() for name in optimizers.split(",")]
    if ":" in optimizers and "" not in sys.path:
        sys.path.insert(0, "")  # modules of one's own, as `python -m` finds them
    for name in names:
        optimizer_class(name)
    cases = [Case(name, n, dtype) for name in dict.fromkeys(names) for n in _numbers(sizes)]
    _require_places(request)
    if threads is not None:
        fastopt.set_num_threads(threads)
    settings = Settings(between, rounds, peers=tuple(dict.fromkeys(peers)))
    if not run(cases, settings, request):
        raise typer.Exit(1)


def _require_places(request: Request) -> None:
    """Whether all that is to be written can be."""
    for file in (request.json, request.plot):
        if file is not None and not file.absolute().parent.is_dir():
            raise ValueError(f"{file}: there is no folder {file.absolute().parent}")
        if file is not None and file.is_dir():
            raise ValueError(f"{file} is a folder; expected a file")
    if request.plot is not None:
        if importlib.util.find_spec("matplotlib") is None:
            raise ValueError("--plot: matplotlib is not installed; pip install 'fastopt[plot]'")
        from matplotlib.figure import Figure

        kinds = Figure().canvas.get_supported_filetypes()
        if request.plot.suffix[1:] not in kinds:
            raise ValueError(
                f"--plot: {request.plot}; expected a name that ends in one of {', '.join(kinds)}"
            )
    if request.save is not None:
        saved.path_of(request.save, request.folder).parent.mkdir(parents=True, exist_ok=True)


def _numbers(text: str) -> list[int]:
    found = []
    for part in text.split(","):
        written = re.fullmatch(r"\s*(\d{1,13})(?:\^(\d{1,2}))?\s*", part)
        number = int(written[1]) ** int(written[2] or 1) if written else 0
        if not 1 <= number <= 1 << 40:
            raise ValueError(
                f"--sizes: {part!r}; expected numbers such as 1024 or 2^20, up to 2^40"
            )
        found.append(number)
    return list(dict.fromkeys(found))


def run(cases: list[Case], settings: Settings, request: Request) -> bool:
    """Measure, print, compare, and write what is asked for; whether nothing became slower.

    Raises
    ------
    ValueError
        If the saved run to compare with is not in order, before anything is measured.
    """
    console = Console()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > (os.cpu_count() or 1):
        console.print(
            f"[yellow]busy:[/yellow] other programs keep {load:.0f} threads waiting for {os.cpu_count()} cores; "
            "steps by several threads, and most of all other libraries', suffer from that"
        )
    before = None if request.compare is None else saved.load(request.compare, request.folder)
    now = Run(settings, fastopt.get_num_threads(), ())
    if before is not None:
        comparing.require_alike(before, now)
        for difference in comparing.differences(before, now):
            console.print(f"[yellow]other than in the saved run:[/yellow] {difference}")
    known = {r.case: r for r in before.results} if before is not None else {}
    results, verdicts, unmeasured = _measure(cases, settings, known, request.limit, console)
    now = Run(settings, now.threads, tuple(results), now.machine, now.versions, now.made)
    _print(now, unmeasured, console)
    if before is not None and request.compare is not None:
        console.print(_compared(verdicts, request.compare, request.limit))
        absent = [case.name for case in known if case not in {v.case for v in verdicts}]
        if absent:
            console.print(f"only in the saved run, not measured: {'; '.join(absent)}")
    if request.save is not None:
        console.print(f"saved: {saved.save(now, request.save, request.folder)}", soft_wrap=True)
    if request.json is not None:
        request.json.write_text(now.to_json() + "\n", encoding="utf-8")
    if request.plot is not None:
        from fastopt.bench import picture

        picture.draw(now, request.plot)
    return not any(v.slower for v in verdicts)


def _measure(
    cases: list[Case], settings: Settings, known: dict[Case, Result], limit: float, console: Console
) -> tuple[list[Result], list[Verdict], list[str]]:
    results, verdicts, unmeasured = [], [], []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(cases))
        for case in cases:
            progress.update(task, description=case.name)
            try:
                result = measured(case, settings)
                if case in known:
                    again = lambda case=case: measured(case, settings)
                    verdict, result = comparing.compare(known[case], result, limit, again)
                    verdicts.append(verdict)
                results.append(result)
            except NotMeasured as reason:
                unmeasured.append(f"{case.name}: not measured, {reason}")
            progress.advance(task)
    return results, verdicts, unmeasured


def _print(run: Run, unmeasured: Iterable[str], console: Console) -> None:
    between = ", each after a matrix product" if run.settings.between == "matmul" else ""
    table = Table(title=f"steps by up to {run.threads} threads{between}")
    measured_peers = [p for p in run.settings.peers if any(p in r.times for r in run.results)]
    for column in ("optimizer", "elements", "us", "GB/s", "of twin", *measured_peers):
        table.add_column(column, justify="left" if column == "optimizer" else "right")
    for r in run.results:
        fraction = f"void ({r.fraction.value:.2f})" if r.void else f"{r.fraction.value:.2f}"
        peers = [
            f"{r.seconds(p) / r.seconds():.2f} x" if p in r.times else "-" for p in measured_peers
        ]
        table.add_row(
            f"{r.case.optimizer} {r.case.dtype}", f"{r.case.elements:,}",
            f"{r.seconds() * 1e6:,.1f}", f"{r.rate() / 1e9:.1f}", fraction, *peers,
        )  # fmt: skip
    console.print(table)
    console.print(
        "of twin: speed as a fraction of a loop that moves the same memory and only adds"
        + "".join(f"; {p}: how many times as long its step takes" for p in measured_peers)
    )
    for r in run.results:
        if r.void:
            console.print(
                f"[yellow]void:[/yellow] {r.case.name}: measured twice, the twin itself reached {r.reached:.2f} "
                f"of the speed of a plain copy, less than {REACHED}; the machine was busy, or "
                "is no judge at this size"
            )
    reasons = {
        f"{r.case.optimizer}: {reason}" for r in run.results for reason in r.skipped.values()
    }
    for line in [*sorted(reasons), *unmeasured]:
        console.print(line)


def _compared(verdicts: list[Verdict], name: str, limit: float) -> Table:
    table = Table(title=f"times as slow as in {name}; slower: surely beyond {limit:g}, twice")
    for column in ("optimizer", "elements", "step, by its twin", "twin, by NumPy", ""):
        table.add_column(column, justify="left" if column in ("optimizer", "") else "right")
    for v in verdicts:
        ratios = [f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})" for r in (v.step, v.twin)]
        word = "[red]slower[/red]" if v.slower else "" if v.judged else "[yellow]void[/yellow]"
        table.add_row(f"{v.case.optimizer} {v.case.dtype}", f"{v.case.elements:,}", *ratios, word)
    return table
