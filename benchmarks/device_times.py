"""Steps on a GPU, measured: ``python -m benchmarks.device_times``; it writes docs/device.json and the tables of docs/cuda.md.

``--page`` only writes the tables anew. Needs the extra cuda13; torch, optax and CuPy are compared with where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastopt
from benchmarks import device, peers
from benchmarks.markdown import between, table, us
from benchmarks.shapes import NETWORKS
from fastopt.bench.rounds import Call

DOCS = Path(__file__).resolve().parent.parent / "docs"
RECORD, PAGE = DOCS / "device.json", DOCS / "cuda.md"
MARKS = ("<!-- times: written by benchmarks/device_times.py -->", "<!-- end of times -->")

ELEMENTS = 1 << 26
OPTIMIZERS = (
    "SGD", "NAG", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Rprop", "Lion",
    "Adan", "LAMB", "Adafactor", "SM3", "Prodigy", "ScheduleFreeAdamW", "NoisySGD", "MADGRAD",
)  # fmt: skip
#: Tensors that torch's step is compared over.
TENSORS: Mapping[str, list[tuple[int, ...]]] = {
    "1,024 in one": [(1 << 10,)],
    "2^20 in one": [(1 << 20,)],
    "2^26 in one": [(1 << 26,)],
    "100 of 100": [(100,)] * 100,
    "2,000 of 100": [(100,)] * 2000,
}
#: And those of these networks.
OF_NETWORKS = ("ResNet-50", "GPT-2 small")


def copies() -> list[dict[str, Any]]:
    """Every optimizer beside a copy within the device of as many bytes."""
    return [{"optimizer": n, **device.against_copies(n, ELEMENTS, "float32")} for n in OPTIMIZERS]


def torch_steps() -> list[dict[str, Any]]:
    """AdamW's step beside torch's fused one: on the device, asked by the host, and replayed as a graph."""
    rows = []
    for name, shapes in {**TENSORS, **{n: NETWORKS[n] for n in OF_NETWORKS}}.items():
        for options in ({}, {"clip_norm": 1.0}):
            rows.append(
                {"tensors": name, "clipped": bool(options), **against_torch(shapes, **options)}
            )
    return rows


def against_torch(shapes: list[tuple[int, ...]], **options: Any) -> dict[str, float]:
    """Seconds: of the device, those of the host until the call returns, and of a replayed graph."""
    calls = device.beside_torch(shapes, capturable=True, **options)
    found = device.compared(calls)
    found |= {f"{name} host": host_time(call) for name, call in calls.items()}
    graphs = {f"{name} graph": captured(call) for name, call in calls.items()}
    return found | device.compared(graphs)


def host_time(call: Call, count: int = 30) -> float:
    """Median seconds until a call returns, the device being idle."""
    import torch

    times = []
    for _ in range(count):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    torch.cuda.synchronize()
    return float(np.median(times))


def captured(call: Call) -> Call:
    """A call as a graph."""
    import torch

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        call()
    return graph.replay


def of_optax() -> list[dict[str, Any]]:
    """Optax's steps, compiled as one function with donated arguments, beside fastopt's, by the host's clock."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import optax

    if jax.default_backend() != "gpu":
        return []
    rows = []
    made: dict[str, Callable[[], Any]] = {
        "AdamW": lambda: optax.adamw(1e-3),
        "Lion": lambda: optax.lion(1e-3),
        "Adan": lambda: optax.adan(1e-3),
    }
    for name, maker in made.items():
        start = np.random.default_rng(0).random(ELEMENTS, np.float32)
        step, value = peers.donating(maker(), start, start * np.float32(1e-3))
        for _ in range(3):
            step()
        times = []
        for _ in range(9):
            value().block_until_ready()
            begin = time.perf_counter()
            for _ in range(10):
                step()
            value().block_until_ready()
            times.append((time.perf_counter() - begin) / 10)
        del step, value
        own = device.against_copies(name, ELEMENTS, "float32")
        rows.append({"optimizer": name, "optax": float(np.median(times)), "fastopt": own["time"]})
    return rows


def rows_of() -> list[dict[str, Any]]:
    """Adam on some rows of an embedding beside torch's SparseAdam."""
    import torch

    made = []
    for count, width, touched in ((1_000_000, 64, 100_000), (10_000_000, 64, 8192)):
        ours = torch.rand(count, width, device="cuda")
        theirs = torch.rand(count, width, device="cuda", requires_grad=True)
        rows = torch.randperm(count)[:touched].numpy()
        grad = torch.rand(touched, width, device="cuda") * 1e-3
        where = torch.from_numpy(rows).cuda()[None]
        theirs.grad = torch.sparse_coo_tensor(where, grad, theirs.shape)
        opt, peer = fastopt.Adam(ours, lr=1e-3), torch.optim.SparseAdam([theirs], lr=1e-3)
        calls: dict[str, Call] = {"fastopt": partial(opt.step_rows, rows, grad), "torch": peer.step}
        made.append(
            {"rows": count, "width": width, "touched": touched, **device.compared(calls, 5)}
        )
    return made


PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "copies": copies,
    "peers": torch_steps,
    "optax": of_optax,
    "rows": rows_of,
}


def tables(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The records of all devices as Markdown."""
    parts = []
    for device_name, record in records.items():
        parts.append(f"### {device_name.split(' (')[0]}\n\nWith {record['versions']}.")
        parts += [show(record[name]) for name, show in SHOWN.items() if record.get(name)]
    return "\n\n".join(parts)


def _table(said: str, head: list[str], rows: list[list[Any]]) -> str:
    """Seconds are shown in microseconds."""
    cells = [[us(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return f"{said}\n\n{table(head, cells)}".rstrip()


def _of_copies(rows: list[dict[str, Any]]) -> str:
    return _table(
        f"A step over 2^{ELEMENTS.bit_length() - 1} float32 elements in one array, and a copy within the device that moves as "
        "many bytes:",
        ["optimizer", "us", "GB/s", "of the copy's speed"],
        [
            [
                r["optimizer"],
                r["time"],
                f"{r['bytes'] / r['time'] / 1e9:,.0f}",
                f"{r['copy'] / r['time']:.2f}",
            ]
            for r in rows
        ],
    )


def _of_peers(rows: list[dict[str, Any]]) -> str:
    kinds = ("", " host", " graph")
    return _table(
        "AdamW and `torch.optim.AdamW(fused=True, capturable=True)` on the same tensors, in us, medians of seven rounds in "
        "turn; clipped by the norm of all gradients (`torch.nn.utils.clip_grad_norm_`) or not. “Host” is until the call "
        "returns, “graph” a captured step that is replayed:",
        ["tensors", "clipped", *(f"{who}{kind}" for kind in kinds for who in ("fastopt", "torch"))],
        [
            [
                r["tensors"],
                "yes" if r["clipped"] else "",
                *(r[w + k] for k in kinds for w in ("fastopt", "torch")),
            ]
            for r in rows
        ],
    )


def _of_optax(rows: list[dict[str, Any]]) -> str:
    return _table(
        f"Optax, jitted, with donated arguments, 2^{ELEMENTS.bit_length() - 1} elements, in us:",
        ["optimizer", "fastopt", "optax"],
        [[r["optimizer"], r["fastopt"], r["optax"]] for r in rows],
    )


def _of_rows(rows: list[dict[str, Any]]) -> str:
    return _table(
        "Rows of an embedding by `Adam.step_rows`, whose row numbers are the host's, and by `torch.optim.SparseAdam`, in us:",
        ["rows", "touched", "fastopt", "torch"],
        [
            [f"{r['rows']:,} of {r['width']}", f"{r['touched']:,}", r["fastopt"], r["torch"]]
            for r in rows
        ],
    )


SHOWN: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "copies": _of_copies, "peers": _of_peers, "optax": _of_optax, "rows": _of_rows,
}  # fmt: skip


def versions() -> str:
    """Of what is compared."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("torch", "jax", "optax", "numba-cuda", "numba", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--to", type=Path, default=RECORD, help="where the record is kept")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    records = json.loads(given.to.read_text()) if given.to.exists() else {}
    if not given.page:
        record = records.setdefault(device.require(), {})
        record["versions"] = versions()
        for name in given.only:
            begin = time.perf_counter()
            record[name] = PARTS[name]()
            print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
            given.to.write_text(json.dumps(records, indent=1) + "\n")
    text = tables(records)
    print(text)
    PAGE.write_text(between(PAGE.read_text(), *MARKS, f"\n\n{text}\n\n"))


if __name__ == "__main__":
    main()
