"""``fastopt ptx``: an optimizer's step kernel as a GPU gets it, made without one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

import fastopt
from fastopt.cli.warmup import required
from fastopt.drivers.cuda import toolkit
from fastopt.variant import Variant

if TYPE_CHECKING:
    from fastopt.drivers.cuda.offline import Code


def run(name: str, cc: tuple[int, int], dtype: str, exact: bool, wide: bool, form: str) -> None:
    """Print PTX, machine code (``"sass"``) or statistics (``"stats"``) to the standard output.

    Raises
    ------
    MissingTool
        What compiles, or shows machine code, is not installed; the message says what installs it.
    ValueError
        The compiler has no such compute capability.
    """
    toolkit.require_compiler()
    from fastopt.drivers.cuda import offline

    variant = variant_of(name, dtype)
    code = offline.compile_step(variant, cc, wide, exact)
    if form == "stats":
        _statistics(name, code, variant, wide)
    else:
        text = code.ptx if form == "ptx" else toolkit.disassemble(code.cubin)
        # a kernel's name tells all types of its arguments, which nobody can read
        sys.stdout.write(text.replace(code.entry, f"{name.lower()}_{dtype}").rstrip() + "\n")


def variant_of(name: str, dtype: str) -> Variant:
    """That of an optimizer's defaults, for a vector, or for a matrix where it takes no others."""
    optimizer = getattr(fastopt, name)
    arguments = required(optimizer)
    shape = (1,) if optimizer.dimensions in (None, 1) else (1, 1)
    variant: Variant = optimizer(np.ones(shape, dtype), **arguments)._workspace.variant(0)
    return variant


def _statistics(name: str, code: Code, variant: Variant, wide: bool) -> None:
    from fastopt.drivers.cuda import statistics

    found = statistics.of_update(code, variant)
    console = Console()
    kind = (
        f"{variant.dtype}, {'wide' if wide else 'scalar'}, {'exact' if code.exact else 'default'}"
    )
    capability = f"{code.cc[0]}.{code.cc[1]}"
    table = Table(title=f"{name} for {capability}: {kind}", show_header=False)
    for what, value in (
        ("registers per thread", f"{found.registers}"),
        ("bytes spilled per thread", f"{found.spills}"),
        ("instructions per element", f"{found.instructions:.4g}"),
        ("bytes loaded per element", f"{found.loaded:.4g}"),
        ("bytes stored per element", f"{found.stored:.4g}"),
        ("widest access, bits", f"{found.widest}"),
        ("bytes of a step per element", f"{variant.bytes_per_element():.4g}"),
    ):
        table.add_row(what, value)
    console.print(table)
    floors = Table(title="At least, by the bandwidth of the memory; not measured")
    for column in ("GPU", "capability", "GB/s", "us per million elements"):
        floors.add_column(column, justify="left" if column == "GPU" else "right")
    for gpu, floor in statistics.floors(variant.bytes_per_element()).items():
        (major, minor), bandwidth = statistics.BANDWIDTHS[gpu]
        floors.add_row(gpu, f"{major}.{minor}", f"{bandwidth:,}", f"{floor:.1f}")
    console.print(floors)
