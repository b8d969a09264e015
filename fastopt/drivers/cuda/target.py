"""The words that kernels are written with on a CUDA device: the only module that compiles with `numba.cuda`.

Kernels take addresses and numbers, no arrays, so that what is called is as plain as it can be. Code is made in two
steps: `numba.cuda` gives LTO-IR, nvJitLink makes PTX or machine code of it. Neither needs a device. Under Numba's
simulator (``NUMBA_ENABLE_CUDASIM=1``) the same names come from `fastopt.drivers.cuda.simulated`: plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cuda, from_dtype
from numba.core import cgutils, types
from numba.cuda.cudadrv.error import CCSupportError
from numba.cuda.extending import intrinsic

from fastopt.drivers.arithmetic import Primitives
from fastopt.drivers.cuda import toolkit

_VECTOR = 16  # bytes that one instruction loads or stores at most

#: Threads of a block that walks elements, of one that adds up, and of one with a thread for each tensor.
THREADS, SUMMING, FEW = 256, 128, 32


def device(function: Callable[..., Any]) -> Any:
    """A part of kernels: written into what calls it, before types are known."""
    return cuda.jit(device=True, inline="always")(function)


@device
def thread() -> Any:
    """The number of the thread in its block."""
    return np.int64(cuda.threadIdx.x)


@device
def block() -> Any:
    """The number of the block along the first axis of the grid."""
    return np.int64(cuda.blockIdx.x)


@device
def piece() -> Any:
    """The number of the block along the second axis of the grid."""
    return np.int64(cuda.blockIdx.y)


@device
def wait() -> None:
    """Wait for the other threads of the block."""
    cuda.syncthreads()


def _global(builder: Any, address: Any, pointee: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(pointee, addrspace=1))


@intrinsic
def load(typingctx: Any, address: Any, like: Any) -> Any:
    """The number of the type of `like` at an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _global(builder, arguments[0], context.get_value_type(like))
        return builder.load(place, align=like.bitwidth // 8)

    return like(types.int64, like), codegen


@intrinsic
def store(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a number at an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _global(builder, arguments[0], context.get_value_type(value))
        builder.store(arguments[1], place, align=value.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


@intrinsic
def load_wide(typingctx: Any, address: Any, like: Any) -> Any:
    """As many numbers as 128 bits hold, from an address that is divisible by 16: a tuple."""
    count = _VECTOR * 8 // like.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(context.get_value_type(like), count)
        numbers = builder.load(_global(builder, arguments[0], vector), align=_VECTOR)
        items = [
            builder.extract_element(numbers, ir.Constant(ir.IntType(32), i)) for i in range(count)
        ]
        return context.make_tuple(builder, signature.return_type, items)

    return types.UniTuple(like, count)(types.int64, like), codegen


@intrinsic
def store_wide(typingctx: Any, address: Any, values: Any) -> Any:
    """Write a tuple of numbers, 128 bits, at an address that is divisible by 16."""
    count, number = len(values), values[0]

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(context.get_value_type(number), count)
        numbers = ir.Constant(vector, ir.Undefined)
        for i in range(count):
            item = builder.extract_value(arguments[1], i)
            numbers = builder.insert_element(numbers, item, ir.Constant(ir.IntType(32), i))
        builder.store(numbers, _global(builder, arguments[0], vector), align=_VECTOR)
        return context.get_dummy_value()

    return types.void(types.int64, values), codegen


def row_of(dtype: np.dtype[Any]) -> Any:
    """``row(address)``: a structured row of this dtype, in place."""
    record = from_dtype(dtype)

    @intrinsic
    def row(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(record))

        return record(types.int64), codegen

    return row


@intrinsic
def select(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """Either number, without a jump."""
    common = typingctx.unify_types(x, y)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return common(types.boolean, common, common), codegen


@intrinsic
def quotient(typingctx: Any, n: Any, by: Any) -> Any:
    """How many times `by` > 0 goes into n >= 0: the compiler divides 32 bits, many times faster, if both have no more."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.udiv(*arguments)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def reinterpret(typingctx: Any, x: Any, like: Any) -> Any:
    """The bits of x as a number of the type of `like`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(like))

    return like(x, like), codegen


@intrinsic
def root(typingctx: Any, x: Any) -> Any:
    """The square root; unlike math.sqrt it takes a denormal number for zero, as all of a kernel does."""
    real = x if isinstance(x, types.Float) else types.float64

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_value_type(real)
        name = f"llvm.sqrt.f{real.bitwidth}"
        declared = ir.FunctionType(number, [number])
        function = cgutils.get_or_insert_function(builder.module, declared, name)
        return builder.call(function, arguments)

    return real(real), codegen


@intrinsic
def is_real(typingctx: Any, n: Any) -> Any:
    """Whether a number is of a floating-point type: known when it is compiled."""
    answer = isinstance(n, types.Float)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.boolean, answer)

    return types.boolean(n), codegen


@device
def as_whole(n: Any) -> Any:
    """A number as an integer."""
    return np.int64(n)


PRIMITIVES = Primitives(select, reinterpret, root, math.fabs, device)


# ---- code ---------------------------------------------------------------------------------------


def compile(kernel: Callable[..., Any], count: int, cc: tuple[int, int]) -> bytes:
    """LTO-IR of a kernel of so many int64 arguments, for a compute capability; no device is asked.

    Raises
    ------
    ValueError
        The compiler knows no such capability.
    """
    signature = (types.int64,) * count
    try:
        code, _ = cuda.compile(kernel, signature, device=False, abi="numba", cc=cc, output="ltoir")
    except CCSupportError as reason:
        raise ValueError(f"compute capability {cc[0]}.{cc[1]}: {reason}") from reason
    return bytes(code)


def link(code: bytes, cc: tuple[int, int], exact: bool, form: str) -> toolkit.Linked:
    """``"ptx"`` or ``"cubin"`` of LTO-IR; `exact` fuses no multiplication with an addition."""
    return toolkit.link(code, cc, fused=not exact, output=form)
