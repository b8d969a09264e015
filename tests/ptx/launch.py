"""A launch: threads that take each stretch of instructions together, as far as they have come equally far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ptx import instructions
from ptx.parser import TYPES, Immediate, PtxError, Register, Symbol, Vector
from ptx.races import Threads

WARP = 32


@dataclass
class Report:
    """What a launch did.

    Attributes
    ----------
    loaded, stored : int
        Bytes of global memory that all threads read and wrote.
    executed : Counter
        How often each opcode ran, counted by thread.
    """

    loaded: int = 0
    stored: int = 0
    executed: Counter = field(default_factory=Counter)


def launch(kernel, grid, block, arguments, memory, limit=1_000_000):
    """Run a kernel.

    Parameters
    ----------
    kernel : Kernel
    grid, block : int or tuple of up to three
        How many blocks, and threads in each.
    arguments : sequence
        A number for each parameter; bytes for those that are structures.
    memory : Memory
        All that the kernel may touch.
    limit : int
        Stretches of instructions after which a launch counts as endless.

    Returns
    -------
    Report
    """
    run = _Launch(kernel, _three(grid), _three(block), arguments, memory)
    with np.errstate(all="ignore"):
        run.all(limit)
    return run.report


def _three(size):
    size = (size,) if isinstance(size, int | np.integer) else tuple(size)
    return (*size, 1, 1)[:3]


class _Launch:
    def __init__(self, kernel, grid, block, arguments, memory):
        self.kernel, self.memory, self.report = kernel, memory, Report()
        per_block, blocks = int(np.prod(block)), int(np.prod(grid))
        self.threads = per_block * blocks
        self.blocks, self.per_block = blocks, per_block
        thread = np.arange(self.threads, dtype=np.uint32)
        self.block_of = thread // np.uint32(per_block)
        self.within = thread % np.uint32(per_block)
        self.lane = self.within % np.uint32(WARP)
        self.warp_start = (thread - self.lane).astype(np.int64)
        self.special = {"%laneid": self.lane, "%warpid": self.within // np.uint32(WARP)}
        for name, place, sizes in (("tid", self.within, block), ("ctaid", self.block_of, grid)):
            for axis, letter in enumerate("xyz"):
                size = np.uint32(sizes[axis])
                self.special[f"%{name}.{letter}"] = place % size
                self.special[f"%n{name}.{letter}"] = np.full(self.threads, size)
                place = place // size
        self.registers = {
            name: np.zeros(self.threads, _raw(kind)) for name, kind in kernel.registers.items()
        }
        self.parameters = self._bound(arguments)
        self.symbols = {v.name: self._placed(v) for v in kernel.variables if v.size}
        self.pc = np.zeros(self.threads, np.int64)
        self.barrier = np.full(self.threads, -1, np.int64)
        numbers = np.arange(self.threads)
        self._identity = Threads(numbers, self.block_of.astype(np.int64), np.zeros_like(numbers))
        memory.begin()
        self.code = [instructions.bound(self, i) for i in kernel.instructions]
        self.ends = sorted({*kernel.labels.values(), len(self.code)})

    def _bound(self, arguments):
        parameters = self.kernel.parameters
        if len(arguments) != len(parameters):
            raise ValueError(
                f"{len(arguments)} arguments; the kernel has {len(parameters)} parameters"
            )
        bound = {}
        for parameter, value in zip(parameters, arguments, strict=True):
            if not isinstance(value, bytes):
                value = np.asarray(value).astype(TYPES[parameter.type]).tobytes()
            if len(value) != parameter.size:
                raise ValueError(f"{parameter.name} has {parameter.size} bytes, not {len(value)}")
            bound[parameter.name] = value
        return bound

    def _placed(self, variable):
        """Where a variable is, for each thread."""
        owner = {"shared": self.block_of, "local": np.arange(self.threads)}.get(
            variable.space, np.zeros(self.threads, np.int64)
        )
        addresses = self.memory.room(int(owner[-1]) + 1, variable.size, variable.align)
        return addresses[owner]

    # ---- control ------------------------------------------------------------------------------

    def all(self, limit):
        end = len(self.code)
        for _ in range(limit):
            ready = (self.pc < end) & (self.barrier < 0)
            if not ready.any():
                if not (self.pc < end).any():
                    return
                self._release()
                continue
            # the threads that are furthest behind go on together: so those that parted meet again
            at = int(self.pc[ready].min())
            group = ready & (self.pc == at)
            self._stretch(at, slice(None) if group.all() else np.nonzero(group)[0])
        raise PtxError(f"{self.kernel.name} does not end")

    def _stretch(self, at, group):
        """Run from an instruction to the next label or jump."""
        stop = next(e for e in self.ends if e > at)
        count = self.threads if isinstance(group, slice) else len(group)
        while at < stop:
            self.report.executed[self.kernel.instructions[at].opcode] += count
            self.pc[group] = at + 1
            if self.code[at](group):
                return
            at += 1

    def _release(self):
        """Let blocks go on all of whose threads have come to the same barrier."""
        waiting = self.barrier >= 0
        for block in np.unique(self.block_of[waiting]):
            own = self.barrier[waiting & (self.block_of == block)]
            if (own != own[0]).any():
                raise PtxError("threads of one block wait at different barriers")
        self._identity.epoch[waiting] += 1
        self.barrier[:] = -1

    def threads_of(self, group):
        """Who accesses memory."""
        return self._identity.some(group)

    def everyone(self, group):
        return np.arange(self.threads) if isinstance(group, slice) else group

    # ---- operands -----------------------------------------------------------------------------

    def read(self, operand, dtype, group):
        """An operand's numbers for a group of threads, or an array of one."""
        if isinstance(operand, Immediate):
            return operand.of(dtype)
        if isinstance(operand, Register):
            return _as(self._register(operand)[group], dtype)
        if isinstance(operand, Vector):
            return self._packed(operand, dtype, group)
        if isinstance(operand, Symbol):
            found = self.special.get(operand.name)
            if found is None:
                found = self.symbols.get(operand.name)
            if found is not None:
                return _as(found[group], dtype)
        raise PtxError(f"{operand} cannot be read here")

    def write(self, operand, values, group):
        """Put numbers into a register, or parts of them into several."""
        if isinstance(operand, Symbol) and operand.name == "_":
            return
        if isinstance(operand, Vector):
            self._unpack(operand, values, group)
            return
        register = self._register(operand)
        size = register.dtype.itemsize
        if register.dtype == np.bool_ or values.dtype == np.bool_:
            if register.dtype != values.dtype:
                raise PtxError(f"{operand.name} does not fit {values.dtype}")
            register[group] = values
            return
        if values.dtype.itemsize > size:
            raise PtxError(f"{operand.name} is too short for {values.dtype}")
        if values.dtype.itemsize < size:  # extended by its sign, if it has one
            kind = "i" if values.dtype.kind == "i" else "u"
            values = values.view(f"{kind}{values.dtype.itemsize}").astype(f"{kind}{size}")
        register[group] = np.ascontiguousarray(values).view(register.dtype)

    def _register(self, operand):
        try:
            return self.registers[operand.name]
        except (KeyError, AttributeError):
            raise PtxError(f"{operand} is not a register of the kernel") from None

    def _packed(self, vector, dtype, group):
        size = dtype.itemsize // len(vector.items)
        parts = [self.read(item, np.dtype(f"u{size}"), group) for item in vector.items]
        return np.ascontiguousarray(np.stack(np.broadcast_arrays(*parts), -1)).view(dtype)[..., 0]

    def _unpack(self, vector, values, group):
        count = len(vector.items)
        part = np.dtype(f"u{values.dtype.itemsize // count}")
        rows = np.ascontiguousarray(values).view(part).reshape(-1, count)
        for item, column in zip(vector.items, rows.T, strict=True):
            self.write(item, np.ascontiguousarray(column), group)


def _raw(kind):
    dtype = TYPES[kind]
    return dtype if kind == "pred" else np.dtype(f"u{dtype.itemsize}")


def _as(raw, dtype):
    """Bits as numbers of a type; of a longer register, the lower ones."""
    if raw.dtype.itemsize == dtype.itemsize or dtype == np.bool_:
        return raw.view(dtype)
    if raw.dtype.itemsize < dtype.itemsize:
        raise PtxError(f"a register of {raw.dtype.itemsize} bytes is read as {dtype}")
    return raw.astype(f"u{dtype.itemsize}").view(dtype)
