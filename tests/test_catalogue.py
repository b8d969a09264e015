"""What the docs say of every optimizer is there, up to date, and names what exists."""

from __future__ import annotations

import json
import re
from functools import reduce

import catalogue
import pytest

import fastopt

NAMES = set(fastopt.optimizers.__all__)
TRAINED = NAMES | set(fastopt.wrappers.__all__)


def test_readme_lists_all_optimizers():
    text = catalogue.README.read_text()
    assert catalogue.readme(text) == text, "README.md: run `python docs/catalogue.py`"


def test_every_table_has_a_row_for_every_optimizer():
    tables = dict(catalogue.tables())
    for name, text in tables.items():
        if not name.endswith("setting.inc"):
            rows = re.findall(r"^\| \{py:class\}`~fastopt\.(\w+)`", text, re.M)
            assert sorted(rows) == sorted(TRAINED if name.startswith("training") else NAMES)


def test_every_optimizer_was_trained():
    results = json.loads((catalogue.HERE / "training.json").read_text())["results"]
    assert set(results) == TRAINED, "training.json: run `make tables`"


@pytest.mark.parametrize("library", ["torch.optim", "optax"])
def test_what_optimizers_are_the_same_as_exists(library):
    module = pytest.importorskip(library.partition(".")[0])
    for cls in catalogue.optimizers().values():
        path = catalogue.same_as(cls).split()[0]
        if path.startswith(f"{library}."):
            assert reduce(getattr, path.split(".")[1:], module)


def test_the_guide_names_what_exists():
    text = (catalogue.HERE / "choose.md").read_text()
    named = re.findall(r"`([A-Z]\w+)[`(]", re.sub(r"```.*?```", "", text, flags=re.S))
    assert named
    assert [name for name in named if name != "None" and not hasattr(fastopt, name)] == []
