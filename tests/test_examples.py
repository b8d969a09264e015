"""The examples run without a warning, and say what they should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def said_by(name, *arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_whole_step(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    said = said_by("whole_step.py", cwd=tmp_path)
    assert re.search(r"30 .* inf +skipped", said)
    assert "229 steps taken, 1 skipped" in said
    own, averaged = map(float, re.findall(r"(\d+\.\d+)%", said)[-2:])
    assert min(own, averaged) >= 95
    assert "by the trainer give the same parameters: True" in said


def test_own_optimizer(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    assert "all checks passed" in said_by("own_optimizer.py", cwd=tmp_path)


def test_embed_in_njit(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: demo)")
    said_by("embed_in_njit.py", cwd=tmp_path)


def test_plot_schedules(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")
    said_by("plot_schedules.py", "all.png", cwd=tmp_path)
    assert (tmp_path / "all.png").stat().st_size > 10_000
