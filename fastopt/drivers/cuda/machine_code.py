"""What a kernel's machine code consists of: its loops, their instructions, and the memory that they move.

It reads what nvdisasm prints (`fastopt.drivers.cuda.toolkit.disassemble`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Instruction(NamedTuple):
    """One instruction, such as ``@!P0 BRA `(.L_x_22)``: its place, its opcode with modifiers, the rest."""

    address: int
    opcode: str
    operands: str

    @property
    def name(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.split(".")[0]

    @property
    def target(self) -> str | None:
        """The label that it may jump to."""
        found = re.search(r"`\((\.L_\w+)\)", self.operands)
        return found[1] if found and self.name == "BRA" else None


@dataclass
class Function:
    """A kernel, or one of the routines that it calls, for example for divisions of subnormal numbers."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def loops(self) -> list[Loop]:
        """The innermost loops that write to global memory."""
        spans = []
        for instruction in self.instructions:
            to = self.labels.get(instruction.target or "")
            if to is not None and to < instruction.address:
                spans.append((to, instruction.address))
        found = [
            Loop([i for i in self.instructions if first <= i.address <= last])
            for first, last in spans
            if not any((a, b) != (first, last) and first <= a and b <= last for a, b in spans)
        ]
        return [loop for loop in found if loop.stored]


class Loop(NamedTuple):
    """The instructions of a loop, those of branches that are rarely taken among them."""

    instructions: list[Instruction]

    @property
    def stored(self) -> int:
        """Bytes of global memory that a thread writes in one turn."""
        return sum(width(i) for i in self.instructions if i.name == "STG")

    @property
    def loaded(self) -> int:
        """Bytes of global memory that a thread reads in one turn."""
        return sum(width(i) for i in self.instructions if i.name == "LDG")

    @property
    def widest(self) -> int:
        """Bytes of the widest access to global memory."""
        return max((width(i) for i in self.instructions if i.name in ("LDG", "STG")), default=0)


def width(access: Instruction) -> int:
    """The bytes of a load or a store."""
    modifiers = access.opcode.split(".")[1:]
    for name, size in (("128", 16), ("64", 8), ("U8", 1), ("S8", 1), ("U16", 2), ("S16", 2)):
        if name in modifiers:
            return size
    return 4


_INSTRUCTION = re.compile(r"/\*([0-9a-f]+)\*/\s+(?:\{\s*)?(@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);")
_LABEL = re.compile(r"([.\w$]+):\s*$")


def functions(listing: str) -> list[Function]:
    """The functions of a listing in its order; kernels are those whose section is named for them."""
    found: list[Function] = []
    for line in listing.splitlines():
        label, code = _LABEL.match(line), _INSTRUCTION.search(line)
        if label and not label[1].startswith(".L_"):
            name = label[1].removeprefix(".text.")
            if not (found and found[-1].name == name):
                found.append(Function(name))
        elif label and found:
            found[-1].labels[label[1]] = _next_address(found[-1])
        elif code and found:
            instruction = Instruction(
                int(code[1], 16), code[3], f"{code[2] or ''}{code[4]}".strip()
            )
            found[-1].instructions.append(instruction)
    return [f for f in found if f.instructions]


def _next_address(function: Function) -> int:
    return function.instructions[-1].address + 16 if function.instructions else 0


def kernel(listing: str) -> Function:
    """The kernel of a listing: not the routines of the compiler, whose names begin with two underscores or ``$``."""
    kernels = [f for f in functions(listing) if not f.name.startswith(("__", "$"))]
    if len(kernels) != 1:
        raise ValueError(f"{len(kernels)} kernels in the listing; expected 1")
    return kernels[0]
