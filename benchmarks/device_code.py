"""What the step kernels for GPUs cost by their machine code, without a GPU: ``python -m benchmarks.device_code``.

It writes the table into docs/cuda.md; ``--print`` only prints it. Needs the extra cuda13.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import fastopt
from benchmarks.markdown import between
from fastopt.bench.cases import make

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cuda.md"
MARKS = (
    "<!-- machine code: written by benchmarks/device_code.py -->",
    "<!-- end of machine code -->",
)
OPTIMIZERS = ("SGD", "Lion", "AdamW", "Adadelta", "Rprop", "NAdam", "ScheduleFreeAdamW", "LAMB")
CAPABILITY = (9, 0)


def table(names: tuple[str, ...] = OPTIMIZERS) -> str:
    """Rows of an optimizer's kernels, scalar and wide, default and exact."""
    from fastopt.drivers.cuda import offline, statistics

    lines = [
        "| float32 | kernel | registers | spilled bytes | bytes loaded | bytes stored "
        "| instructions | in exact mode |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        variant = make(getattr(fastopt, name), np.ones(1, np.float32))._workspace.variant(0)
        for wide in (False, True):
            plain, exact = (
                statistics.of_update(offline.compile_step(variant, CAPABILITY, wide, e), variant)
                for e in (False, True)
            )
            numbers = [plain.registers, plain.spills, plain.loaded, plain.stored]
            numbers += [plain.instructions, exact.instructions]
            cells = [f"{n:.3g}" for n in numbers]
            lines.append(f"| {' | '.join([name, 'wide' if wide else 'scalar', *cells])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    text = table()
    print(text)
    if not parser.parse_args().print:
        PAGE.write_text(between(PAGE.read_text(), *MARKS, f"\n\n{text}\n\n"))


if __name__ == "__main__":
    main()
