"""`fastopt bench` and the gate: what they say of given times, and that they run. No figure is asserted."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastopt
from fastopt.bench import comparing, saved, statistics
from fastopt.bench.cases import Case, NotMeasured, Subject, optimizer_class, shape_of
from fastopt.bench.measuring import Result, Settings
from fastopt.bench.rounds import interleaved
from fastopt.bench.saved import Run
from fastopt.bench.statistics import Rounds

ROOT = Path(__file__).parents[1]
CASE = Case("AdamW", 1024, "float32")


def result(own=1.0, twin=1.0, copy=1.0, numpy=1.0, *, shares=1, noise=0.02, seed=0):
    """Fifteen rounds, a fifth of which something else interrupted."""
    rng = np.random.default_rng(seed)

    def times(center):
        return center * (1 + noise * rng.random(15)) * np.where(rng.random(15) < 0.2, 2, 1)

    found = {"own": own, "twin": twin, "copy": copy, "numpy": numpy}
    return Result(CASE, 100.0, 100.0, shares, {n: times(t) for n, t in found.items()}, {})


# ---- what times say ---------------------------------------------------------------------------------


def test_interleaved_takes_turns():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = interleaved(calls, rounds=2, loops={"a": 2, "b": 1}, between=lambda: order.append("|"))
    assert order == [*"aabb", *"|a|a|b", *"|a|a|b"]
    assert {name: t.shape for name, t in times.items()} == {"a": (2,), "b": (2,)}


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.2])
def test_a_case_within_the_limit_is_not_slower(factor):
    before, now = result(own=1.5), result(own=1.5 * factor, seed=1)
    verdict, kept = comparing.compare(before, now, 1.25, again=None)
    assert not verdict.slower
    assert kept is now
    assert verdict.step.low <= factor * 1.05
    assert verdict.step.high >= factor * 0.95


def test_a_slow_case_is_measured_again_and_then_believed():
    before, slow, fine = result(own=1.5), result(own=2.25, seed=1), result(own=1.5, seed=2)
    verdict, kept = comparing.compare(before, slow, 1.25, again=lambda: fine)
    assert not verdict.slower
    assert kept is fine
    verdict, _ = comparing.compare(before, slow, 1.25, again=lambda: slow)
    assert verdict.slower
    assert 1.4 < verdict.step.value < 1.6


def test_what_slows_the_twin_too_is_seen_where_numpy_is_a_judge():
    before = result(own=1.5)
    now = result(own=2.25, twin=1.5, copy=1.5, seed=1)
    verdict, _ = comparing.compare(before, now, 1.25, again=lambda: now)
    assert verdict.slower
    assert not verdict.step.beyond(1.1)
    both = [dataclasses.replace(r, shares=2) for r in (before, now)]
    assert not comparing.compare(*both, 1.25, again=lambda: both[1])[0].slower


def test_a_void_twin_judges_nothing():
    before, now = result(), result(own=9.0, twin=3.0, seed=1)
    assert now.void
    verdict, _ = comparing.compare(before, now, 1.25, again=None)
    assert (verdict.judged, verdict.slower) == (False, False)


def test_intervals_hold_what_they_promise():
    """Of medians of equal samples: at most a few of a hundred intervals miss 1."""
    rng = np.random.default_rng(0)
    samples = 1 + 0.1 * rng.exponential(size=(100, 2, 21))
    missed = sum(
        not r.low <= 1 <= r.high for r in (statistics.ratio(Rounds((a,), (b,))) for a, b in samples)
    )
    assert missed <= 4


# ---- saved runs -------------------------------------------------------------------------------------


def test_a_run_survives_its_file(tmp_path):
    run = Run(Settings(peers=("torch",)), 2, (result(),))
    path = saved.save(run, "a", tmp_path / "runs")
    again = saved.load("a", tmp_path / "runs")
    assert again.to_json() == run.to_json()
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert comparing.differences(run, again) == []
    other = dataclasses.replace(again, machine={**run.machine, "processor": "another"})
    (difference,) = comparing.differences(run, other)
    assert "another" in difference


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a b"])
def test_names_of_runs_are_names(name, tmp_path):
    with pytest.raises(ValueError, match="name of a run"):
        saved.load(name, tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "settings": {"threads": 1}}']
)
def test_what_is_no_run_is_refused(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: "):
        saved.load("a", tmp_path)


def test_runs_that_mean_different_things_are_not_compared():
    run = Run(Settings(), 2, ())
    for other in (Run(Settings(), 1, ()), Run(Settings(between="matmul"), 2, ())):
        with pytest.raises(ValueError, match="the saved run had"):
            comparing.require_alike(run, other)


# ---- cases ------------------------------------------------------------------------------------------


def test_cases():
    assert shape_of(1 << 20, None) == (1024, 1024)
    assert shape_of(12, None) == (3, 4)
    assert shape_of(7, None) == (7,)
    assert shape_of(7, 2) == (7, 1)
    assert shape_of(1, None) == (1,)
    assert optimizer_class("fastopt:Adam") is fastopt.Adam
    for wrong in ("adamw", "", "fastopt:check", "no_such_module:A", "fastopt:NoSuch", ":Adam"):
        with pytest.raises(ValueError, match="optimizer"):
            optimizer_class(wrong)
    with pytest.raises(NotMeasured, match="memory"):
        Subject(Case("SGD", 1 << 40, "float64"))
    with pytest.raises(NotMeasured, match="matrix products"):
        Subject(Case("Muon", 16, "float32"))


def test_subjects_of_every_class_can_be_made():
    made = 0
    for name in fastopt.optimizers.__all__:
        try:
            subject = Subject(Case(name, 100, "float64"))
        except NotMeasured:
            continue
        made += 1
        assert subject.moved > 0
        assert abs(subject.copied - subject.moved) <= 16
    assert made >= len(fastopt.optimizers.__all__) - 1


def test_torch_takes_the_same_step():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from fastopt.bench.against import torch_step

    p, g = np.ones(4, np.float32), np.ones(4, np.float32)
    before = torch.get_num_threads()
    step = torch_step("SGD", p, g, momentum=0.9)  # which took one to see whether it can
    step()
    torch.set_num_threads(before)
    np.testing.assert_allclose(p, 1 - 1e-3 * (1 + 1.9), rtol=1e-6)
    assert "has no LAMB" in torch_step("LAMB", p, g)
    assert "SparseAdam" in torch_step("SparseAdam", p, g)


# ---- the command ------------------------------------------------------------------------------------

testing = pytest.importorskip("typer.testing", reason="typer is not installed (extra: cli)")


def bench(*arguments, code=0):
    from fastopt.cli.app import app

    done = testing.CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_measures_saves_compares_and_draws(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")
    monkeypatch.chdir(tmp_path)
    few = ["--optimizers", "SGD,Muon", "--sizes", "1000,2^10", "--threads", "1", "--rounds", "3"]
    said = bench(*few, "--save", "a", "--json", "a.json", "--plot", "a.png")
    assert "matrix products" in said
    assert "1,024" in said
    assert (tmp_path / "a.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == json.loads((tmp_path / ".fastopt-bench/a.json").read_text())
    assert [r["elements"] for r in found["results"]] == [1000, 1024]
    for case in found["results"]:  # as if it had been 100 times as fast
        case["rounds"]["own"] = [t / 100 for t in case["rounds"]["twin"]]
        case["rounds"]["copy"] = case["rounds"]["twin"]
        case["bytes_of_copy"] = case["bytes"]
    found["machine"]["processor"] = "another"
    (tmp_path / ".fastopt-bench/a.json").write_text(json.dumps(found))
    said = bench(*few, "--compare", "a", code=1)
    assert "another" in said
    assert "slower" in said
    assert "the saved run had 1 threads" in bench("--threads", "2", "--compare", "a", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--optimizers", "Adamm"], "no optimizer 'Adamm'"),
        (["--optimizers", "no_such_module:A"], "no_such_module"),
        (["--sizes", "2^99"], "2^99"),
        (["--sizes", "0"], "'0'"),
        (["--sizes", "-5"], "'-5'"),
        (["--sizes", ""], "''"),
        (["--threads", "1000000"], "set_num_threads"),
        (["--ratio", "1"], "--ratio is 1"),
        (["--ratio", "nan"], "--ratio is nan"),
        (["--compare", "never"], "no saved run 'never'"),
        (["--save", "../x"], "name of a run"),
        (["--json", "no/such/folder/a.json"], "no folder"),
        (["--json", "."], "is a folder"),
        (["--plot", "a.nonsense"], "ends in one of"),
        (["--save", "a", "--folder", "file/x"], "file"),
    ],
)
def test_refuses_before_it_measures(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no folder")
    assert said in bench(*arguments, code=2)


# ---- the gate ---------------------------------------------------------------------------------------


@pytest.fixture
def gate(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    pytest.importorskip("rich", reason="rich is not installed (extra: cli)")
    return pytest.importorskip("benchmarks.gate.duel", reason="only from a checkout")


def test_the_gate_wants_two_measurements(gate):
    Ratio = statistics.Ratio
    fine, bad = Ratio(1.0, 0.9, 1.1), Ratio(1.5, 1.4, 1.6)
    by_time, by_twin = gate.Finding("a", bad, fine), gate.Finding("a", fine, bad)
    good = gate.Finding("a", fine, Ratio(1.5, 1.1, 1.6))
    for found in (by_time, by_twin):
        assert gate.slower([[found], [found]], 1.25) == ["a"]
        assert gate.slower([[found], [good]], 1.25) == []
        assert gate.slower([[found], [found]], 1.5) == []
    assert gate.slower([[good]], 1.25) == []


def test_slow_downs_can_still_be_planted(gate, tmp_path):
    from benchmarks.gate.proof import PLANTS

    for plant in PLANTS.values():
        place = tmp_path / plant.file
        place.parent.mkdir(parents=True, exist_ok=True)
        before = (ROOT / plant.file).read_text()
        place.write_text(before)
        plant.into(tmp_path)
        assert place.read_text() != before
        compile(place.read_text(), plant.file, "exec")


def test_no_base_is_no_failure(gate):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gate", "no-such-commit"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "skipped: this clone has no commit no-such-commit" in done.stdout


def test_two_sides_measure_in_turn(gate):
    from benchmarks.gate.sides import Side
    from fastopt.drivers.compile import cache_folder

    name = "SGD, 1,024, one thread"
    kept = cache_folder()
    kept.mkdir(parents=True, exist_ok=True)
    sides = [Side(n, ROOT, Path(sys.executable), kept) for n in ("one", "same")]
    (found,) = gate.measure(*sides, [name], gate.Effort(seconds=1e-4, rounds=3))
    assert found.case == name
    assert found.time.low <= found.time.value <= found.time.high
