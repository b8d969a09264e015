"""Source that is written out for a variant, as functions."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any


def generated(name: str, lines: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    """Run source, and leave it where tracebacks and debuggers look."""
    text = "\n".join(lines) + "\n"
    filename = f"<fastopt {name} {hash(text) & 0xFFFFFFFF:08x}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace = {
        **names,
        "__name__": __name__,
    }  # Numba asks for the module when it loads from the cache
    exec(compile(text, filename, "exec"), namespace)
    return namespace[name]  # type: ignore[no-any-return]


def tuple_of(items: list[str]) -> str:
    """The source of a tuple."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
