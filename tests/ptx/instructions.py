"""What instructions do to registers, memory and the flow of a launch.

`bound` makes a function of an instruction; it is called with the threads that take it, and says whether some of
them go elsewhere than to the next one.
"""

from __future__ import annotations

import numpy as np

from ptx.arithmetic import comparison, operation
from ptx.parser import TYPES, Address, PtxError, Symbol

U32, U64 = TYPES["u32"], TYPES["u64"]


def bound(run, instruction):
    """``act(group) -> bool``, the instruction as an action on a launch."""
    name = instruction.parts[0]
    make = _MAKERS.get(name, _compute)
    try:
        act = make(run, instruction)
    except (ValueError, IndexError, KeyError) as reason:
        raise PtxError(f"{instruction.text} is not known here") from reason
    guard = instruction.guard
    if guard is None:
        return lambda group: bool(act(group))

    def guarded(group):
        taken = run.read(guard, TYPES["pred"], group) != instruction.negated
        if not taken.any():
            return False
        act(run.everyone(group)[taken])
        return name in _JUMPS

    return guarded


def _compute(run, instruction):
    function, types, result = operation(instruction.opcode)
    target, *operands = instruction.operands
    if len(operands) != len(types):
        raise PtxError(f"{instruction.text}: expected {len(types)} operands")
    dtypes = [TYPES[t] for t in types]

    def act(group):
        values = [run.read(o, d, group) for o, d in zip(operands, dtypes, strict=True)]
        run.write(target, np.asarray(function(*values), TYPES[result]), group)

    return act


def _move(run, instruction):
    target, source = instruction.operands
    dtype = TYPES[instruction.parts[-1]]
    # of float types too only the bits are moved
    bits = dtype if dtype == np.bool_ else np.dtype(f"u{dtype.itemsize}")
    return lambda group: run.write(target, run.read(source, bits, group), group)


def _select(run, instruction):
    target, first, second, condition = instruction.operands
    bits = np.dtype(f"u{TYPES[instruction.parts[-1]].itemsize}")

    def act(group):
        chosen = run.read(condition, TYPES["pred"], group)
        run.write(
            target, np.where(chosen, run.read(first, bits, group), run.read(second, bits, group)), group
        )  # fmt: skip

    return act


def _compare(run, instruction):
    compare, join, kind = comparison(instruction.opcode)
    operands = list(instruction.operands)
    joined = operands.pop() if join else None
    *targets, first, second = operands
    dtype = TYPES[kind]

    def act(group):
        found = compare(run.read(first, dtype, group), run.read(second, dtype, group))
        for target, result in zip(targets, (found, ~found), strict=False):
            if join:
                result = join(result, run.read(joined, TYPES["pred"], group))
            run.write(target, result, group)

    return act


# ---- memory -------------------------------------------------------------------------------------

_SPACES = {"param", "global", "shared", "local", "const"}
_HINTS = {"nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "weak", "volatile"}


def _access(instruction):
    """``space or None, how many, dtype`` of a load or a store."""
    _, *modifiers, kind = instruction.parts
    spaces = [m for m in modifiers if m in _SPACES]
    counts = [int(m[1:]) for m in modifiers if m in ("v2", "v4", "v8")]
    unknown = {m for m in modifiers if m not in _SPACES | _HINTS | {"v2", "v4", "v8"}}
    if unknown or len(spaces) > 1:
        raise PtxError(f"{instruction.text} is not known here")
    return (spaces or [None])[0], (counts or [1])[0], TYPES[kind]


def _addresses(run, address, group):
    base = run.read(address.base, U64, group) + np.uint64(address.offset % (1 << 64))
    return np.broadcast_to(base, run.everyone(group).shape)


def _load(run, instruction):
    space, count, dtype = _access(instruction)
    target, address = instruction.operands
    targets = target.items if count > 1 else (target,)
    if not isinstance(address, Address) or len(targets) != count:
        raise PtxError(f"{instruction.text} is not known here")
    size = dtype.itemsize
    if space == "param" and isinstance(address.base, Symbol):
        raw = run.parameters[address.base.name]
        values = np.frombuffer(raw, dtype, count, address.offset)

        def constant(group):
            for k, one in enumerate(targets):
                run.write(one, values[k : k + 1], group)

        return constant

    def act(group):
        where = _addresses(run, address, group)
        threads = run.threads_of(group)
        run.memory.check_alignment(where, size * count, instruction.text)
        for k, one in enumerate(targets):
            place = where + np.uint64(k * size)
            run.write(one, run.memory.load(place, dtype, threads, instruction.text), group)
        run.report.loaded += size * count * len(where) * (space in ("global", None))

    return act


def _store(run, instruction):
    space, count, dtype = _access(instruction)
    address, source = instruction.operands
    sources = source.items if count > 1 else (source,)
    if not isinstance(address, Address) or len(sources) != count or space == "param":
        raise PtxError(f"{instruction.text} is not known here")
    size = dtype.itemsize

    def act(group):
        where = _addresses(run, address, group)
        threads = run.threads_of(group)
        run.memory.check_alignment(where, size * count, instruction.text)
        for k, one in enumerate(sources):
            values = np.broadcast_to(run.read(one, dtype, group), where.shape)
            place, values = where + np.uint64(k * size), np.ascontiguousarray(values)
            run.memory.store(place, values, threads, instruction.text)
        run.report.stored += size * count * len(where) * (space in ("global", None))

    return act


# ---- other threads, and the way through the code ---------------------------------------------------


def _jump(run, instruction):
    (label,) = instruction.operands
    to = run.kernel.labels[label.name]

    def act(group):
        run.pc[group] = to
        return True

    return act


def _leave(run, instruction):
    def act(group):
        run.pc[group] = len(run.code)
        return True

    return act


def _wait(run, instruction):
    if instruction.parts[1:2] == ["warp"]:
        return _within_warp(run, instruction, lambda group: None)
    if len(instruction.operands) != 1 or "sync" not in instruction.parts:
        raise PtxError(f"{instruction.text} is not known here")
    (number,) = instruction.operands

    def act(group):
        run.barrier[group] = run.read(number, U32, group)
        return True

    return act


def _within_warp(run, instruction, act):
    """Refuse to go on without all threads of the warp that the mask names."""
    mask = instruction.operands[-1]

    def together(group):
        members = run.read(mask, U32, group)
        everyone = run.everyone(group)
        here = np.zeros(run.threads, bool)
        here[everyone] = True
        named = np.zeros(run.threads, bool)
        for lane in range(32):
            other = run.warp_start[everyone] + lane
            inside = (members >> np.uint32(lane) & 1).astype(bool)
            inside = inside & (other < run.threads)
            other = other[np.broadcast_to(inside, other.shape)]
            named[other[run.lane[other] == lane]] = True
        if (named & ~here).any():
            raise PtxError(f"{instruction.text}: not all threads of the warp are here")
        return act(group)

    return together


def _shuffle(run, instruction):
    mode, kind = instruction.parts[2:]
    if instruction.parts[1] != "sync" or kind != "b32":
        raise PtxError(f"{instruction.text} is not known here")
    *targets, source, by, limits, _ = instruction.operands

    def act(group):
        everyone = run.everyone(group)
        lane = run.lane[everyone].astype(np.int64)
        step = run.read(by, U32, group).astype(np.int64) & 31
        limit = run.read(limits, U32, group).astype(np.int64)
        segment, clamp = limit >> 8 & 31, limit & 31
        last = (lane & segment) | (clamp & ~segment)
        other = {
            "up": lane - step,
            "down": lane + step,
            "bfly": lane ^ step,
            "idx": (lane & segment) | (step & ~segment),
        }[mode]
        valid = other >= last if mode == "up" else other <= last
        origin = run.warp_start[everyone] + np.where(valid, other, lane)
        if not np.isin(origin, everyone).all():
            raise PtxError(f"{instruction.text}: a number is asked of a thread that is not here")
        whole = np.broadcast_to(run.read(source, U32, slice(None)), (run.threads,))
        results = whole[origin].copy(), valid
        for target, result in zip(targets, results, strict=False):
            run.write(target, result, group)

    return _within_warp(run, instruction, act)


def _nothing(run, instruction):
    return lambda group: None


_JUMPS = ("bra", "ret", "exit", "bar", "barrier")
_MAKERS = {
    "mov": _move,
    "cvta": _move,
    "selp": _select,
    "setp": _compare,
    "ld": _load,
    "st": _store,
    "bra": _jump,
    "ret": _leave,
    "exit": _leave,
    "bar": _wait,
    "barrier": _wait,
    "shfl": _shuffle,
    "membar": _nothing,
    "fence": _nothing,
    "prefetch": _nothing,
}
