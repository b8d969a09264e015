"""Steps of some rows of an embedding table, compared with a loop that gathers and scatters the same rows."""

from __future__ import annotations

from benchmarks import row_steps, steps

from .measured import ALL, AgainstTwin

_TABLES = {
    "1,000 of 100,000 x 64": (100_000, 64, 1_000),
    "20,000 of 1,000,000 x 64": (1_000_000, 64, 20_000),
}
_LARGE = {"1,000,000 of 10,000,000 x 64": (10_000_000, 64, 1_000_000)}


class Rows(AgainstTwin):
    """Rules that keep two slots, as the twin does."""

    param_names = ["optimizer", "rows", "named again", "mode"]
    params = [
        ["Adam", "SparseAdam"],
        list(_TABLES | _LARGE if ALL else _TABLES),
        [0.0, 0.1],
        list(steps.MODES),
    ]

    def measure(self, optimizer: str, rows: str, again: float, mode: str) -> dict[str, float]:
        height, width, touched = (_TABLES | _LARGE)[rows]
        return row_steps.compare(
            optimizer, height, width, touched, again, between=steps.MODES[mode], rounds=7
        )
