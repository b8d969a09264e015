"""Steps beside the other things that a program does, measured: ``python -m benchmarks.neighbours``.

Whether a step's threads get in the way of the next matrix product, whether a state of denormal numbers costs more, and what eight
Python threads gain that step an optimizer each.
"""

from __future__ import annotations

import argparse
import threading
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks.steps import arrays, stepper
from benchmarks.timing import interleaved, matmul
from fastopt.drivers import threads

console = Console(width=100)


def matmul_after_step(rounds: int) -> None:
    """A matrix product right after a step by all threads, and after one by a single thread."""
    table = Table(title="a matmul after a step of 262,144 elements, us")
    for column in ("size", "after a step by all threads", "by one", "ratio"):
        table.add_column(column, justify="right")
    shared, alone = (fastopt.AdamW(p) for p in arrays([(262144,)] * 2, 0))
    gradient = arrays([(262144,)], 1)[0]
    shared._runner.force_shares(fastopt.get_num_threads())
    alone._runner.force_shares(1)
    for size in (128, 256, 512):
        product = matmul(size)
        times: dict[str, list[float]] = {"shared": [], "alone": []}
        for _ in range(rounds * 12):
            for name, opt in (("shared", shared), ("alone", alone)):
                opt.step(gradient)
                start = time.perf_counter()
                product()
                times[name].append(time.perf_counter() - start)
        a, b = (float(np.median(times[name])) * 1e6 for name in ("shared", "alone"))
        table.add_row(str(size), f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}")
    console.print(table)


def denormals(rounds: int) -> None:
    """A state of denormal numbers against a normal one."""
    results = []
    for n in (16384, 1 << 20):
        opts = {name: fastopt.AdamW(arrays([(n,)], 0)[0]) for name in ("normal", "denormal")}
        gradient = {"normal": arrays([(n,)], 1)[0], "denormal": np.full(n, 1e-41, np.float32)}
        for slot in ("exp_avg", "exp_avg_sq"):
            opts["denormal"].state[0][slot][:] = 1e-41
        t = interleaved(
            {name: stepper(opt, gradient[name]) for name, opt in opts.items()},
            rounds=rounds,
            loops=10_000_000 // n,
        )
        results.append(f"{n:,} elements {t['denormal'] / t['normal']:.2f}")
    console.print("denormal / normal state, time: " + ", ".join(results))


def eight_threads(elements: int) -> None:
    """Eight Python threads, an AdamW each."""
    gradient = arrays([(elements,)], 1)[0]
    opts = [fastopt.AdamW(a) for a in arrays([(elements,)] * 8, 0)]
    for opt in opts:
        opt.step(gradient)

    def work(opt: fastopt.AdamW) -> None:
        for _ in range(20):
            opt.step(gradient)

    start = time.perf_counter()
    for opt in opts:
        work(opt)
    in_turn = time.perf_counter() - start
    workers = [threading.Thread(target=work, args=(opt,)) for opt in opts]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    at_once = time.perf_counter() - start
    console.print(
        f"8 AdamWs of {elements:,}, 20 steps each: in turn {in_turn * 1e3:.0f} ms, "
        f"by 8 threads at once {at_once * 1e3:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    smoke = parser.parse_args().smoke
    rounds = 2 if smoke else 15
    console.print(
        f"fastopt {fastopt.__version__}, {fastopt.get_num_threads()} threads, layer {threads.layer()}"
    )
    matmul_after_step(rounds)
    denormals(rounds)
    eight_threads(1 << (14 if smoke else 20))


if __name__ == "__main__":
    main()
