"""PTX text into kernels: parameters, variables, registers, instructions between labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np


class PtxError(Exception):
    """Text, or an instruction, that this interpreter does not know."""


#: The types of PTX, as NumPy's; registers hold raw bits, predicates truth values.
TYPES = {
    "pred": np.bool_,
    **{f"{kind}{bits}": f"u{bits // 8}" for kind in "bu" for bits in (8, 16, 32, 64)},
    **{f"s{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"f{bits // 8}" for bits in (16, 32, 64)},
}
TYPES = {name: np.dtype(of) for name, of in TYPES.items()}


@dataclass(frozen=True)
class Register:
    name: str


@dataclass(frozen=True)
class Immediate:
    """A number; floating-point ones by their bits."""

    value: int

    def of(self, dtype):
        """An array of one."""
        bits = 8 * dtype.itemsize
        return np.array([self.value % (1 << bits)], f"u{dtype.itemsize}").view(dtype)


@dataclass(frozen=True)
class Symbol:
    """A variable, a parameter, a label or a special register such as %tid.x."""

    name: str


@dataclass(frozen=True)
class Address:
    base: Register | Symbol | Immediate
    offset: int = 0


@dataclass(frozen=True)
class Vector:
    items: tuple


@dataclass(frozen=True)
class Instruction:
    opcode: str
    operands: tuple
    guard: Register | None = None
    negated: bool = False
    text: str = ""

    @property
    def parts(self):
        return self.opcode.split(".")


@dataclass(frozen=True)
class Variable:
    """Memory with a name: parameters, and arrays in shared, local or global memory."""

    name: str
    space: str
    size: int
    align: int
    type: str


@dataclass
class Kernel:
    name: str
    target: str
    parameters: list[Variable] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    registers: dict[str, str] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def opcodes(self):
        return [instruction.opcode for instruction in self.instructions]


_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ENTRY = re.compile(r"(?:\.visible|\.weak)?\s*\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{]*)\{")
_VARIABLE = re.compile(
    r"\.(param|shared|local|global|const)\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)\s*(\[\s*\d*\s*\])?"
)
_REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d+)U?")
_REAL = re.compile(r"0([fFdD])([0-9a-fA-F]+)")
_SPECIAL = re.compile(r"%(?:n?tid|n?ctaid|laneid|warpid|WARP_SZ|clock|lanemask)\b")


def parse(text):
    """The kernels of a PTX module, by name."""
    text = _COMMENT.sub(" ", text)
    target = re.search(r"\.target\s+(\w+)", text)
    if target is None:
        raise PtxError("no .target; expected the text of a PTX module")
    kernels, outside, at = {}, [], 0
    for entry in _ENTRY.finditer(text):
        if entry.start() < at:
            continue
        outside.append(text[at : entry.start()])
        end = _closing(text, entry.end())
        kernel = Kernel(entry[1], target[1])
        kernel.parameters = [_variable(m) for m in _VARIABLE.finditer(entry[2])]
        _body(kernel, text[entry.end() : end])
        kernels[kernel.name] = kernel
        at = end + 1
    outside.append(text[at:])
    if ".func" in "".join(outside):
        raise PtxError("functions (.func) are not known here; kernels call none")
    shared = [_variable(m) for m in _VARIABLE.finditer("".join(outside))]
    for kernel in kernels.values():
        kernel.variables += shared
    return kernels


def _closing(text, at):
    depth = 1
    for place in re.finditer(r"[{}]", text[at:]):
        depth += 1 if place[0] == "{" else -1
        if depth == 0:
            return at + place.start()
    raise PtxError("a kernel's body does not end")


def _variable(match):
    space, align, kind, name, count = match.groups()
    size = TYPES[kind].itemsize
    number = int(count.strip("[] ") or 0) if count else 1
    return Variable(name, space, size * number, int(align or size), kind)


def _body(kernel, text):
    for statement in re.split(r";", re.sub(r"([\w$]+):(?!:)", r"\1:;", text)):
        statement = " ".join(statement.split())
        if not statement or statement.startswith(".pragma"):
            continue
        if statement.endswith(":"):
            kernel.labels[statement[:-1]] = len(kernel.instructions)
        elif found := _REGISTERS.fullmatch(statement):
            _declare(kernel, found[1], found[2])
        elif found := _VARIABLE.fullmatch(statement):
            kernel.variables.append(_variable(found))
        elif statement.startswith("."):
            raise PtxError(f"{statement!r} is not known here")
        else:
            kernel.instructions.append(_instruction(statement))


def _declare(kernel, kind, names):
    for name in names.split(","):
        name = name.strip()
        many = re.fullmatch(r"(%?[\w$]+)<(\d+)>", name)
        for one in [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [name]:
            kernel.registers[one] = kind


def _instruction(statement):
    guard = re.match(r"@(!?)(%[\w$]+)\s+", statement)
    rest = statement[guard.end() :] if guard else statement
    opcode, _, operands = rest.partition(" ")
    return Instruction(
        opcode,
        tuple(_operand(o) for o in _split(operands)),
        Register(guard[2]) if guard else None,
        bool(guard and guard[1]),
        statement,
    )


def _split(operands):
    """At commas and bars that are outside of brackets."""
    parts, depth, last = [], 0, ""
    for character in operands:
        depth += (character in "{[(") - (character in "}])")
        if character in ",|" and depth == 0:
            parts.append(last)
            last = ""
        else:
            last += character
    return [part.strip() for part in [*parts, last] if part.strip()]


def _operand(text):
    if text.startswith("{"):
        return Vector(tuple(_operand(item.strip()) for item in text.strip("{}").split(",")))
    if text.startswith("["):
        base, sign, offset = re.fullmatch(r"\[\s*(.+?)\s*(?:([+-])\s*(-?\d+)\s*)?\]", text).groups()
        return Address(_operand(base), int(f"{offset}") * (-1 if sign == "-" else 1) if sign else 0)
    if real := _REAL.fullmatch(text):
        return Immediate(int(real[2], 16))
    if _NUMBER.fullmatch(text):
        return Immediate(int(text.rstrip("U"), 0))
    if _SPECIAL.match(text):
        return Symbol(text)
    if text.startswith("%"):
        return Register(text)
    if re.fullmatch(r"[\w$]+", text):
        return Symbol(text)
    raise PtxError(f"operand {text!r} is not known here")
