"""The page of benchmarks: written part by part, and true whatever the numbers are."""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path

import pytest

import fastopt

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")

from benchmarks import against_peers, page, record, sections

ROOT = Path(__file__).parent.parent
SMOKE = json.loads((ROOT / "tests" / "recorded.json").read_text())
RESULTS = json.loads((ROOT / "docs" / "benchmarks.json").read_text())


def with_times(**times):
    results = copy.deepcopy(SMOKE)
    results["machine"]["cache"] = 1 << 20
    results["parts"]["adamw"] = {
        "times": {mode: {str(1 << 24): times} for mode in ("back to back", "between matmuls")},
        "absent": {"DeepSpeed CPUAdam": "it is not here"},
        "copy": {str(1 << 24): 28 * (1 << 24) / 1.0},
    }
    return results


def test_the_page_is_made_from_the_record():
    assert (ROOT / "docs" / "benchmarks.md").read_text() == page.made(RESULTS)
    readme = (ROOT / "README.md").read_text()
    assert page.in_readme(readme, RESULTS) == readme


def test_figures_that_mean_nothing_are_not_shown_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert "these figures mean nothing" in page.made(SMOKE)
    assert "No figures are recorded yet" in page.in_readme(readme, SMOKE)
    taken = copy.deepcopy(SMOKE)
    taken["taken"]["adamw"]["extent"] = "full"
    assert "| 1,024 |" in page.in_readme(readme, taken)


def test_there_is_a_section_for_every_part():
    assert set(SMOKE["parts"]) == set(record.PARTS) == set(sections.SECTIONS)
    assert page.made(SMOKE).count("\n## ") == len(record.PARTS) + 2


def test_whoever_is_faster_is_named():
    text = page.made(with_times(**{"fastopt": 1.0, "twin": 1.0, "torch fused": 0.9}))
    assert "**Somebody was faster than fastopt** at 16,777,216 (torch fused: 0.90)." in text
    assert "Nobody was faster" not in text
    assert "DeepSpeed CPUAdam: it is not here" in text


def test_noise_is_no_victory():
    text = page.made(with_times(**{"fastopt": 1.0, "twin": 1.0, "torch fused": 1.02}))
    assert "Nobody was faster than fastopt at any size." in text
    assert "Within 3% of each other at 16,777,216 (torch fused: 1.02)." in text
    assert "fastopt was the fastest at" not in text


def test_fewer_bytes_are_not_the_same_thing():
    times = {"fastopt": 1.0, "twin": 1.0, "torch fused": 2.0, "bitsandbytes 8-bit": 0.5}
    assert "Nobody was faster than fastopt at any size." in page.made(with_times(**times))


@pytest.mark.parametrize(
    ("twin", "own", "said"),
    [(1.0, 1.0, "memory is the limit, for everybody"), (1.2, 1.2, "it is no yardstick there")],
)
def test_the_limit_is_only_claimed_with_a_twin_that_reaches_it(twin, own, said):
    both = ("memory is the limit, for everybody", "it is no yardstick there")
    text = page.made(with_times(**{"fastopt": own, "twin": twin, "torch fused": 2.0}))
    assert [words for words in both if words in text] == [said]


def test_parts_are_written_at_once_and_kept(tmp_path, monkeypatch):
    file = tmp_path / "benchmarks.json"
    monkeypatch.setattr(
        record, "PARTS", {"one": lambda extent: {"a": 1 / 3}, "two": lambda extent: 1 / 0}
    )
    with pytest.raises(ZeroDivisionError):
        record.record(file, ["one", "two"], "smoke")
    kept = json.loads(file.read_text())
    assert kept["parts"] == {"one": {"a": 0.3333}}
    assert kept["taken"]["one"]["extent"] == "smoke"
    monkeypatch.setattr(record, "PARTS", {"two": lambda extent: float("nan")})
    assert set(record.record(file, ["two"], "smoke")["parts"]) == {"one", "two"}
    assert json.loads(file.read_text())["parts"]["two"] is None


def test_elsewhere_than_in_docs_the_readme_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("of somebody else")
    folder = tmp_path / "new" / "folder"
    monkeypatch.setattr("sys.argv", ["record", "--page", "--folder", str(folder)])
    record.main()
    assert "No figures are recorded yet." in (folder / "benchmarks.md").read_text()
    (folder / "benchmarks.json").write_text(json.dumps(SMOKE))
    record.main()
    assert (folder / "benchmarks.md").read_text() == page.made(SMOKE)
    assert (folder / "benchmarks" / "time-against-size.svg").stat().st_size > 10_000
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "of somebody else"


def test_the_same_figures_can_be_printed():
    parts = SMOKE["parts"]
    shown = [*parts["adamw"]["times"].values(), *parts["optimizers"].values()]
    tables = against_peers.tables(parts)
    assert [table.row_count for table in tables] == [len(rows) for rows in shown]


def test_variants_are_measured_with_their_hyperparameters():
    for name, (cls, given) in against_peers.VARIANTS.items():
        assert name in against_peers.EVERY
        assert set(given) <= set(inspect.signature(getattr(fastopt, cls)).parameters)
