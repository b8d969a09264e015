"""What Numba has no word for: memory and code by address, blends, bits, and the floating-point mode of a thread."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_name
from numba.core import cgutils, config, types
from numba.extending import intrinsic

# Flush-to-zero and denormals-are-zero of x86's MXCSR; FZ of aarch64's FPCR.
_MXCSR_FLUSH = 0x8040
_FPCR_FLUSH = 1 << 24


@intrinsic
def pointer(typingctx: Any, address: Any, element: Any) -> Any:
    """An int64 address as a pointer to numbers of the given Numba type, for `numba.carray`."""
    target = types.CPointer(element.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(target))

    return target(types.int64, element), codegen


@intrinsic
def select(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """LLVM's select: a blend of vectors, never a jump."""
    common = typingctx.unify_types(x, y)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return common(types.boolean, common, common), codegen


@intrinsic
def reinterpret(typingctx: Any, x: Any, like: Any) -> Any:
    """The bits of x as a number of the type of `like`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(like))

    return like(x, like), codegen


@intrinsic
def call(typingctx: Any, address: Any, arguments: Any) -> Any:
    """Call the function at an address, which takes these numbers and gives nothing back."""

    def codegen(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = cgutils.unpack_tuple(builder, given[1])
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(given[0], kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), codegen


def _reader(bits: int) -> Any:
    @intrinsic
    def read(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            integer = ir.IntType(bits)
            value = builder.load(builder.inttoptr(arguments[0], integer.as_pointer()))
            return value if bits == 64 else builder.sext(value, ir.IntType(64))

        return types.int64(types.int64), codegen

    return read


read_int32 = _reader(32)
read_int64 = _reader(64)


@intrinsic(prefer_literal=True)
def prefetch(typingctx: Any, address: Any, lines: Any) -> Any:
    """Ask for a literal number of cache lines from an address on; harmless beyond the end of memory."""
    return types.void(types.int64, lines), _asking(lines.literal_value)


@intrinsic(prefer_literal=True)
def prefetch_stream(typingctx: Any, address: Any, lines: Any) -> Any:
    """The same for arrays that are walked from end to end; nothing on processors that it would hold up."""
    return types.void(types.int64, lines), _asking(lines.literal_value if _ASKS_FOR_STREAMS else 0)


# AMD's Zen cores see streams by themselves, and are slower with requests (docs/decisions/0023).
_ASKS_FOR_STREAMS = not (config.CPU_NAME or get_host_cpu_name()).startswith("znver")


def _asking(count: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        arguments_of = [byte, i32, i32, i32]
        call = _declare(builder, "llvm.prefetch.p0", ir.VoidType(), arguments_of)
        for line in range(count):
            place = builder.add(arguments[0], ir.Constant(arguments[0].type, 64 * line))
            # to be read (0), kept in all caches (3), data (1)
            builder.call(call, [builder.inttoptr(place, byte), i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return codegen


def emit_flush(builder: Any, triple: str) -> Any:
    """Emit code that lets this thread flush denormals to zero; its value is the mode before (i64)."""
    wide = ir.IntType(64)
    if triple.startswith(("x86_64", "i686")):
        before = _stmxcsr(builder)
        _ldmxcsr(builder, builder.or_(before, ir.Constant(before.type, _MXCSR_FLUSH)))
        return builder.zext(before, wide)
    if triple.startswith(("aarch64", "arm64")):
        before = builder.call(_declare(builder, "llvm.aarch64.get.fpcr", wide, []), [])
        _set_fpcr(builder, builder.or_(before, ir.Constant(wide, _FPCR_FLUSH)))
        return before
    return ir.Constant(wide, 0)


def emit_restore(builder: Any, triple: str, before: Any) -> None:
    """Emit code that puts back the mode that `emit_flush` found."""
    if triple.startswith(("x86_64", "i686")):
        _ldmxcsr(builder, builder.trunc(before, ir.IntType(32)))
    elif triple.startswith(("aarch64", "arm64")):
        _set_fpcr(builder, before)


def _declare(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _stmxcsr(builder: Any) -> Any:
    cell = cgutils.alloca_once(builder, ir.IntType(32))
    raw = builder.bitcast(cell, ir.IntType(8).as_pointer())
    store = _declare(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), [raw.type])
    builder.call(store, [raw])
    return builder.load(cell)


def _ldmxcsr(builder: Any, value: Any) -> None:
    cell = cgutils.alloca_once_value(builder, value)
    raw = builder.bitcast(cell, ir.IntType(8).as_pointer())
    builder.call(_declare(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), [raw.type]), [raw])


def _set_fpcr(builder: Any, value: Any) -> None:
    store = _declare(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), [ir.IntType(64)])
    builder.call(store, [value])


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Flush denormals in this thread from here on; returns the mode to hand to `restore_denormals`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_flush(builder, builder.module.triple)

    return types.int64(), codegen


@intrinsic
def restore_denormals(typingctx: Any, before: Any) -> Any:
    """Put this thread's floating-point mode back."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_restore(builder, builder.module.triple, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
