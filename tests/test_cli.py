"""The command line: in a process of its own where it computes, else here."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import fastopt

testing = pytest.importorskip(
    "typer.testing", reason="the command line's libraries are not installed (extra: cli)"
)


def fastopt_command(*arguments, cwd, code=0):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastopt", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def said_here(*arguments, code=0):
    from fastopt.cli.app import app

    done = testing.CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_demo(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    said = fastopt_command("demo", "--dtype", "float64", cwd=tmp_path)
    accuracies = [float(a) for a in re.findall(r"(\d+\.\d+)%", said)]
    assert len(accuracies) == 3
    assert min(accuracies) >= 97
    difference = float(re.search(r"differ from NumPy's by (\S+)", said)[1])
    assert difference < 1e-9
    assert (tmp_path / "demo.png").stat().st_size > 10_000


def test_demo_grows(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    said = fastopt_command(
        "demo", "--hidden", "32,16,8", "--epochs", "1", "--out", "small.png", cwd=tmp_path
    )
    assert "64 - 32 - 16 - 8 - 10" in said
    assert (tmp_path / "small.png").exists()


@pytest.mark.parametrize("hidden", ["", "a,b", "0", "12,-3"])
def test_demo_refuses_widths(hidden):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    assert "expected widths such as" in said_here("demo", "--hidden", hidden, code=2)


def test_doctor(tmp_path):
    said = fastopt_command("doctor", cwd=tmp_path)
    for finding in (
        fastopt.__version__, "numba", "affinity mask", "threading layer", "after a step", "float32 at", "cache folder",
        "CUDA", "GB/s",
    ):  # fmt: skip
        assert re.search(finding.replace(" ", r"[\s│]+"), said), finding


def test_warmup(tmp_path):
    said = fastopt_command("warmup", "NormalizedGD", "--dtype", "float32", cwd=tmp_path)
    assert "2 kernels of NormalizedGD" in said
    assert "no optimizer Adamm" in said_here("warmup", "Adamm", code=2)


def test_version_and_help(tmp_path):
    assert fastopt_command("--version", cwd=tmp_path).strip() == f"fastopt {fastopt.__version__}"
    for command in ("bench", "demo", "doctor", "warmup"):
        assert command in said_here("--help")
        assert "Usage" in said_here(command, "--help")
