"""A setting as the query of a link, and back; what a query says wrongly is left at its default and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from fastopt.hyperparameters import Value
from fastopt.study.playground import controls
from fastopt.study.playground.setting import (
    FARTHEST,
    MOST_RUNS,
    MOST_STEPS,
    THEMES,
    VIEWS,
    Run,
    Setting,
    first,
    number,
    objective_of,
    start_of,
)

MOST_SEED = 2**31 - 1
MOST_NOISE = 1e3


def query(setting: Setting) -> str:
    """The query of a link that carries the whole setting.

    Examples
    --------
    >>> from fastopt.study.playground import link, setting
    >>> link.query(setting.first()).split("&")[:3]
    ['objective=beale', 'start=1.0,1.5', 'steps=300']
    """
    pairs = [
        ("objective", setting.objective),
        ("start", ",".join(map(repr, setting.start))),
        ("steps", str(setting.steps)),
        ("noise", repr(setting.noise)),
        ("seed", str(setting.seed)),
        *(("run", _run_text(run)) for run in setting.runs),
        ("active", str(setting.active)),
        ("view", setting.view),
        ("theme", setting.theme),
    ]
    return urlencode(pairs, safe=":;,")


def read(arguments: Mapping[str, Sequence[bytes]]) -> tuple[Setting, list[str]]:
    """The setting of a query, and a message for each part that could not be taken.

    Parameters
    ----------
    arguments : mapping of str to sequence of bytes
        As a web server gives them; names that are not known are ignored.

    Returns
    -------
    setting : Setting
    messages : list of str

    Examples
    --------
    >>> from fastopt.study.playground import link
    >>> setting, messages = link.read({"steps": [b"50"], "view": [b"<script>"]})
    >>> setting.steps, setting.view, messages
    (50, 'surface', ["view is '<script>'; expected one of surface, basins, rates"])
    """
    reading = _Reading(arguments)
    setting = first()
    if "objective" in arguments:
        text = reading.take("objective", _objective, setting.objective)
        setting = replace(setting, objective=text, start=start_of(objective_of(text)))
    setting = replace(
        setting,
        start=reading.take("start", _start, setting.start),
        steps=reading.take("steps", lambda t: whole(t, "steps", 1, MOST_STEPS), setting.steps),
        noise=reading.take("noise", lambda t: number(t, "noise", 0, MOST_NOISE), setting.noise),
        seed=reading.take("seed", lambda t: whole(t, "seed", 0, MOST_SEED), setting.seed),
        view=reading.take("view", lambda t: _one_of(t, "view", VIEWS), setting.view),
        theme=reading.take("theme", lambda t: _one_of(t, "theme", THEMES), setting.theme),
    )
    runs = reading.every("run", _run, MOST_RUNS)
    if runs:
        setting = replace(setting, runs=tuple(runs), active=0)
    active = reading.take(
        "active", lambda t: whole(t, "active", 0, len(setting.runs) - 1), setting.active
    )
    return replace(setting, active=active), reading.messages


class _Reading:
    """Arguments, and what was wrong with them."""

    def __init__(self, arguments: Mapping[str, Sequence[bytes]]) -> None:
        self.arguments = arguments
        self.messages: list[str] = []

    def take(self, name: str, parse: Any, otherwise: Any) -> Any:
        """The value of an argument, or `otherwise` and a message."""
        found = self.every(name, parse, 1)
        return found[0] if found else otherwise

    def every(self, name: str, parse: Any, most: int) -> list[Any]:
        """The values of an argument that can be given several times."""
        given = self.arguments.get(name, [])
        if len(given) > most:
            self.messages.append(f"{name} is there {len(given)} times; the first {most} are taken")
        values = []
        for raw in given[:most]:
            try:
                values.append(parse(raw.decode()))
            except (ValueError, TypeError) as error:
                self.messages.append(str(error))
        return values


def _objective(text: str) -> str:
    objective_of(text)
    return text


def _start(text: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"start is {text[:40]!r}; expected two numbers such as 1.0,-2.0")
    x, y = (number(part, "start", -FARTHEST, FARTHEST) for part in parts)
    return x, y


def whole(text: str, what: str, low: int, high: int) -> int:
    """A whole number in an interval, or ValueError that names it."""
    value = number(text, what, low, high)
    if value != round(value):
        raise ValueError(f"{what} is {text[:40]!r}; expected a whole number")
    return int(value)


def _one_of(text: str, what: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ValueError(f"{what} is {text[:40]!r}; expected one of {', '.join(known)}")
    return text


def _run_text(run: Run) -> str:
    """``Adam:lr=0.1,betas=0.9;0.99``."""
    changed = ",".join(f"{name}={_text(value)}" for name, value in run.changed.items())
    return f"{run.optimizer}:{changed}" if changed else run.optimizer


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return ";".join(map(_text, value))
    return value if isinstance(value, str) else repr(value)


def _run(text: str) -> Run:
    name, _, rest = text[:1000].partition(":")
    if name not in controls.names():
        raise ValueError(f"run is {text[:40]!r}; expected the name of an optimizer")
    known = controls.defaults(name)
    values = {}
    for pair in filter(None, rest.split(",")):
        key, _, given = pair.partition("=")
        if key not in known:
            raise ValueError(
                f"{name}: no hyperparameter {key[:40]!r}; there are {', '.join(known)}"
            )
        values[key] = _value(
            f"{name}: {key}", given, known[key], controls.declarations(name).choices(key)
        )
    return Run.of(name, **values)


def _value(what: str, text: str, default: Value, choices: tuple[str, ...]) -> Value:
    if text == "None" and (default is None or isinstance(default, tuple)):
        return None
    if isinstance(default, bool):
        return _one_of(text, what, ("True", "False")) == "True"
    if choices:
        return text
    if isinstance(default, tuple):
        return tuple(_value(what, part, None, ()) for part in text.split(";")[:100])
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what} is {text[:40]!r}; expected a number") from None
