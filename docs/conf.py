"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np

import fastopt

project = "fastopt"
author = "The fastopt developers"
copyright = "2026, The fastopt developers"
version = release = fastopt.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give the types
autodoc_mock_imports = ["torch"]  # an extra: building the docs must not need it
numpydoc_show_class_members = False  # autodoc lists members
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = f"fastopt {version}"
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}


# ---- pages that follow from the set of optimizers, and the picture of all schedules ---------------

GENERATED = Path(__file__).parent / "api" / "generated"
EXAMPLES = Path(__file__).parent.parent / "examples"


def setup(app: Any) -> None:
    """Write what iterates the optimizers, so that a new one appears without touching a page."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    write("optimizers.rst", optimizer_list())
    write("optimizer-table.inc", optimizer_table())
    plot = runpy.run_path(str(EXAMPLES / "plot_schedules.py"))
    plot["draw"]().savefig(GENERATED / "schedules.png", dpi=100)
    app.connect("autodoc-skip-member", skip_member)


def skip_member(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what a NamedTuple says of its fields: the docstring has it, and better."""
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field") else None


def write(name: str, text: str) -> None:
    """Write a page only if it changed: Sphinx rebuilds by modification time."""
    page = GENERATED / name
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def optimizer_list() -> str:
    """The page that lists all optimizers."""
    names = "\n".join(f"   fastopt.{name}" for name in fastopt.optimizers.__all__)
    return (
        "Optimizers\n==========\n\n"
        f".. autosummary::\n   :toctree: .\n   :nosignatures:\n\n{names}\n"
    )


def optimizer_table() -> str:
    """Slots, bytes and the docstring's Conventions line of every optimizer, as Markdown."""
    rows = ["| class | slots | bytes per element | conventions |", "| --- | --- | --- | --- |"]
    for name in fastopt.optimizers.__all__:
        cls = getattr(fastopt, name)
        rows.append(f"| `{name}` | {slots(cls)} | {bytes_moved(cls)} | {conventions(cls)} |")
    return "\n".join(rows) + "\n"


def slots(cls: type[fastopt.Optimizer]) -> str:
    """Slot names, with the hyperparameter that a slot depends on."""
    texts = []
    for name, slot in cls.slots.items():
        if any(measure.into == name for measure in cls.measures):
            continue  # scratch
        notes = [] if slot.shape == "element" else [slot.shape]
        notes += [f"with `{slot.when}`"] if slot.when else []
        texts.append(f"`{name}`" + (f" ({', '.join(notes)})" if notes else ""))
    return ", ".join(texts) or "none"


def bytes_moved(cls: type[fastopt.Optimizer]) -> str:
    """Of a float32 matrix: the gradient is read, parts are read and written, sums read some again."""
    parameters = inspect.signature(cls).parameters
    absent = {s.when: type(parameters[s.when].default)(0) for s in cls.slots.values() if s.when}
    required = {n: 0.1 for n, p in parameters.items() if p.default is p.empty and n != "params"}
    opt = cls(np.ones((1, 1), np.float32), **{**required, **absent})
    always = opt._workspace.variant(0).bytes_per_element()
    return " ".join([f"{always:g}", *(f"+ 8 with `{name}`" for name in absent)])


def conventions(cls: type[fastopt.Optimizer]) -> str:
    """The paragraph of the docstring that starts with ``Conventions:``."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    found = [" ".join(p.split()) for p in paragraphs if "Conventions:" in p]
    text = found[0].partition("Conventions:")[2].strip() if found else ""
    return re.sub(r":math:`([^`]*)`", r"$\1$", text).replace("``", "`")
