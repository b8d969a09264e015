"""Small kernels in PTX, written for the tests of the interpreter."""

from __future__ import annotations

import numpy as np

from ptx.arrays import Memory
from ptx.launch import launch
from ptx.parser import TYPES, parse


def module(body, parameters="", shared=""):
    """A module with one kernel; its registers are many of each kind."""
    kinds = {"pred": "p", "b16": "rs", "b32": "r", "f32": "f", "b64": "rd", "f64": "fd"}
    registers = "\n".join(f".reg .{kind} %{name}<40>;" for kind, name in kinds.items())
    return (
        f".version 9.5\n.target sm_90\n.address_size 64\n{shared}\n"
        f".visible .entry kernel({parameters})\n{{\n{registers}\n{body}\n}}\n"
    )


def only(text):
    (kernel,) = parse(text).values()
    return kernel


def run(body, *arrays, threads=None, block=None, shared=""):
    """Launch a body whose %rd0, %rd1, ... are the addresses of arrays; %rd39 is the number of the thread."""
    head = [
        "mov.u32 %r39, %tid.x; mov.u32 %r38, %ntid.x; mov.u32 %r37, %ctaid.x;",
        "mad.lo.s32 %r36, %r38, %r37, %r39; cvt.u64.u32 %rd39, %r36;",
        *(f"ld.param.u64 %rd{i}, [a{i}];" for i in range(len(arrays))),
    ]
    kernel = only(
        module(
            "\n".join([*head, body, "ret;"]),
            ", ".join(f".param .u64 a{i}" for i in range(len(arrays))),
            shared,
        )
    )
    threads = arrays[0].size if threads is None else threads
    block = threads if block is None else block
    addresses = [a.ctypes.data for a in arrays]
    return launch(kernel, threads // block, block, addresses, Memory(*arrays))


_REGISTER = {"f32": "f", "f64": "fd", "8": "rs", "16": "rs", "32": "r", "64": "rd"}


def register(kind, number):
    bits = kind.lstrip("bus")
    return f"%{_REGISTER.get(kind) or _REGISTER[bits]}{number}"


def computed(opcode, *operands, result=None):
    """What an opcode makes of arrays, which it takes in their PTX types: ``(kind, numbers)``."""
    kinds = [kind for kind, _ in operands]
    arrays = [np.ascontiguousarray(a, TYPES[kind]) for kind, a in operands]
    result = result or kinds[0]
    out = np.zeros(len(arrays[0]), TYPES[result])
    lines = []
    for i, (kind, a) in enumerate(zip([*kinds, result], [*arrays, out], strict=True)):
        lines.append(f"mad.lo.s64 %rd{20 + i}, %rd39, {a.itemsize}, %rd{i};")
        if a is not out:
            lines.append(f"ld.global.{kind} {register(kind, 30 + i)}, [%rd{20 + i}];")
    count = len(operands)
    sources = ", ".join(register(kind, 30 + i) for i, kind in enumerate(kinds))
    lines.append(f"{opcode} {register(result, 35)}, {sources};")
    lines.append(f"st.global.{result} [%rd{20 + count}], {register(result, 35)};")
    run("\n".join(lines), *arrays, out)
    return out
