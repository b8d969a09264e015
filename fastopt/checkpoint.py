"""State dicts in torch.optim's layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt import schedules
from fastopt.declarations import AVERAGE
from fastopt.schedules import ReduceLROnPlateau, Schedule
from fastopt.state import ROW_STEP, State

if TYPE_CHECKING:
    from fastopt.hyperparameters import Group
    from fastopt.workspace import Workspace

Check = Callable[[Mapping[str, Any]], dict[str, Any]]
CheckFollowed = Callable[["Group", Mapping[str, Any]], None]

# How torch executes a step, and what its learning-rate schedulers note in a group: no part of the formula.
_IGNORED = {
    "params", "param_names", "schedules", "steps_taken", "skipped_steps", "foreach", "capturable", "differentiable", "fused",
    "initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr",
}  # fmt: skip


def to_dict(w: Workspace) -> dict[str, Any]:
    """A copy of all state."""
    state = {
        k: {n: v if isinstance(v, int | float) else np.array(v, order="C") for n, v in own.items()}
        for k, own in State(w).items()
    }
    skipped = int(w.counters[1])
    groups = [
        {
            **w.declared.validate(group.hyperparameters(), w.steps_taken),
            **_schedules_of(group),
            "steps_taken": w.steps_taken,
            "skipped_steps": skipped,
            "params": list(members),
            "param_names": [w.names[k] for k in members],
        }
        for group, members in zip(w.groups, w.members, strict=True)
    ]
    return {"state": state, "param_groups": groups}


def _schedules_of(group: Group) -> dict[str, Any]:
    """Under ``"schedules"``, as plain data, what the numbers of a group follow; None for a Python callable."""
    found = {}
    for name, value in group.hyperparameters().items():
        values = value if isinstance(value, tuple) else (value,)
        for i, v in enumerate(values):
            if callable(v):
                key = f"{name}[{i}]" if isinstance(value, tuple) else name
                found[key] = v.state_dict() if isinstance(v, Schedule) else None
    return {"schedules": found} if found else {}


def load(
    w: Workspace, d: Mapping[str, Any], check: Check, check_followed: CheckFollowed, strict: bool
) -> None:
    """Check everything, hyperparameters by `check` and what they follow by `check_followed`, then take it over."""
    prepared(w, d, check, check_followed, strict)()


def prepared(
    w: Workspace, d: Mapping[str, Any], check: Check, check_followed: CheckFollowed, strict: bool
) -> Callable[[], None]:
    """Check everything as `load` does; what is left to do, which cannot fail."""
    saved, state = parts(d)
    counts, expected = [len(g["params"]) for g in saved], [len(m) for m in w.members]
    if counts != expected:
        raise ValueError(f"load_state_dict: groups of {counts} parameters; expected {expected}")
    positions = [key for group in saved for key in group["params"]]
    if len(set(positions)) < len(positions):
        raise ValueError(f"load_state_dict: a parameter is listed twice in {positions}")
    extra = set(state) - set(positions)
    if extra and strict:
        raise ValueError(
            f"load_state_dict: state for {sorted(map(str, extra))}, which no group lists"
        )
    groups = [_group(group, new, check, strict) for group, new in zip(w.groups, saved, strict=True)]
    values = [new for new, members in zip(groups, w.members, strict=True) for _ in members]
    entries = [
        _entry(w, k, state.get(key), new, strict)
        for k, (key, new) in enumerate(zip(positions, values, strict=True))
    ]
    counters = _counters(saved, entries)
    kept = [
        {name: _kept(group[name], value) for name, value in new.items()}
        for group, new in zip(w.groups, groups, strict=True)
    ]
    for group, new, own in zip(w.groups, groups, kept, strict=True):
        w.declared.validate(new, counters[0])
        check_followed(group, own)

    def take() -> None:
        w.counters[:] = counters
        for group, new, own in zip(w.groups, groups, kept, strict=True):
            for mine, value in zip(_numbers(own), _numbers(new), strict=True):
                if mine is not value and isinstance(mine, ReduceLROnPlateau):
                    mine.load_state_dict(value.state_dict())
            w.assign(group, own)
        for k, entry in enumerate(entries):
            _take(w, k, entry)

    return take


def forget(w: Workspace, k: int) -> None:
    """Let parameter k be as if it had never been stepped."""
    _take(w, k, {})


def _kept(own: Any, new: Any) -> Any:
    """The new value; the schedule that there is if it is an equal one, or a plateau, which others update."""
    if isinstance(own, tuple):
        return tuple(_kept(a, b) for a, b in zip(own, new, strict=True))
    both_plateaus = isinstance(own, ReduceLROnPlateau) and isinstance(new, ReduceLROnPlateau)
    return own if both_plateaus or (isinstance(own, Schedule) and own == new) else new


def _numbers(values: Mapping[str, Any]) -> list[Any]:
    return [
        v for value in values.values() for v in (value if isinstance(value, tuple) else (value,))
    ]


def _counters(saved: list[Mapping[str, Any]], entries: list[dict[str, Any]]) -> tuple[int, int]:
    """Steps taken and skipped; torch notes the steps of parameters only."""
    most = max((entry.get("step", 0) for entry in entries), default=0)
    taken = saved[0].get("steps_taken", most) if saved else most
    skipped = saved[0].get("skipped_steps", 0) if saved else 0
    return _step(taken, "the optimizer"), _step(skipped, "the optimizer (skipped)")


def parts(d: Any) -> tuple[list[Mapping[str, Any]], Mapping[Any, Any]]:
    """The groups and the state, if d has the form that `to_dict` gives."""
    if not isinstance(d, Mapping):
        raise ValueError(f"load_state_dict: d is a {type(d).__name__}; expected a mapping")
    for part, kind, form in (
        ("state", Mapping, "a mapping"),
        ("param_groups", list | tuple, "a list"),
    ):
        if part not in d:
            raise ValueError(
                f"load_state_dict: there is no {part!r}; expected what state_dict() gives"
            )
        if not isinstance(d[part], kind):
            raise ValueError(
                f"load_state_dict: {part} is a {type(d[part]).__name__}; expected {form}"
            )
    for group in d["param_groups"]:
        keys = group.get("params") if isinstance(group, Mapping) else None
        if not isinstance(keys, list | tuple) or not all(isinstance(k, int | str) for k in keys):
            raise ValueError(f'load_state_dict: a group is {group!r}; expected "params": positions')
    for key, entry in d["state"].items():
        if not isinstance(entry, Mapping | None):
            raise ValueError(f"load_state_dict: state of {key!r} is {entry!r}; expected a mapping")
    return list(d["param_groups"]), d["state"]


def _group(
    group: Group,
    saved: Mapping[str, Any],
    check: Check,
    strict: bool,
) -> dict[str, Any]:
    unknown = set(saved) - set(group) - _IGNORED
    if unknown and strict:
        raise ValueError(f"load_state_dict: unknown hyperparameters {sorted(map(str, unknown))}")
    new = {n: _plain(saved[n]) for n in group if n in saved and n != "params"}
    followed = saved.get("schedules", {})
    if not isinstance(followed, Mapping):
        raise ValueError(f"load_state_dict: schedules is {followed!r}; expected a mapping")
    values = {**group.hyperparameters(), **new}
    try:
        for key, data in followed.items():
            if strict or str(key).partition("[")[0] in group:
                _follow(values, group, key, data)
        return check(values)
    except TypeError as error:
        raise ValueError(f"load_state_dict: {error}") from error


def _follow(values: dict[str, Any], group: Group, key: Any, data: Any) -> None:
    """Let the number that is called key, such as ``lr`` or ``betas[0]``, follow what `_schedules_of` noted."""
    matched = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", str(key))
    name, index = matched.groups() if matched else ("", None)
    many = isinstance(group.get(name), tuple)
    i = int(index or 0)
    if name not in values or many != (index is not None) or (many and i >= len(group[name])):
        raise ValueError(
            f"load_state_dict: there is no number {key!r} that could follow a schedule"
        )
    own = group[name][i] if many else group[name]
    if data is None and not callable(own):
        raise ValueError(
            f"load_state_dict: {key} followed a Python callable, which is not saved; expected an optimizer "
            "made with it"
        )
    schedule = own if data is None else schedules.from_state_dict(data)
    before = values[name]
    values[name] = (*before[:i], schedule, *before[i + 1 :]) if many else schedule


def _entry(
    w: Workspace, k: int, saved: Mapping[str, Any] | None, group: Mapping[str, Any], strict: bool
) -> dict[str, Any]:
    """What is to be put into parameter k: slots as arrays, step as int; empty if never stepped."""
    if not saved:
        return {}
    dtype, name = w.parameters[k].dtype, w.names[k]
    declared = w.declared.kept
    wanted = w.declared.present(group, w.parameters[k]) & set(declared)
    needed = wanted - {AVERAGE}  # which may begin here, as when torch had none
    given = {n: v for n, v in saved.items() if v is not None}
    unknown = set(given) - set(declared) - set(w.declared.running) - {"step", ROW_STEP}
    if unknown and strict:
        raise ValueError(
            f"load_state_dict: state of {name} has unknown entries {sorted(map(str, unknown))}"
        )
    slots = wanted & set(given)
    step = _step(given["step"], name) if "step" in given else int(bool(slots))
    if step and strict and needed - slots:
        raise ValueError(f"load_state_dict: state of {name} lacks {sorted(needed - slots)}")
    entry: dict[str, Any] = {"step": step}
    if ROW_STEP in given:
        entry[ROW_STEP] = _row_steps(given[ROW_STEP], w.parameters[k], name)
    for n in w.declared.running:
        if n in given:
            try:
                entry[n] = float(given[n])
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"load_state_dict: {n} of {name} is {given[n]!r}; expected a number"
                ) from error
    for n in slots:
        array, like = _array(given[n]), declared[n].like(w.parameters[k])
        assert like is not None
        if array.shape != like.shape or array.dtype.kind != dtype.kind:
            raise ValueError(
                f"load_state_dict: {n} of {name} is {array.dtype.name} of shape {array.shape}; "
                f"expected {dtype.name} of shape {like.shape}"
            )
        entry[n] = array.astype(dtype, copy=False)
    return entry


def _plain(value: Any) -> Any:
    """A hyperparameter that torch may keep as a tensor."""
    return value.item() if hasattr(value, "detach") and value.ndim == 0 else value


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError):  # a ragged list, a tensor of a dtype that NumPy lacks
        return np.asarray(None)


def _step(value: Any, name: str) -> int:
    try:
        step = float(value)
    except (TypeError, ValueError, OverflowError):
        step = -1.0
    if not step.is_integer() or not 0 <= step < 2**62:
        raise ValueError(
            f"load_state_dict: step of {name} is {value!r}; expected a whole number >= 0"
        )
    return int(step)


def _row_steps(value: Any, p: np.ndarray, name: str) -> np.ndarray:
    counts = _array(value)
    if counts.shape != p.shape[:1] or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(
            f"load_state_dict: {ROW_STEP} of {name} is {counts!r}; expected {p.shape[:1]} whole numbers >= 0"
        )
    return counts.astype(np.int64)


def _take(w: Workspace, k: int, entry: Mapping[str, Any]) -> None:
    w.header["step"][k] = entry.get("step", 0)
    w.keep_row_steps(k, entry.get(ROW_STEP))
    for n, value in w.declared.running.items():
        w.header[n][k] = entry.get(n, value)
    for n, slot in w.declared.kept.items():
        place = w.slots[k].get(n)
        if place is None:
            continue
        if n in entry:
            place.write(entry[n])
        else:
            place.write(w.start(slot, w.header[k], w.parameters[k]))
