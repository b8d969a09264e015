"""From which size on threads pay: what `fastopt.drivers.threads._LAUNCH` is set by.

For each size a step by one thread and by all, back to back and with a 256 x 256 matrix product before each.
Choose the layer with NUMBA_THREADING_LAYER=tbb, omp or workqueue. BLAS libraries keep their own threads
spinning for a while after a product, which is why a step's second thread gains less there.
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks.timing import interleaved, matmul
from fastopt.drivers import threads

SIZES = [1 << k for k in range(14, 24)]


def main() -> None:
    """Print the table."""
    console = Console(width=110)
    table = Table(title=f"layer {threads.layer()}, {fastopt.get_num_threads()} threads, us")
    for column in (
        "optimizer",
        "elements",
        "MB moved",
        "one, alone",
        "all, alone",
        "one, matmuls",
        "all, matmuls",
    ):
        table.add_column(column, justify="left" if column == "optimizer" else "right")
    for cls in (fastopt.AdamW, fastopt.SGD):
        for n in SIZES:
            g = np.ones(n, np.float32)
            opts = {}
            for name, shares in (("one", 1), ("all", fastopt.get_num_threads())):
                opts[name] = cls(np.ones(n, np.float32), lr=1e-3)
                opts[name]._runner.force_shares(shares)
            calls = {name: lambda opt=opt, g=g: opt.step(g) for name, opt in opts.items()}
            loops = max(5, min(200, (1 << 22) // n))
            alone = interleaved(calls, rounds=9, loops=loops)
            between = interleaved(calls, rounds=9, loops=loops, between=matmul(256))
            moved = opts["one"]._workspace.tables[0].bytes / 1e6
            times = [t[name] * 1e6 for t in (alone, between) for name in ("one", "all")]
            table.add_row(cls.__name__, f"{n:,}", f"{moved:.1f}", *(f"{t:.1f}" for t in times))
    console.print(table)


if __name__ == "__main__":
    main()
