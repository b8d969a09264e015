"""What the pages say of every optimizer, read from its class and from ``training.json``.

The tables are made whenever the docs are built. ``python docs/catalogue.py`` writes the list in README.md anew.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastopt
from fastopt.touched import takes_rows

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- optimizers: written by docs/catalogue.py -->\n\n", "\n<!-- end of optimizers -->"

DASH = "-"

Optimizer = type[fastopt.Optimizer]


def optimizers() -> dict[str, Optimizer]:
    """All of them, in the order of the alphabet."""
    return {
        name: getattr(fastopt, name) for name in sorted(fastopt.optimizers.__all__, key=str.lower)
    }


# ---- what a docstring says --------------------------------------------------------------------------


def conventions(cls: Optimizer) -> str:
    """The paragraph of the docstring that starts with ``Conventions:``."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    found = [" ".join(p.split()) for p in paragraphs if "Conventions:" in p]
    if not found:
        raise ValueError(f"{cls.__name__}: the docstring has no paragraph 'Conventions: ...'")
    return found[0].partition("Conventions:")[2].strip()


def same_as(cls: Optimizer) -> str:
    """What the Conventions say that it is the same as, up to the first punctuation mark; or a dash."""
    found = re.search(r"Same as (.+?)(?=[,;:(]|\.(?: |$))", conventions(cls))
    return found[1].strip() if found else DASH


def source(cls: Optimizer) -> str:
    """Authors, or the first of more than two, and year of the first reference."""
    text = " ".join(inspect.cleandoc(cls.__doc__ or "").partition("References\n---")[2].split())
    found = re.match(r"-*\s*([^\d\"]+?)(, [^\d\"]+)? (\d{4})\b", text)
    if found is None:
        raise ValueError(f"{cls.__name__}: its References do not begin with authors and a year")
    authors, more, year = found.groups()
    return f"{authors}{' et al.' if more else ''} {year}"


# ---- what a class declares ---------------------------------------------------------------------------


def matrix(cls: Optimizer) -> tuple[Any, list[str]]:
    """The variant for a float32 matrix at the class's defaults, and the options that would add a slot to it."""
    parameters = inspect.signature(cls).parameters
    required = {n: 0.1 for n, p in parameters.items() if p.default is p.empty and n != "params"}
    opt = cls(np.ones((1, 1), np.float32), **required)
    switches = {slot.when for slot in cls.slots.values() if isinstance(slot.when, str)}
    off = [n for n in parameters if n in switches and not required.get(n, parameters[n].default)]
    return opt._workspace.variant(0), off


def slots(cls: Optimizer) -> str:
    """Slot names, with what a slot depends on."""
    texts = []
    scratch = {measure.into for measure in cls.measures}
    for name, slot in cls.slots.items():
        if name in scratch or not slot.stored:
            continue
        notes = [] if slot.shape == "element" else [slot.shape]
        notes += [f"with `{slot.when}`"] if isinstance(slot.when, str) else []
        texts.append(f"`{name}`" + (f" ({', '.join(notes)})" if notes else ""))
    return ", ".join(texts) or "none"


def kept(cls: Optimizer) -> str:
    """Bytes of slots for each element of a matrix."""
    variant, off = matrix(cls)
    slots = variant.parts[1:]
    size = sum(part.storage.bytes_per_element() for part in slots if part.over == "element")
    lines = sorted({part.over for part in slots if part.over != "element"}, reverse=True)
    each = f", 4 for each {' and '.join(lines)}" if lines else ""
    return f"{size:g}{each}{options(off, 4)}"


def moved(cls: Optimizer) -> str:
    """Bytes moved: the gradient is read, parts are read and written, sums read some again."""
    variant, off = matrix(cls)
    return f"{variant.bytes_per_element():g}{options(off, 8)}"


def options(off: list[str], size: int) -> str:
    """What options add that are off by default."""
    return f" (+ {size})" * len(off)


def sums(cls: Optimizer) -> str:
    """What is summed before the update, and how often the gradient is read in all."""
    words = {"tensor": "each tensor", "all": "all tensors", "lines": "lines"}
    scopes = dict.fromkeys(words[measure.scope] for measure in cls.measures)
    variant, _ = matrix(cls)
    reads = 1 + sum("g" in variant.reads(stage) for stage in range(len(cls.measures)))
    return f"{' and '.join(scopes)}; {reads} times" if scopes else "no"


def rows(cls: Optimizer) -> str:
    """Whether single rows can be updated."""
    return "yes" if takes_rows(cls) else "no"


# ---- the pages' tables -------------------------------------------------------------------------------


def table(columns: dict[str, Callable[[Optimizer], str]]) -> str:
    """Markdown, a row for each class."""
    lines = ["| " + " | ".join(["class", *columns]) + " |", "| --- " * (1 + len(columns)) + "|"]
    for name, cls in optimizers().items():
        cells = [link(name), *(markdown(column(cls)) for column in columns.values())]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def link(name: str) -> str:
    """To a class's page."""
    return f"{{py:class}}`~fastopt.{name}`"


def markdown(text: str) -> str:
    """From a docstring's reStructuredText."""
    return re.sub(r":math:`([^`]*)`", r"$\1$", text).replace("``", "`").replace("|", "\\|")


def tables() -> Iterator[tuple[str, str]]:
    """File names and texts of all tables."""
    yield "conventions.inc", table({"conventions": conventions})
    yield (
        "choose.inc",
        table(
            {
                "slots": slots, "bytes kept": kept, "bytes moved": moved, "sums over; gradient read": sums,
                "rows": rows, "source": source, "same as": same_as,
            }
        ),
    )  # fmt: skip
    results = json.loads((HERE / "training.json").read_text())
    yield (
        "training-setting.inc",
        "; ".join(f"{k} {v}" for k, v in results["setting"].items()) + "\n",
    )
    for problem in next(iter(results["results"].values())):
        yield f"training-{problem}.inc", training(results["results"], problem)


def training(results: dict[str, Any], problem: str) -> str:
    """Steps, times and losses on a problem, the fewest steps first."""
    lines = [
        "| class | lr | default | steps | ms | last loss | test score |",
        "| --- " + "| ---: " * 6 + "|",
    ]
    found = {name: row[problem] for name, row in results.items()}
    for name in sorted(
        found, key=lambda n: (median(found[n]["steps"]), median(found[n]["losses"]))
    ):
        row = found[name]
        missed = sum(value is None for value in row["steps"]) % len(row["steps"])
        cells = [
            link(name), figure(row["lr"]), figure(row["default"]),
            spread(row["steps"]) + (f", {missed} of {len(row['steps'])} never" if missed else ""),
            figure(median(row["milliseconds"])), spread(row["losses"], 2), spread(row["scores"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def median(values: list[float | None]) -> float:
    """With None as infinity."""
    return float(np.median([np.inf if value is None else value for value in values]))


def spread(values: list[float | None], digits: int = 3) -> str:
    """Median, least and largest."""
    numbers = [np.inf if value is None else value for value in values]
    if min(numbers) == np.inf:
        return DASH
    middle, least, largest = (figure(f(numbers), digits) for f in (median, min, max))
    return f"{middle} ({least} to {largest})"


def figure(value: float | None, digits: int = 3) -> str:
    """To so many digits; a dash for what is not there."""
    return DASH if value is None or value == np.inf else f"{value:.{digits}g}"


# ---- README ------------------------------------------------------------------------------------------


def summary() -> str:
    """The optimizers by what they are the same as."""
    kinds: dict[str, list[str]] = {
        "torch.optim": [],
        "optax": [],
        "other code, or papers": [],
    }
    for name, cls in optimizers().items():
        library = next((kind for kind in kinds if same_as(cls).startswith(f"{kind}.")), None)
        kinds[library or list(kinds)[-1]].append(name)
    lines = ["| as in | optimizers |", "| --- | --- |"]
    lines += [f"| {kind} | {', '.join(names)} |" for kind, names in kinds.items()]
    return "\n".join(lines) + "\n"


def readme(text: str) -> str:
    """README.md with the list as it should be."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + summary() + END + after


if __name__ == "__main__":
    README.write_text(readme(README.read_text()))
