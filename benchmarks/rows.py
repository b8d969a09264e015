"""Steps of some rows of an embedding table, measured: ``python -m benchmarks.rows``.

Against a gather/scatter twin, which adds each row of the gradients to the same rows of the parameter and the slots, in
the same order, on all threads, and neither checks, sorts nor computes; and against torch.optim.SparseAdam.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks.timing import interleaved, matmul

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

console = Console(width=120)


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def twin(rows, grads, p, m, v):  # type: ignore[no-untyped-def]
    """Three rows read and written for each row of gradients that is read."""
    for i in numba.prange(rows.size):
        row = rows[i]
        for d in range(grads.shape[1]):
            g = grads[i, d]
            p[row, d] += g
            m[row, d] += g
            v[row, d] += g


def ids(height: int, touched: int, duplicates: float) -> np.ndarray:
    """Random rows, of which a fraction is named again."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(height)[:touched]
    again = rng.permutation(touched)[: int(duplicates * touched)]
    rows[again] = rows[rng.integers(0, touched, len(again))]
    return rows


def torch_step(rows: np.ndarray, grads: np.ndarray, height: int) -> Callable[[], object]:
    table = torch.zeros((height, grads.shape[1]), requires_grad=True)
    opt = torch.optim.SparseAdam([table])
    indices, values = torch.from_numpy(rows[None]), torch.from_numpy(grads)

    def step() -> None:
        table.grad = torch.sparse_coo_tensor(indices, values, table.shape, check_invariants=False)
        opt.step()

    return step


def compare(name: str, height: int, width: int, touched: int, table: Table, against: bool) -> None:
    p, grads = np.zeros((height, width), np.float32), np.ones((touched, width), np.float32)
    opt = getattr(fastopt, name)(p)
    slots = [slot for slot in opt.state[0].values() if isinstance(slot, np.ndarray)]
    m, v = (slots * 2)[:2] if slots else (p, p)
    for duplicates in (0.0, 0.1):
        rows = ids(height, touched, duplicates)
        calls: dict[str, Callable[[], object]] = {
            "twin": lambda rows=rows: twin(rows, grads, p, m, v),  # type: ignore[misc]
            "fastopt": lambda rows=rows: opt.step_rows(rows, grads),  # type: ignore[misc]
        }
        if against and torch is not None:
            calls["torch"] = torch_step(rows, grads, height)
        for between, other in (("back to back", None), ("between matmuls", matmul(256))):
            times = interleaved(calls, between=other)
            fraction = times["twin"] / times["fastopt"]
            peer = f"{times['torch'] / times['fastopt']:.1f}" if "torch" in calls else ""
            table.add_row(
                name, f"{touched:,} of {height:,} x {width}", f"{duplicates:.0%}", between,
                f"{times['fastopt'] * 1e6:,.0f}", f"{fraction:.2f}", peer,
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
    sizes = [(1000, 64, 100)] if chosen.smoke else [
        (100_000, 64, 1000), (1_000_000, 64, 20_000), (10_000_000, 64, 1_000_000),
    ]  # fmt: skip
    for name in chosen.optimizers:
        for height, width, touched in sizes:
            # torch's table and slots beside ours would not fit into a small machine's memory at the largest size
            against = name == "SparseAdam" and height < 10_000_000
            compare(name, height, width, touched, table, against)
    console.print(table)


if __name__ == "__main__":
    main()
