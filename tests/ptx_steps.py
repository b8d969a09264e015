"""Step kernels in PTX, run by the interpreter on the very arrays of an optimizer in host memory."""

from __future__ import annotations

import numpy as np
import ptx

from fastopt.drivers.cuda import offline
from fastopt.drivers.cuda.kernels import PIECE

CAPABILITY = (9, 0)


def kernel(code):
    """What a module's text says of its one kernel."""
    return ptx.parse(code.ptx)[code.entry]


class PtxUpdate:
    """The update of an optimizer in host memory by its PTX, with coefficients and sums that are known already.

    Parameters
    ----------
    opt : Optimizer
        Its parameters and slots are updated in place; its header rows are not touched.
    like : Optimizer
        One that has taken the same step on the CPU: its coefficients are used, and what stages have filled.
    """

    def __init__(self, opt, like, *, wide=False, exact=True, cc=CAPABILITY):
        self._opt, self._like = opt, like
        self._tables = list(zip(opt._workspace.tables, like._workspace.tables, strict=True))
        codes = [offline.compile_step(t.variant, cc, wide, exact) for t, _ in self._tables]
        self._kernels = [(kernel(code), code.kernel) for code in codes]

    def step(self, leaves):
        """Apply the step that the other has taken; bytes of arrays with a number per element: loaded, stored."""
        w, other = self._opt._workspace, self._like._workspace
        w.gradients[:] = [g.ctypes.data for g in leaves]
        loaded = stored = 0
        for (table, theirs), (code, made) in zip(self._tables, self._kernels, strict=True):
            table.coefficients[:] = theirs.coefficients
            for own, given in zip(w.slots, other.slots, strict=True):
                for name in table.variant.rule.filled:
                    own[name].write(given[name].read())
            places = (table.tiles, table.tensors, table.addresses, w.gradients, table.coefficients)
            elements = [*w.parameters, *leaves, *_slabs(w)]
            memory = ptx.Memory(*places, *(a for a in elements if a.size))
            if not len(table.tiles):
                continue
            grid = len(table.tiles), -(-int(table.tiles[:, 2].max()) // PIECE)
            ptx.launch(code, grid, made.threads, [a.ctypes.data for a in places], memory)
            traffic = [memory.traffic(a) for a in elements if a.size]
            loaded += sum(read for read, _ in traffic)
            stored += sum(written for _, written in traffic)
        return loaded, stored


def _slabs(workspace):
    """The arrays that slots are views of, each once."""
    found = {}
    for own in workspace.slots:
        for place in own.values():
            for array in place.arrays:
                while isinstance(array.base, np.ndarray):
                    array = array.base
                found[array.ctypes.data] = array
    return list(found.values())
