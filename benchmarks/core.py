"""What fastopt promises about speed, measured here: ``make bench``, or ``python -m benchmarks.core``.

Everything that is compared runs interleaved in one process, once back to back and once with a 256 x 256 NumPy
matrix product before every call. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from benchmarks import fresh, peers
from benchmarks.timing import interleaved, matmul
from fastopt import measure
from fastopt.drivers import threads

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

NETWORK = [(784, 128), (128,), (128, 64), (64,), (64, 10), (10,)]
BETWEEN = {"back to back": None, "between matmuls": matmul(256)}
console = Console(width=140)


def arrays(shapes: list[tuple[int, ...]], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def stepper(opt: fastopt.Optimizer | measure.Twin, grads: object) -> Callable[[], object]:
    inputs = dict.fromkeys(getattr(opt, "inputs", ()), 1.0)
    return lambda: opt.step(grads, **inputs)


def torch_adamw(shapes: list[tuple[int, ...]]) -> Callable[[], object]:
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays(shapes)]
    for tensor, gradient in zip(tensors, arrays(shapes, 1), strict=True):
        tensor.grad = torch.from_numpy(gradient)
    return torch.optim.AdamW(tensors, lr=1e-3, fused=True).step


def against_twins(elements: int, rounds: int, names: list[str]) -> None:
    """Every optimizer against a loop over the same arrays that only adds, against torch's and optax's."""
    _, copy = measure.copy_bandwidth(elements)
    table = Table(title=f"{elements:,} float32 elements; plain copy {copy / 1e9:.1f} GB/s")
    for column in (
        "optimizer", "mode", "ms", "GB/s", "twin GB/s", "twin / copy", "speed / twin", "torch / own", "optax / own",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column in ("optimizer", "mode") else "right")
    variants = [(name, {}) for name in fastopt.optimizers.__all__]
    variants += [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True})]
    variants += [("RMSprop", {"momentum": 0.9, "centered": True})]
    shape = (elements // 4096, 4096)
    gradient = arrays([shape], 1)[0]
    for name, extra in variants:
        if names and name not in names:
            continue
        if any(m.whole for m in getattr(fastopt, name).measures):
            continue  # matrix products, not traffic, are its time
        opt = getattr(fastopt, name)(arrays([shape])[0], lr=1e-3, **extra)
        moved = opt._workspace.tables[0].bytes
        calls = {
            "own": stepper(opt, gradient),
            "twin": stepper(measure.Twin(opt), gradient),
        }
        if name == "NAG":  # its look-ahead belongs to both
            opt._require_ahead = lambda *_: None
        others = {"torch": peers.torch_step(name, arrays([shape])[0], gradient, **extra)}
        others["optax"] = None if extra else peers.optax_step(name, arrays([shape])[0], gradient)
        for mode, between in BETWEEN.items():
            t = interleaved(calls, rounds=rounds, between=between)
            rate, twin_rate = moved / t["own"], moved / t["twin"]
            label = name + "".join(f" {key}" for key in extra)
            row = [
                label, mode, f"{t['own'] * 1e3:.2f}", f"{rate / 1e9:.1f}", f"{twin_rate / 1e9:.1f}",
                f"{twin_rate / copy:.2f}", f"{rate / twin_rate:.3f}",
            ]  # fmt: skip
            for who, peer in others.items():  # each by itself: it can take ten times as long
                if peer is None:
                    row.append("")
                    continue
                few = {"own": calls["own"], who: peer}
                t = interleaved(few, rounds=max(2, rounds // 3), between=between)
                row.append(f"{t[who] / t['own']:.2f}")
            table.add_row(*row)
        del opt, calls, others
    console.print(table)


def small_steps(rounds: int) -> None:
    """Whole steps, with known and with new gradient arrays, against torch's fused AdamW."""
    table = Table(title="AdamW, a whole step, us")
    for column in ("tensors", "mode", "same arrays", "new arrays", "torch fused", "torch / new"):
        table.add_column(column, justify="left" if column in ("tensors", "mode") else "right")
    cases = {
        "1,024": [(1024,)],
        "16,384": [(16384,)],
        "131,072": [(131072,)],
        "262,144": [(262144,)],
        "1,048,576": [(1 << 20,)],
        "6 of a network, 109,386": NETWORK,
        "100 of 100": [(100,)] * 100,
    }
    for label, shapes in cases.items():
        total = sum(int(np.prod(s)) for s in shapes)
        params, grads = arrays(shapes), arrays(shapes, 1)
        opt = fastopt.AdamW(params[0] if len(params) == 1 else params)
        sets = [[g.copy() for g in grads] for _ in range(max(2, min(50, 2_000_000 // total)))]
        turn = [0]

        def fresh(opt=opt, sets=sets, turn=turn) -> None:
            turn[0] = (turn[0] + 1) % len(sets)
            opt.step(sets[turn[0]][0] if len(sets[0]) == 1 else sets[turn[0]])

        calls = {"same": stepper(opt, grads[0] if len(grads) == 1 else grads), "new": fresh}
        if torch is not None:
            calls["torch"] = torch_adamw(shapes)
        for mode, between in BETWEEN.items():
            loops = max(3, min(300, 10_000_000 // total))
            t = interleaved(calls, rounds=rounds, loops=loops, between=between)
            row = [f"{t['same'] * 1e6:.1f}", f"{t['new'] * 1e6:.1f}"]
            if torch is not None:
                row += [f"{t['torch'] * 1e6:.1f}", f"{t['torch'] / t['new']:.1f}"]
            table.add_row(label, mode, *row)
    console.print(table)


def matmul_after_step(rounds: int) -> None:
    """Whether the step's threads get in the way of the next matrix product."""
    table = Table(title="a matmul after a step of 262,144 elements, us")
    for column in ("size", "after the step", "after a serial pass", "ratio"):
        table.add_column(column, justify="right")
    params, gradient = arrays([(262144,), (262144,)]), arrays([(262144,)], 1)[0]
    shared, alone = (fastopt.AdamW(p) for p in params)
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
        opts = {name: fastopt.AdamW(arrays([(n,)])[0]) for name in ("normal", "denormal")}
        gradient = {"normal": arrays([(n,)], 1)[0], "denormal": np.full(n, 1e-41, np.float32)}
        for slot in ("exp_avg", "exp_avg_sq"):
            opts["denormal"].state[0][slot][:] = 1e-41
        t = interleaved(
            {k: stepper(o, gradient[k]) for k, o in opts.items()},
            rounds=rounds,
            loops=10_000_000 // n,
        )
        results.append(f"{n:,} elements {t['denormal'] / t['normal']:.2f}")
    console.print("denormal / normal state, time: " + ", ".join(results))


def eight_threads(elements: int) -> None:
    """Eight Python threads, an AdamW each."""
    gradient = arrays([(elements,)], 1)[0]
    opts = [fastopt.AdamW(a) for a in arrays([(elements,)] * 8)]
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


def cold() -> None:
    """Import and first step in a new process, with an empty cache and with a filled one."""
    for label, t in fresh.starts().items():
        console.print(
            f"cache {label}: import {t['import']:.2f} s, first AdamW step {t['first']:.3f} s"
        )


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument(
        "--only", nargs="*", default=[], help="twins small matmul denormals threads cold"
    )
    parser.add_argument("--optimizers", nargs="*", default=[], help="for twins: all if left out")
    parser.add_argument("--elements", type=int, default=1 << 25, help="for twins")
    chosen = parser.parse_args()
    rounds = 2 if chosen.smoke else 15
    parts = {
        "twins": lambda: against_twins(
            1 << 14 if chosen.smoke else chosen.elements, rounds, chosen.optimizers
        ),
        "small": lambda: small_steps(rounds),
        "matmul": lambda: matmul_after_step(rounds),
        "denormals": lambda: denormals(rounds),
        "threads": lambda: eight_threads(1 << (14 if chosen.smoke else 20)),
        "cold": cold,
    }
    console.print(
        f"fastopt {fastopt.__version__}, NumPy {np.__version__}, "
        f"torch {torch.__version__ if torch is not None else 'not installed'}; "
        f"{fastopt.get_num_threads()} threads, layer {threads.layer()}"
    )
    if torch is not None:
        torch.set_num_threads(fastopt.get_num_threads())
    for name, part in parts.items():
        if not chosen.only or name in chosen.only:
            part()


if __name__ == "__main__":
    main()
