"""Kernels as PTX or machine code, without a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from fastopt.drivers.cuda import kernels, target
from fastopt.drivers.cuda.kernels import Kernel
from fastopt.drivers.cuda.toolkit import Linked
from fastopt.drivers.promotion import refuse_promotion
from fastopt.variant import Variant


@dataclass(frozen=True)
class Code:
    """A compiled kernel.

    Attributes
    ----------
    kernel : Kernel
        What it was made of: `Kernel.arguments` are its parameters, int64 each, in this order.
    ltoir : bytes
    cc : tuple of int
        The compute capability, such as (9, 0).
    exact : bool
        Whether no multiplication is fused with an addition.
    """

    kernel: Kernel
    ltoir: bytes
    cc: tuple[int, int]
    exact: bool

    @cached_property
    def ptx(self) -> str:
        """The assembly text for this capability."""
        return target.link(self.ltoir, self.cc, self.exact, "ptx").code.decode()

    @property
    def entry(self) -> str:
        """Its name in the code."""
        (found,) = re.findall(r"\.entry (\w+)\(", self.ptx)
        return str(found)

    @property
    def cubin(self) -> bytes:
        """The machine code."""
        return self.linked.code

    @cached_property
    def linked(self) -> Linked:
        """The machine code, with what the linker said of it."""
        return target.link(self.ltoir, self.cc, self.exact, "cubin")


@cache
def compile_step(
    variant: Variant, cc: tuple[int, int] = (9, 0), wide: bool = False, exact: bool = False
) -> Code:
    """The kernel that updates every element, one of a step's; what its arguments are says `fastopt.drivers.cuda.kernels`.

    Raises
    ------
    TypeError
        If the device has no kernel for the variant, or its formula computes in another dtype than it is given.
    """
    refuse_promotion(variant)
    return compiled(kernels.update(variant, wide), cc, exact)


def compiled(kernel: Kernel, cc: tuple[int, int], exact: bool) -> Code:
    """Compile any kernel."""
    return Code(kernel, _ltoir(kernel, cc), cc, exact)


@cache
def _ltoir(kernel: Kernel, cc: tuple[int, int]) -> bytes:
    return target.compile(kernel.function, len(kernel.arguments), cc)
