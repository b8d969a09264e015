"""A step by its separate entry points: `advance`, then `update` over ranges of rows."""

from __future__ import annotations

import numpy as np

import fastopt
from fastopt.drivers import coefficients, cpu


def staged_step(opt, leaves, *, pieces=1, change=lambda coefficients: None):
    """Like opt.step for contiguous gradients; `change` may alter the coefficients in between."""
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    w = opt._workspace
    w.gradients[:] = [g.ctypes.data for g in leaves]
    _measure(opt)
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


def _measure(opt):
    """The sums that the rule needs before `advance`; their totals into the header rows."""
    w, measures = opt._workspace, opt.measures
    calls = opt._runner._prepared(frozenset())
    for i in range(len(measures)):
        for call in calls:
            call.run(np.zeros(0, np.int64), (i, i + 1))
    for table in w.tables:
        assert not table.variant.has_lines
        if measures and measures[-1].results:
            spread = coefficients.spread(table.variant, len(measures) - 1)
            spread(w.header, table.tensors, w.gradients, w.totals)


def uneven_ranges(rows, pieces):
    """Ranges of very different lengths, some of them empty, in an order of their own."""
    shares = np.arange(1, pieces + 1) ** 2
    ends = np.concatenate([[0], np.cumsum(shares) * rows // shares.sum()])
    ranges = [(int(a), int(b)) for a, b in zip(ends, ends[1:], strict=False)]
    return ranges[::-1]
