"""A step by its separate entry points: `advance`, then `update` over ranges of rows."""

from __future__ import annotations

import numpy as np

import fastopt
from fastopt.drivers import cpu


def staged_step(opt, leaves, *, pieces=1, change=lambda coefficients: None):
    """Like opt.step for contiguous gradients; `change` may alter the coefficients in between."""
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    w = opt._workspace
    w.gradients[:] = [g.ctypes.data for g in leaves]
    for table in w.tables:
        cpu.advance(table.variant)(
            w.header, table.tensors, w.gradients, w.gains, table.coefficients
        )
        change(table.coefficients)
        rest = (
            table.tiles,
            table.tensors,
            table.addresses,
            w.gradients,
            table.coefficients,
            table.scratch(1)[0],
            table.sums(1)[0],
            table.blocks,
            w.outs,
        )
        for first, last in uneven_ranges(len(table.tiles), pieces):
            cpu.update(table.variant)(first, last, *rest)
    if isinstance(opt, fastopt.NAG):
        opt._ahead = False


def uneven_ranges(rows, pieces):
    """Ranges of very different lengths, some of them empty, in an order of their own."""
    shares = np.arange(1, pieces + 1) ** 2
    ends = np.concatenate([[0], np.cumsum(shares) * rows // shares.sum()])
    ranges = [(int(a), int(b)) for a, b in zip(ends, ends[1:], strict=False)]
    return ranges[::-1]
