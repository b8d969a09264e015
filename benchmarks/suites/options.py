"""What each option of a step costs by itself."""

from __future__ import annotations

from benchmarks import steps

from .measured import ALL, SIZES, AgainstTwin


class Options(AgainstTwin):
    """AdamW; options without a twin (NaN) read memory as no twin does."""

    param_names = ["option", "elements"]
    params = [list(steps.OPTIONS), SIZES if ALL else [1 << 14, 1 << 24]]

    def measure(self, option: str, elements: int) -> dict[str, float]:
        return steps.with_option(steps.OPTIONS[option], [(elements,)], rounds=5)
