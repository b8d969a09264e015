"""Numbers and tables as text, in Markdown."""

from __future__ import annotations


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table; all columns but the first are numbers."""
    lines = ["| " + " | ".join(header) + " |", "| --- " + "| ---: " * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def between(page: str, begin: str, end: str, text: str) -> str:
    """A page with other text between two marks."""
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return before + begin + text + end + after


def count(n: str | int) -> str:
    """With commas."""
    return f"{int(n):,}"


def us(seconds: float) -> str:
    """Microseconds."""
    value = seconds * 1e6
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def ms(seconds: float) -> str:
    """Milliseconds."""
    return f"{seconds * 1e3:,.1f}"


def listed(texts: list[str]) -> str:
    """Words in a sentence."""
    return ", ".join(texts[:-1]) + " and " + texts[-1] if len(texts) > 1 else texts[0]
