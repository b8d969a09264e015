"""An interpreter of PTX, so that what the compiler emits for GPUs can be run and compared without one.

It executes a launch with NumPy, all threads at once: each register is an array over the threads. Every opcode has
its own meaning and rounding, memory is the host's, and an access outside of the arrays that a launch was given,
a misaligned one, or an instruction that is not known here, is an error.
"""

from ptx.arrays import Memory, MemoryFault
from ptx.launch import launch
from ptx.parser import Kernel, PtxError, parse

__all__ = ["Kernel", "Memory", "MemoryFault", "PtxError", "launch", "parse"]
