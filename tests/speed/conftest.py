"""Speed in the inner loop of development: ``make bench-quick``. Collected with ``--benchmark-only`` alone.

``--by-twin=NAME`` compares with what ``--benchmark-save=NAME`` kept: not times, which depend on what else the machine does,
but fractions of the traffic twin, which was measured in the same run.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_ROWS = pytest.StashKey[list]()


def pytest_addoption(parser):
    group = parser.getgroup("benchmark")
    group.addoption("--by-twin", metavar="NAME", help="a saved run, to compare fractions of twins")
    group.addoption("--slower", type=float, default=1.25, help="how many times as slow is too slow")


def pytest_ignore_collect(config):
    return None if config.getoption("benchmark_only", False) else True


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture(scope="session")
def saved(request):
    """What was kept of each case in the saved run, if one is asked for."""
    name = request.config.getoption("by_twin", None)
    if not name:
        return {}
    files = [p for p in Path(".benchmarks").glob("*/*.json") if p.stem.partition("_")[2] == name]
    if not files:
        pytest.exit(f"--by-twin: no run {name!r} in .benchmarks; save one with SAVE={name}", 4)
    found = json.loads(max(files, key=lambda p: p.stem).read_text())
    return {b["extra_info"]["case"]: b["extra_info"] for b in found["benchmarks"]}


@pytest.fixture
def rows(request):
    """Lines of the table that is printed at the end."""
    return request.config.stash[_ROWS]


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("steps as fractions of their traffic twins")
        head = ("case", "us", "of twin", "times as slow as saved")
        for cells in [head, *rows]:
            case, *figures = cells
            terminalreporter.write_line(f"{case:<28}" + "".join(f"{c:>24}" for c in figures))
