"""What a kernel costs, read from its machine code, and what no kernel can be faster than."""

from __future__ import annotations

from typing import NamedTuple

from fastopt.drivers import bodies
from fastopt.drivers.cuda import machine_code, toolkit
from fastopt.drivers.cuda.offline import Code
from fastopt.variant import Variant

#: GPUs by name: compute capability, and bandwidth of their memory in GB/s as their data sheets say.
BANDWIDTHS = {
    "T4": ((7, 5), 320),
    "A10": ((8, 6), 600),
    "A100 40 GB": ((8, 0), 1555),
    "A100 80 GB SXM": ((8, 0), 2039),
    "L4": ((8, 9), 300),
    "L40S": ((8, 9), 864),
    "H100 PCIe": ((9, 0), 2000),
    "H100 SXM": ((9, 0), 3350),
    "H200": ((9, 0), 4800),
    "B200": ((10, 0), 8000),
}


class Statistics(NamedTuple):
    """Of one kernel.

    Attributes
    ----------
    registers : int
        Of 32 bits, per thread.
    spills : int
        Bytes per thread that went to memory for want of registers.
    instructions : float
        In the loop over elements, for each of them; those of branches that are rarely taken are counted.
    loaded, stored : float
        Bytes of device memory that the loop moves for each element.
    widest : int
        Bits of its widest load or store.
    """

    registers: int
    spills: int
    instructions: float
    loaded: float
    stored: float
    widest: int


def of_update(code: Code, variant: Variant) -> Statistics:
    """Those of the kernel that updates every element of a variant.

    Raises
    ------
    toolkit.MissingTool
        nvJitLink or nvdisasm is not installed.
    """
    registers, spills = toolkit.resources(code.linked.log)
    kernel = machine_code.kernel(toolkit.disassemble(code.cubin))
    written = len(bodies.update(variant).closed) * variant.dtype.itemsize
    # there are more: for the last elements of a tensor, and for coefficients that leave a slot unread
    loop = max(
        kernel.loops(), key=lambda loop: (loop.widest, loop.loaded / loop.stored, loop.stored)
    )
    elements = loop.stored / written
    return Statistics(
        registers,
        spills,
        len(loop.instructions) / elements,
        loop.loaded / elements,
        loop.stored / elements,
        8 * loop.widest,
    )


def floors(bytes_per_element: float) -> dict[str, float]:
    """Microseconds that moving a million elements takes at least, by GPU."""
    return {gpu: bytes_per_element * 1e3 / speed for gpu, (_, speed) in BANDWIDTHS.items()}
