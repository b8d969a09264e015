"""Steps of some rows of an embedding table, measured: ``python -m benchmarks.rows``.

Against a gather/scatter twin, which adds each row of the gradients to the same rows of the parameter and the slots, in
the same order, on all threads, and neither checks, sorts nor computes; and against torch.optim.SparseAdam.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import peers, row_steps
from benchmarks.row_steps import LARGEST, TABLES, TINY, Touched
from benchmarks.steps import MODES

console = Console(width=120)


def compare(name: str, touched: Touched, rounds: int, table: Table) -> None:
    # torch's table and slots beside ours would not fit into a small machine's memory at the largest size
    against = name == "SparseAdam" and touched != LARGEST

    def torch_too(rows: np.ndarray, grads: np.ndarray) -> dict[str, Callable[[], object]]:
        call = peers.torch_rows(rows, grads, touched.height) if against else None
        return {} if call is None else {"torch": call}

    for duplicates in (0.0, 0.1):
        for mode, between in MODES.items():
            t = row_steps.compare(
                name, touched, duplicates, between=between, rounds=rounds, others=torch_too
            )
            peer = f"{t['torch'] / t['time']:.1f}" if "torch" in t else ""
            table.add_row(
                name, str(touched), f"{duplicates:.0%}", mode,
                f"{t['time'] * 1e6:,.0f}", f"{t['twin'] / t['time']:.2f}", peer,
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--optimizers", nargs="+", default=["Adam", "SparseAdam"])
    chosen = parser.parse_args()
    table = Table(
        title="Rows: microseconds, fraction of the gather/scatter twin, times as fast as torch's SparseAdam"
    )
    for column in ("optimizer", "rows", "named again", "", "us", "of twin", "x torch"):
        table.add_column(column, justify="right")
    for name in chosen.optimizers:
        for touched in [TINY] if chosen.smoke else [*TABLES, LARGEST]:
            compare(name, touched, 2 if chosen.smoke else 9, table)
    console.print(table)


if __name__ == "__main__":
    main()
