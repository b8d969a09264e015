"""Steps of some rows of an embedding table, compared with a loop that gathers and scatters the same rows."""

from __future__ import annotations

from benchmarks import row_steps, steps

from .measured import ALL, AgainstTwin

_TABLES = {
    str(table): table for table in [*row_steps.TABLES, *([row_steps.LARGEST] if ALL else [])]
}


class Rows(AgainstTwin):
    """Rules that keep two slots, as the twin does."""

    param_names = ["optimizer", "rows", "named again", "mode"]
    params = [
        ["Adam", "SparseAdam"],
        list(_TABLES),
        [0.0, 0.1],
        list(steps.MODES),
    ]

    def measure(self, optimizer: str, rows: str, again: float, mode: str) -> dict[str, float]:
        between = steps.MODES[mode]
        return row_steps.compare(optimizer, _TABLES[rows], again, between=between, rounds=7)
