"""The pictures of the gallery: made by running the code that its pages show."""

from __future__ import annotations

import os
import re
from pathlib import Path

GALLERY = Path(__file__).parent / "gallery"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def code(page: Path) -> str:
    """All Python that a page shows, in order."""
    return "\n".join(PYTHON.findall(page.read_text("utf-8")))


def draw() -> None:
    """Run the code of every page where its pictures belong."""
    folder = GALLERY / "generated"
    folder.mkdir(exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for page in sorted(GALLERY.glob("*.md")):
            exec(compile(code(page), str(page), "exec"), {})
    finally:
        os.chdir(before)
