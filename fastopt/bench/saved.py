"""A run of the benchmark as a file: every round of every case, the machine, the versions."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np

import fastopt
from fastopt.bench.cases import Case
from fastopt.bench.measuring import Result, Settings
from fastopt.drivers import threads

#: Where saved runs are, below the working directory.
FOLDER = Path(".fastopt-bench")

_FORMAT = 1


@dataclass(frozen=True)
class Run:
    """What was measured in one go.

    Attributes
    ----------
    settings : Settings
    threads : int
    results : tuple of Result
    machine, versions : dict
        What the figures depend on.
    made : str
        Date and time, UTC.
    """

    settings: Settings
    threads: int
    results: tuple[Result, ...]
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    versions: dict[str, str] = field(default_factory=lambda: versions())
    made: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat("T", "seconds"))

    def to_json(self) -> str:
        """All of it, and typical figures for readers who do not compute."""
        return json.dumps(
            {
                "format": _FORMAT,
                "made": self.made,
                "machine": self.machine,
                "versions": self.versions,
                "settings": {**asdict(self.settings), "threads": self.threads},
                "results": [_plain(result) for result in self.results],
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Run:
        """What `to_json` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            found = json.loads(text)
            if found["format"] != _FORMAT:
                raise ValueError(f"format {found['format']!r}; this fastopt reads {_FORMAT}")
            settings = dict(found["settings"])
            count = settings.pop("threads")
            settings["peers"] = tuple(settings["peers"])
            results = tuple(_result(one) for one in found["results"])
            return cls(
                Settings(**settings), count, results,
                found["machine"], found["versions"], found["made"],
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a run of fastopt bench: {error!r}") from error


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """The file of a saved run.

    Raises
    ------
    ValueError
        If the name could not be a file's.
    """
    if not re.fullmatch(r"[\w][\w.+-]*", name):
        raise ValueError(f"name of a run {name!r}; expected letters, digits, and . _ + -")
    return folder / f"{name}.json"


def save(run: Run, name: str, folder: Path = FOLDER) -> Path:
    """Keep a run under a name; one that is there is replaced."""
    path = path_of(name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    partly = path.with_suffix(f".{os.getpid()}")
    partly.write_text(run.to_json() + "\n", encoding="utf-8")
    partly.replace(path)
    return path


def load(name: str, folder: Path = FOLDER) -> Run:
    """The run saved under a name.

    Raises
    ------
    ValueError
        If there is none, or its file is no run.
    """
    path = path_of(name, folder)
    try:
        return Run.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in folder.glob("*.json"))) or "none"
        raise ValueError(f"no saved run {name!r} in {folder}; there are: {there}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def machine() -> dict[str, Any]:
    """What of this machine decides how fast a step is."""
    return {
        "processor": _processor(),
        "llvm": llvmlite.binding.get_host_cpu_name(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "layer": threads.layer(),
    }


def versions() -> dict[str, str]:
    """What of the software does."""
    return {
        "fastopt": fastopt.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()


def _plain(result: Result) -> dict[str, Any]:
    fraction = result.fraction
    return {
        **asdict(result.case),
        "bytes": result.moved,
        "bytes_of_copy": result.copied,
        "shares": result.shares,
        "seconds": result.seconds(),
        "gigabytes_per_second": result.rate() / 1e9,
        "fraction_of_twin": fraction.value,
        "interval": [fraction.low, fraction.high],
        "void": result.void,
        "rounds": {name: times.tolist() for name, times in result.times.items()},
        "skipped": dict(result.skipped),
    }


def _result(found: dict[str, Any]) -> Result:
    case = Case(found["optimizer"], found["elements"], found["dtype"])
    times = {name: np.array(t, float) for name, t in found["rounds"].items()}
    if not {"own", "twin", "copy", "numpy"} <= set(times):
        raise KeyError("rounds")
    return Result(
        case, found["bytes"], found["bytes_of_copy"], found["shares"], times, found["skipped"]
    )
