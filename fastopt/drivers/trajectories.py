"""The driver of trajectories: many optimizers of two numbers each, all steps of a block of them in one go.

A block of trajectories lies in the cache with its slots, one array for all x and one for all y, so that the loops over
them are SIMD. What is done with each number is the text of `fastopt.drivers.bodies`, and stages and coefficients are
those of a step of `fastopt.drivers.phases`, in its order: the bits are those of `Optimizer.step`.

Objectives are called by address (`fastopt.drivers.objective`), a block at a time: no other loop is compiled for another one.

Where all trajectories have the same hyperparameters, and nothing that a step sums up enters its coefficients, these are computed
once for all (`SHARED`). Else each trajectory has a header row of its own (`OWN`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from fastopt.drivers import bodies, coefficients, cpu, noise, schedule, tile
from fastopt.drivers.compile import Compiled, compiled, kernel
from fastopt.drivers.generate import generated
from fastopt.drivers.machine import call, flush_denormals, restore_denormals
from fastopt.drivers.promotion import refuse_promotion
from fastopt.scalar import maximum
from fastopt.variant import Variant

SHARED, OWN = "shared", "own"

#: Trajectories in a block: with two slots in float64, 20 KiB. Of 128 to 1,024 the fastest for Adam, in either dtype.
BLOCK = 256

#: The move and the fold that a trajectory makes: before the gradient is taken, and before every so many steps.
LOOKAHEAD, CURVATURE = "lookahead", "update_hessian"
CURVATURE_EVERY = 10

ARGUMENTS = (
    "gradient", "value", "curvature", "noise", "seed", "first", "last", "steps", "target",
    "points", "slots", "header", "words", "plan",
    "kept_points", "kept_gradients", "kept_slots", "kept_running", "reached",
)  # fmt: skip

# Arrays of a block: points, what they are updated by, what else an objective gives; then slots and average.
_P, _G, _OTHER, _REST = range(4)


def mode(variant: Variant, same: bool) -> str:
    """How coefficients are computed, where all trajectories have the `same` hyperparameters or not."""
    inputs = "value" in (variant.rule.header.names or ())
    summed = any(measure.results for measure in variant.rule.measures)
    return SHARED if same and not inputs and not summed else OWN


@cache
def run(variant: Variant, mode: str) -> Compiled:
    """``run(...)`` of `ARGUMENTS`: the steps of trajectories first to last.

    Parameters
    ----------
    gradient, value, curvature : int
        Addresses of functions of the objective.
    noise, seed : float
        Of its gradients.
    target : float
        See `reached`.
    points : (1, 2, n) in compute dtype
        Where they start, and then where they are.
    slots : (slots, 2, n) in compute dtype
        The slots that are present, and the average of parameters; likewise.
    header, words : (n,) or (1,) header rows, and the same as float64 words
        One row where coefficients are shared.
    plan : int64 (schedules, columns)
        The schedules of a header row.
    kept_points, kept_gradients : (1, n, steps + 1, 2), (1, n, steps, 2) in compute dtype
        The points, and the gradients that steps were given.
    kept_slots, kept_running : (slots, n, steps + 1, 2), (fields, n, steps + 1)
        Slots and running numbers. Of all four nothing is kept where there are 0 arrays.
    reached : int64 (n,) or empty
        -1, and then the step after which the value stayed at or below the `target`, or -1.
    """
    names: dict[str, Any] = {
        "np": np, "number": variant.dtype.type, "call": call, "apply": schedule.apply,
        "ready": coefficients.prepare(variant), "new": coefficients.renew(variant),
        "flush": flush_denormals, "restore": restore_denormals, "maximum": maximum,
        "take": take, "put": put, "keep": keep,
    }  # fmt: skip
    text = [f"def run({', '.join(ARGUMENTS)}):", *_indented(_run(variant, mode == OWN, names))]
    return kernel(
        generated("run", text, names),
        f"{variant.name}.trajectories.{mode}",
        cpu.variant_digest(variant),
        check=lambda: refuse_promotion(variant),
    )


def _run(variant: Variant, own: bool, names: dict[str, Any]) -> Iterator[str]:
    count = variant.keys + (noise.KEYS if variant.draws else 0)
    slots = len(variant.parts) - 1
    yield "gain = np.array([1.0, np.inf])"
    yield f"room = np.zeros(({_REST + slots}, 2, {BLOCK}), number)"
    results = max(1, variant.results)
    yield f"sums = np.zeros(({results}, 2, {BLOCK}), number)"
    yield f"totals = np.zeros(({results}, {BLOCK}))"
    names_of = (("p", _P), ("g", _G), ("o", _OTHER))
    yield (
        ", ".join(f"{n}0, {n}1" for n, _ in names_of)
        + " = "
        + ", ".join(f"room[{k}, 0].ctypes.data, room[{k}, 1].ctypes.data" for _, k in names_of)
    )
    if own:
        yield f"row, c = np.zeros({count}, number), np.zeros(({count}, {BLOCK}), number)"
    else:
        yield from _tables(variant, count)
    yield f"for begin in range(first, last, {BLOCK}):"
    inside = [
        f"m = min({BLOCK}, last - begin)",
        f"take(points, room, {_P}, begin, m)",
        f"take(slots, room, {_REST}, begin, m)",
        *_kept(variant, own, "0"),
        "for t in range(1, steps + 1):",
        *_indented(_step(variant, own, names)),
        f"put(points, room, {_P}, begin, m)",
        f"put(slots, room, {_REST}, begin, m)",
    ]
    yield from _indented(inside)


def _tables(variant: Variant, count: int) -> Iterator[str]:
    """Coefficients of all steps, and for moves and folds as they are before the header row is renewed."""
    ahead = _moves(variant)
    yield f"h, table = header[0], np.zeros((steps, {count}), number)"
    if ahead:
        yield f"before = np.zeros((steps, {count}), number)"
    yield from _kept_running(variant, "h", "0", "for i in range(first, last):")
    yield "for t in range(1, steps + 1):"
    inside = [
        "if len(plan):",
        "    apply(words, t - 1, plan)",
        *(["ready(h, t, 0, gain, before[t - 1])"] if ahead else []),
        'h["step"] = t',
        "new(h, t, True)",
        "ready(h, t, 0, gain, table[t - 1])",
        *_kept_running(variant, "h", "t", "for i in range(first, last):"),
    ]
    yield from _indented(inside)


def _moves(variant: Variant) -> bool:
    known = dict((*variant.rule.moves, *variant.rule.folds))
    return LOOKAHEAD in known or CURVATURE in known


def _step(variant: Variant, own: bool, names: dict[str, Any]) -> Iterator[str]:
    """Step t of a block."""
    rule = variant.rule
    if own:
        yield "if len(plan):"
        yield "    for i in range(begin, begin + m):"
        yield "        apply(words[i : i + 1], t - 1, plan)"
    before = "c" if own else "before[t - 1]"
    if CURVATURE in dict(rule.folds):
        yield f"if t % {CURVATURE_EVERY} == 1:"
        inside = [
            "call(curvature, (p0, p1, o0, o1, m, t, 0.0, seed))",
            *(_anticipated(variant) if own else []),
            *_lanes("fold", variant, bodies.move(variant, CURVATURE), own, before, names, _OTHER),
        ]
        yield from _indented(inside)
    if LOOKAHEAD in dict(rule.moves):
        yield from _anticipated(variant) if own else []
        yield from _lanes("ahead", variant, bodies.move(variant, LOOKAHEAD), own, before, names)
    yield "call(gradient, (p0, p1, g0, g1, m, t, noise, seed))"
    if own and "value" in (rule.header.names or ()):
        yield "call(value, (p0, p1, o0, o1, m, t, 0.0, seed))"
        yield "for i in range(m):"
        yield "    h = header[begin + i]"
        yield f'    h["value"] = -np.float64(room[{_OTHER}, 0, i]) if h["maximize"] else np.float64(room[{_OTHER}, 0, i])'
    if own:
        yield from _stages(variant, names)
        yield "for i in range(m):"
        yield "    h = header[begin + i]"
        yield '    h["step"] = t'
        yield "    new(h, t, True)"
        yield "    ready(h, t, 0, gain, row)"
        yield "    c[:, i] = row"
    body = bodies.update(variant)
    yield from _lanes("update", variant, body, own, "c" if own else "table[t - 1]", names)
    yield f"keep(kept_gradients, room, {_G}, begin, m, t - 1)"
    yield from _kept(variant, own, "t")


def _anticipated(variant: Variant) -> list[str]:
    """Each trajectory's coefficients of the coming step, nothing counted."""
    return [
        "for i in range(m):",
        "    ready(header[begin + i], t, 0, gain, row)",
        "    c[:, i] = row",
    ]


def _stages(variant: Variant, names: dict[str, Any]) -> Iterator[str]:
    """The rule's sums over both numbers, into the header rows."""
    measures = variant.rule.measures
    results = [name for measure in measures for name in measure.results]
    if results:
        yield "for i in range(m):"
        yield from (f'    header[begin + i]["{name}"] = 0.0' for name in results)
    for k, measure in enumerate(measures):
        if measure.scope == "lines":
            continue  # a vector has none
        yield from _anticipated(variant)
        yield "sums[:] = 0"
        yield "mode = flush()"
        yield from _lanes(
            f"measure{k}", variant, bodies.measure(variant, k), True, "c", names, mode=False
        )
        yield "for i in range(m):"
        for j in range(len(measure.results)):
            first, second = (f"np.float64(sums[{j}, {d}, i])" for d in range(2))
            # as of a tile's accumulators, of which all others are 0
            total = f"0.0 + {first} + {second}"
            if measure.reduce == "max":
                total = f"maximum(maximum({first}, {second}), 0.0)"
            yield f"    totals[{j}, i] = {total}"
        yield "restore(mode)"
        yield "for i in range(m):"
        for j, name in enumerate(measure.results):
            yield f'    header[begin + i]["{name}"] = totals[{j}, i]'


def _lanes(
    name: str, variant: Variant, body: bodies.Body, own: bool, c: str, names: dict[str, Any], gradient: int = _G, mode: bool = True,
) -> Iterator[str]:  # fmt: skip
    """Call a loop over the numbers of a block; with the `mode` of kernels around it."""
    names[name] = _loop(variant, body, own, gradient)
    if mode:
        yield "mode = flush()"
    yield f"{name}(m, {c}, room, sums)"
    if mode:
        yield "restore(mode)"


def _loop(variant: Variant, body: bodies.Body, own: bool, gradient: int) -> Compiled:
    """``loop(m, c, room, sums)``: a body of `fastopt.drivers.bodies` for both numbers of m trajectories."""
    each = [line for line in tile.loaded(variant, body) if not line.startswith("sums")]
    each += tile.key(variant, "0")
    if own:
        each = [re.sub(r"\bc\[(\d+)\]", r"c[\1, i]", line) for line in each]
    places = {
        "p": _P,
        "g": gradient,
        **{p.name: _REST + k for k, p in enumerate(variant.parts[1:])},
    }
    # a number's place in its vector is what noise is drawn for
    lines = [line.replace("key1, i)", "key1, d)") for line in body.lines]
    text = [
        "def loop(m, c, room, sums):",
        *_indented([] if own else each),
        "    for d in range(2):",
        *(f"        {name} = room[{k}, d]" for name, k in places.items()),
        *(f"        sums{k} = sums[{k}, d]" for k in range(body.sums)),
        "        for i in range(m):",
        *_indented([*(each if own else []), *lines], 3),
    ]
    return compiled(generated("loop", text, tile.names(variant, body)))


@compiled
def take(arrays: Any, room: Any, first: Any, begin: Any, m: Any) -> None:
    """Put a block of trajectories into the room: arrays (k, 2, n), to places from the first on."""
    for k in range(arrays.shape[0]):
        for d in range(2):
            for i in range(m):
                room[first + k, d, i] = arrays[k, d, begin + i]


@compiled
def put(arrays: Any, room: Any, first: Any, begin: Any, m: Any) -> None:
    """Put a block of trajectories back."""
    for k in range(arrays.shape[0]):
        for d in range(2):
            for i in range(m):
                arrays[k, d, begin + i] = room[first + k, d, i]


@compiled
def keep(kept: Any, room: Any, first: Any, begin: Any, m: Any, t: Any) -> None:
    """Note arrays of a block, from the first on: kept (arrays, n, steps, 2)."""
    for k in range(kept.shape[0]):
        for i in range(m):
            for d in range(2):
                kept[k, begin + i, t, d] = room[first + k, d, i]


def _kept(variant: Variant, own: bool, t: str) -> Iterator[str]:
    """Note where the trajectories of a block are after step t."""
    yield f"keep(kept_points, room, {_P}, begin, m, {t})"
    yield f"keep(kept_slots, room, {_REST}, begin, m, {t})"
    if own:
        yield from _kept_running(variant, "header[i]", t, "for i in range(begin, begin + m):")
    yield "if reached.size:"
    yield f"    call(value, (p0, p1, o0, o1, m, {t}, 0.0, seed))"
    yield "    for i in range(m):"
    yield f"        if not room[{_OTHER}, 0, i] <= target:"
    yield "            reached[begin + i] = -1"
    yield "        elif reached[begin + i] < 0:"
    yield f"            reached[begin + i] = {t}"


def _kept_running(variant: Variant, h: str, t: str, loop: str) -> Iterator[str]:
    if variant.rule.running:
        yield "if kept_running.size:"
        yield f"    {loop}"
        for k, name in enumerate(variant.rule.running):
            yield f'        kept_running[{k}, i, {t}] = {h}["{name}"]'


def _indented(lines: Any, levels: int = 1) -> Iterator[str]:
    return ("    " * levels + line for line in lines)
