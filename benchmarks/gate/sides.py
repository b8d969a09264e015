"""The two commits that the gate compares: their sources, environments and processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_WORKER = Path(__file__).with_name("worker.py")
# Threads of other libraries would only get in the way.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Side(NamedTuple):
    """A commit's sources, the Python that runs them, and a cache of kernels of its own."""

    name: str
    source: Path
    python: Path
    cache: Path


class Worker:
    """A process that answers requests; used in a `with` statement, which ends it."""

    def __init__(self, side: Side) -> None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        environment = {
            **os.environ,
            **dict.fromkeys(_ONE_THREAD, "1"),
            "NUMBA_NUM_THREADS": os.environ.get("NUMBA_NUM_THREADS", str(count or 1)),
            "PYTHONPATH": str(side.source),
            "FASTOPT_CACHE_DIR": str(side.cache),
        }
        self._side = side
        self._process = subprocess.Popen(
            [side.python, _WORKER], env=environment, cwd=side.cache,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        found = Path(self.ask(do="where"))
        if not found.is_relative_to(side.source):
            raise RuntimeError(f"bench-gate: {side.name} would be measured by {found}")

    def send(self, **request: Any) -> None:
        """Ask for something; the answer is to be received before the next is asked for."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"bench-gate: the process that measures {self._side.name} ended early"
            )
        return json.loads(line)

    def ask(self, **request: Any) -> Any:
        """Send and receive."""
        self.send(**request)
        return self.receive()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def commit(revision: str) -> str | None:
    """The commit that a revision names, None if this clone has none."""
    if shutil.which("git") is None:
        return None
    found = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
    return found.strip() or None


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A temporary folder with the sources of a commit."""
    with tempfile.TemporaryDirectory(prefix="fastopt-gate-") as folder:
        archive = Path(folder, "sources.zip")
        _git("archive", "--format=zip", f"--output={archive}", revision)
        place = Path(folder, "sources")
        shutil.unpack_archive(archive, place)
        yield place.resolve()


@contextlib.contextmanager
def sides(*named: tuple[str, Path], caches: Path | None = None) -> Iterator[list[Side]]:
    """Sides of these names and sources; in this environment where it serves them, else in a new one.

    Kernels are kept in `caches`, or dropped.
    """
    with tempfile.TemporaryDirectory(prefix="fastopt-gate-") as folder:
        found = []
        for name, source in named:
            cache = (caches or Path(folder)).resolve() / f"cache-{len(found)}"
            cache.mkdir(parents=True, exist_ok=True)
            python = Path(sys.executable)
            if _dependencies(source) != _dependencies(ROOT):
                python = _environment(source, Path(folder, f"environment-{len(found)}"))
            found.append(Side(name, source, python, cache))
        yield found


def _dependencies(source: Path) -> list[str]:
    """What pyproject.toml asks for: of all, and of the threading layer."""
    text = (source / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r"^(?:requires-python|dependencies|tbb) = .*$", text, re.MULTILINE)


def _environment(source: Path, folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{source}[tbb]"], check=True)
    return python


def _git(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
