"""The loop over one tile: written out for a variant's slots and storages, then compiled.

The text is generated because the number of slots and coefficients differs between optimizers and a
plain loop is what LLVM vectorises. `source` shows it; for AdamW in float32 it reads::

    def tile(c, a, offset, n, gradient, scratch):
        c0, c1, c2, ... = c[0], c[1], c[2], ...
        for start in range(offset, offset + n, 128):
            m = min(128, offset + n - start)
            prefetch(a[0] + (start + 1024) // 1 * 4, 8)
            ...
            p = open_p(start, m, scratch[0], a[0])
            g = open_g(start, m, scratch[1], gradient)
            s0 = open_s0(start, m, scratch[2], a[1])
            s1 = open_s1(start, m, scratch[3], a[2])
            for i in range(m):
                x = c0 * g[i]
                p[i], (s0[i], s1[i], _) = update((c1, ...), p[i], x, (s0[i], s1[i], zero))
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from typing import Any

import numba
from numba.core import types
from numba.core.errors import NumbaError

from fastopt.drivers import scalars  # noqa: F401  (rules compile only with its overloads)
from fastopt.drivers.compile import Compiled, compiled, rule_function
from fastopt.drivers.machine import prefetch
from fastopt.storage import Storage
from fastopt.variant import Variant

# Elements between two requests for memory ahead, and how far ahead. Divisions and roots keep so many
# instructions waiting that the processor no longer sees the next loads in time: asking for them made
# steps that stream from memory up to 20% faster, and cost nothing in the cache (docs/decisions/0005).
BLOCK = 128
AHEAD = 1024
CACHE_LINE = 64


def update_loop(variant: Variant) -> Compiled:
    """``tile(c, a, offset, n, gradient, scratch)``: the rule's update over n elements."""
    return _loop(variant, variant.rule.update, gradient=True)


def move_loop(variant: Variant, move: str) -> Compiled:
    """The same for one of the rule's moves, which see no gradient."""
    return _loop(variant, dict(variant.rule.moves)[move], gradient=False)


def prepare(variant: Variant) -> Compiled:
    """``prepare(h, t, out)``: step t's coefficients, in float64, into a row of compute dtype.

    The first one multiplies the gradient; the rest are the rule's own.
    """
    count = variant.rule.count_coefficients()
    lines = ["def prepare(h, t, out):", "    c = coefficients(h, t)"]
    lines += ['    out[0] = -1.0 if h["maximize"] else 1.0']
    lines += [f"    out[{i + 1}] = c[{i}]" for i in range(count)]
    names = {"coefficients": rule_function(variant.rule.coefficients)}
    return compiled(_define("prepare", lines, names))


def advance(variant: Variant) -> Compiled:
    """``advance(h, t)``: renews the running fields of a header row."""
    rule = variant.rule
    if rule.advance is None:
        return compiled(_define("advance", ["def advance(h, t):", "    pass"], {}))
    lines = ["def advance(h, t):", "    new = renewed(h, t)"]
    lines += [f"    h[{name!r}] = new[{i}]" for i, name in enumerate(rule.running)]
    return compiled(_define("advance", lines, {"renewed": rule_function(rule.advance)}))


def source(variant: Variant, *, gradient: bool = True) -> list[str]:
    """The lines of a variant's loop."""
    count = variant.rule.count_coefficients()
    arrays = list(_arrays(variant, gradient))
    inside = [f"s{i}[i]" if s is not None else "zero" for i, s in enumerate(variant.slots)]
    outside = [text.replace("zero", "_") for text in inside]
    every = ", ".join(f"c{i}" for i in range(count + 1))
    own = _tuple([f"c{i}" for i in range(1, count + 1)])
    arguments = [own, "p[i]", *(["x"] if gradient else []), _tuple(inside)]
    block = max(BLOCK, variant.block)
    return [
        "def tile(c, a, offset, n, gradient, scratch):",
        f"    {every} = {', '.join(f'c[{i}]' for i in range(count + 1))}",
        f"    for start in range(offset, offset + n, {block}):",
        f"        m = min({block}, offset + n - start)",
        *(f"        {line}" for _, storage, where in arrays for line in _prefetch(storage, where)),
        *(
            f"        {name} = open_{name}(start, m, scratch[{i}], {', '.join(where)})"
            for i, (name, _, where) in enumerate(arrays)
        ),
        "        for i in range(m):",
        # loaded first: measured 10% faster from DRAM than after the parameter
        *(["            x = c0 * g[i]"] if gradient else []),
        f"            p[i], {_tuple(outside) if outside else '_'} = update({', '.join(arguments)})",
        *(
            f"        close_{name}(start, m, {name}, {', '.join(where)})"
            for name, storage, where in arrays
            if storage.close is not None and name != "g"
        ),
    ]


def _prefetch(storage: Storage, where: list[str]) -> Iterator[str]:
    """Ask for the memory of a later block."""
    for column, address in zip(storage.columns, where, strict=True):
        size, per = column.dtype.itemsize, column.per
        lines = max(1, max(BLOCK, storage.block) // per * size // CACHE_LINE)
        yield f"prefetch({address} + (start + {AHEAD}) // {per} * {size}, {lines})"


def _loop(variant: Variant, formula: Callable[..., Any], *, gradient: bool) -> Compiled:
    names: dict[str, Any] = {
        "update": rule_function(formula),
        "zero": variant.dtype.type(0),
        "prefetch": prefetch,
    }
    for name, storage, _ in _arrays(variant, gradient):
        names[f"open_{name}"] = compiled(storage.open)
        if storage.close is not None:
            names[f"close_{name}"] = compiled(storage.close)
    return compiled(_define("tile", source(variant, gradient=gradient), names))


def _arrays(variant: Variant, gradient: bool) -> Iterator[tuple[str, Storage, list[str]]]:
    """Name, storage and addresses of every array in the loop."""
    column = 0
    for name, storage in [("p", variant.parameter), *_slots(variant)]:
        where = [f"a[{column + k}]" for k in range(len(storage.columns))]
        column += len(where)
        yield name, storage, where
        if name == "p" and gradient:
            yield "g", variant.gradient, ["gradient"]


def _slots(variant: Variant) -> Iterator[tuple[str, Storage]]:
    return ((f"s{i}", s) for i, s in enumerate(variant.slots) if s is not None)


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _define(name: str, lines: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    """Run generated source, and leave it where tracebacks and debuggers look."""
    text = "\n".join(lines) + "\n"
    filename = f"<fastopt {name} {hash(text) & 0xFFFFFFFF:08x}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace = dict(names)
    exec(compile(text, filename, "exec"), namespace)
    return namespace[name]  # type: ignore[no-any-return]


def refuse_promotion(variant: Variant) -> None:
    """Raise TypeError for a formula that computes in another dtype than it is given.

    A literal such as 0.9 would silently turn a float32 loop into a float64 one.
    """
    element = numba.from_dtype(variant.dtype)
    slots = types.Tuple([element] * len(variant.slots))
    own = types.Tuple([element] * variant.rule.count_coefficients())
    expected = types.Tuple([element, slots])
    formulas: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("update", variant.rule.update, (own, element, element, slots))
    ]
    formulas += [(name, move, (own, element, slots)) for name, move in variant.rule.moves]
    for name, formula, arguments in formulas:
        dispatcher = rule_function(formula)
        try:
            dispatcher.compile(arguments)
        except NumbaError as error:
            raise TypeError(f"{variant.rule.label}.{name} cannot be compiled: {error}") from error
        result = dispatcher.overloads[arguments]
        where = _wider(result, element)
        if where or result.signature.return_type != expected:
            raise TypeError(
                f"{variant.rule.label}.{name} gives {result.signature.return_type} for "
                f"{variant.dtype.name} numbers{where}; it must compute in the dtype it is given and return "
                f"(p, (slots...)), here {expected}: pass constants through `coefficients`"
            )


def _wider(result: Any, element: Any) -> str:
    """The line of a float32 formula that computes in float64, if there is one."""
    if element != types.float32:
        return ""
    for expression, signature in result.type_annotation.calltypes.items():
        used = [] if signature is None else [*signature.args, signature.return_type]
        if types.float64 in used:
            return f" (float64 in line {expression.loc.line} of {expression.loc.filename})"
    return ""
