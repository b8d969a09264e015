"""What the loop of each optimizer's update consists of, counted in machine code for one processor on every machine.

``python tests/loops.py`` writes what it counts into `tests/loops.csv`, for `tests/test_loops.py` to compare with. A change of
a formula, of the drivers or of LLVM changes numbers there; whether for the better is for the change's author to say.
"""

from __future__ import annotations

import bisect
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("loops.csv")
# A level of the x86-64 instruction set, not a processor: 256 bits, no fused multiplication.
PROCESSOR = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
_KINDS = {
    "mul": r"vmulp", "add": r"v(add|sub)p", "div": r"vdivp", "sqrt": r"vsqrtp",
    "choose": r"v(max|min|cmp\w*|blendv|blend)p", "bits": r"v(and|andn|or|xor)p|vp\w+",
}  # fmt: skip


def innermost_loop(assembly: str, suffix: str) -> str:
    """The text from a label before a packed multiplication to the jump back to it: of the nearest labels that have one, the longest.

    A loop with jumps inside has labels in between.
    """
    lines = assembly.splitlines()
    packed = re.compile(rf"\bv?mul{suffix}\s.*%[yz]mm|\bfmul\s+v")
    at = [i for i, line in enumerate(lines) if packed.search(line)]
    labels = [k for k, line in enumerate(lines) if re.match(r"^[.\w]+:", line)]
    for between in range(8):
        loops = []
        for i in at:
            label = labels[max(0, bisect.bisect(labels, i) - 1 - between)]
            name = re.escape(lines[label].split(":")[0])
            last = min(i + 400, len(lines))
            back = [k for k in range(i, last) if re.search(rf"\bj\w+\s+{name}$", lines[k])]
            if back:
                loops.append("\n".join(lines[label : back[0] + 1]))
        if loops:
            return max(loops, key=len)
    raise AssertionError("no packed loop")


def counted(names: list[str]) -> dict[str, dict[str, float]]:
    """The rows of the table, counted anew in a process that compiles for `PROCESSOR`."""
    done = subprocess.run(
        [sys.executable, __file__, *names],
        env={**os.environ, **PROCESSOR}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compiler() -> str:
    """What made the code."""
    import llvmlite

    return f"llvmlite {llvmlite.__version__.rpartition('.')[0]} for {PROCESSOR['NUMBA_CPU_NAME']}"


def stored() -> tuple[str, dict[str, dict[str, float]]]:
    """Of which compiler the table is, and its rows."""
    with TABLE.open(newline="") as file:
        first = next(file)
        rows = csv.DictReader(file)
        return first[1:].strip(), {
            row.pop("optimizer"): {k: float(v) for k, v in row.items()} for row in rows
        }


def variant_of(name: str):
    """That of an optimizer as it is made without hyperparameters, in float32."""
    import numpy as np

    import fastopt
    from fastopt.bench.cases import make

    cls = getattr(fastopt, name)
    return make(cls, np.ones((1,) * (cls.dimensions or 1), np.float32))._workspace.variant(0)


def _count(name: str) -> dict[str, float]:
    import numba

    from fastopt.drivers import bodies, compile, tile

    variant = variant_of(name)
    body = bodies.update(variant)
    loop = numba.njit(**compile.INSIDE)(tile.loop(variant, body).py_func)
    real, whole = numba.from_dtype(variant.dtype), numba.types.int64
    loop.compile((real[::1], whole[::1], *4 * [whole], real[:, ::1], real[:, ::1]))
    lines = innermost_loop(compile.assembly(loop), "ps").splitlines()[1:]
    code = [line.strip() for line in lines if re.match(r"\s+\w", line)]
    packed = [line for line in code if "%ymm" in line]
    memory = [line for line in packed if "(" in line and not re.search("%r(sp|ip)", line)]
    stores = [line for line in memory if re.match(r"v(mask)?mov\w+\s.*\)$", line)]
    elements = 8 * len(stores) / len(body.closed)
    kinds = {k: sum(bool(re.match(p, line)) for line in packed) for k, p in _KINDS.items()}
    return {
        "bytes": variant.bytes_per_element(),
        "elements": elements,
        "instructions": len(code),
        **kinds,
        "loads": len(memory) - len(stores),
        "stores": len(stores),
        "spills": sum("%rsp" in line for line in code),
        "constants": sum("%rip" in line for line in code),
        "scalar": sum(bool(re.match(r"v?(mul|add|sub|div|sqrt|max|min)s[sd]\b", c)) for c in code),
    }


def main() -> None:
    """Count those that are named; without names count all and write the table."""
    if sys.argv[1:]:
        print(json.dumps({name: _count(name) for name in sys.argv[1:]}))
        return
    import fastopt

    rows = counted(list(fastopt.optimizers.__all__))
    with TABLE.open("w", newline="") as file:
        file.write(f"# {compiler()}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["optimizer", *next(iter(rows.values()))])
        writer.writerows([name, *(f"{v:g}" for v in row.values())] for name, row in rows.items())


if __name__ == "__main__":
    main()
