"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import fastopt

sys.path.insert(0, str(Path(__file__).parent))

import catalogue
import pictures

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


# ---- pages that follow from the set of optimizers, and pictures ---------------

GENERATED = Path(__file__).parent / "api" / "generated"
EXAMPLES = Path(__file__).parent.parent / "examples"


def setup(app: Any) -> None:
    """Write what iterates the optimizers, so that a new one appears without touching a page."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    write("optimizers.rst", optimizer_list())
    for name, text in catalogue.tables():
        write(name, text)
    plot = runpy.run_path(str(EXAMPLES / "plot_schedules.py"))
    plot["draw"]().savefig(GENERATED / "schedules.png", dpi=100)
    pictures.draw()
    app.connect("autodoc-skip-member", skip_member)
    app.connect("doctree-read", widen)


def widen(app: Any, tree: Any) -> None:
    """Give the gallery the width of the contents beside its pages: figures, and the lines that draw them, need it."""
    if app.env.docname.startswith("gallery/"):
        app.env.metadata[app.env.docname]["html_theme.sidebar_secondary.remove"] = "true"


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
