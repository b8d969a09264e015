"""A step by its separate entry points: `advance`, then `update` over ranges of rows."""

from __future__ import annotations

import functools

import numba
import numpy as np
from case import curvature, inputs_of

import fastopt
from fastopt.drivers import coefficients, cpu, lines, steps, sums
from fastopt.drivers.compile import OPTIONS


@functools.cache
def entry(part):
    """A part of kernels, which only compiled code may call, for calls from Python."""
    return numba.njit(**OPTIONS)(part.py_func)


def staged_step(opt, leaves, *, pieces=1):
    """Like opt.step for contiguous gradients."""
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    w = opt._workspace
    for name, value in inputs_of(type(opt), opt.steps_taken).items():
        w.header[name] = np.where(w.header["maximize"], -value, value)
    w.gradients[:] = [g.ctypes.data for g in leaves]
    _measure(opt, pieces)
    for table in w.tables:
        cpu.advance(table.variant)(
            w.header, table.tensors, w.gradients, w.gains, table.coefficients
        )
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
        if table.variant.has_lines:
            entry(lines.commit(table.variant))(
                table.grids, table.tensors, table.addresses, w.gradients
            )
    w.counters[0] += 1
    if isinstance(opt, fastopt.NAG):
        opt._ahead = False
    for name in opt.folds:
        _fold(opt, name, [curvature(g) for g in leaves], pieces)


def _fold(opt, name, leaves, pieces):
    w = opt._workspace
    w.gradients[:] = [a.ctypes.data for a in leaves]
    for table in w.tables:
        v, room = table.variant, table.scratch(1)[0]
        entry(coefficients.anticipate(v))(
            w.header, table.tensors, w.gradients, w.gains, table.coefficients
        )
        place = (table.tiles, table.tensors, table.addresses, w.gradients, table.coefficients)
        for first, last in uneven_ranges(len(table.tiles), pieces):
            entry(steps.update(v, name))(first, last, *place, room, room, table.blocks, w.outs)


def _measure(opt, pieces):
    """The sums that the rule needs before `advance`, in pieces; their totals into the header rows."""
    w, measures = opt._workspace, opt.measures
    for i, measure in enumerate(measures):
        for table in w.tables:
            v, place = (
                table.variant,
                (table.tensors, table.addresses, w.gradients, table.coefficients),
            )
            if i == 0:
                entry(coefficients.forget(v))(w.header, table.tensors)
            _spread(w, table, i - 1)
            entry(coefficients.anticipate(v))(
                w.header, table.tensors, w.gradients, w.gains, table.coefficients
            )
            room = table.scratch(1)[0], table.sums(1)[0]
            if measure.scope != "lines":
                for first, last in uneven_ranges(len(table.tiles), pieces):
                    entry(sums.measure(v, i))(first, last, table.tiles, *place, *room, table.blocks)
                before = sum(len(m.results) for m in measures[:i])
                gather = entry(sums.gather(before, len(measure.results), measure.reduce))
                gather(table.tiles, table.tensors, w.gradients, table.blocks, w.totals)
            elif v.has_lines:
                for first, last in uneven_ranges(len(table.strips), pieces):
                    cut = (table.strips, table.grids)
                    entry(lines.measure(v, i))(first, last, *cut, *place, *room, table.partials)
                for share in reversed(range(pieces)):
                    entry(lines.combine(v, i))(share, pieces, *cut, *place, table.partials)
    for table in w.tables:
        _spread(w, table, len(measures) - 1)


def _spread(w, table, stage):
    if stage >= 0 and table.variant.rule.measures[stage].results:
        spread = entry(coefficients.spread(table.variant, stage))
        spread(w.header, table.tensors, w.gradients, w.totals)


def uneven_ranges(rows, pieces):
    """Ranges of very different lengths, some of them empty, in an order of their own."""
    shares = np.arange(1, pieces + 1) ** 2
    ends = np.concatenate([[0], np.cumsum(shares) * rows // shares.sum()])
    ranges = [(int(a), int(b)) for a, b in zip(ends, ends[1:], strict=False)]
    return ranges[::-1]
