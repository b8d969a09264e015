"""``fastopt figure``: draw one of the figures of `fastopt.study.figures`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastopt.study import figures


def overview() -> str:
    """The names of all figures, with what each shows."""
    return "\n".join(f"{name:20}{_summary(getattr(figures, name))}" for name in figures.__all__)


def run(name: str, arguments: list[str], out: Path, dpi: int) -> None:
    """Draw a figure with options such as ``--momentum 0.5`` and save it.

    Raises
    ------
    ValueError, TypeError
        For an unknown figure or option, or a value that the figure refuses.
    """
    if name not in figures.__all__:
        raise ValueError(f"no figure {name}; there are {', '.join(figures.__all__)}")
    draw = getattr(figures, name)
    draw(**options(draw, arguments)).savefig(out, dpi=dpi)


def options(draw: Callable[..., Any], arguments: list[str]) -> dict[str, Any]:
    """What the arguments of a command line mean for a figure's parameters."""
    known = inspect.signature(draw).parameters
    listed = ", ".join(f"--{n.replace('_', '-')}" for n in known)
    found: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        option, given, text = rest.pop(0).partition("=")
        parameter = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or parameter not in known:
            raise ValueError(f"no option {option}; {draw.__name__} takes {listed}")
        if not given:
            if not rest:
                raise ValueError(f"{option} has no value")
            text = rest.pop(0)
        found[parameter] = _value(text, known[parameter].default)
    return found


def _value(text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    return (value,) if isinstance(default, tuple) and isinstance(value, int | float) else value


def _summary(draw: Callable[..., Any]) -> str:
    return (inspect.getdoc(draw) or "").partition("\n")[0]
