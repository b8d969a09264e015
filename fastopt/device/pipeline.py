"""What a step on a device does to the gradients before the update, and what it tells: unscale, clip, skip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastopt.device.arrays import DeviceArray, adopt, zeros
from fastopt.device.mirror import Mirror
from fastopt.device.outcome import DeviceStepInfo, Outcomes
from fastopt.device.runner import DeviceRunner, Launch, gathering
from fastopt.device.workspace import DeviceTable, DeviceWorkspace
from fastopt.drivers.cuda import norms, runtime, tensors
from fastopt.pipeline import Request, check_scale, overflowed, set_inputs, two_factors
from fastopt.proposal import check_apart, check_places
from fastopt.slots import memory_order
from fastopt.variant import MONITOR, PROPOSE, TWO_FACTORS, ZERO_GRADS


class Decisions:
    """Room on the device for what is decided there, of one arrangement of tensors."""

    runner: DeviceRunner

    def __init__(self, w: DeviceWorkspace) -> None:
        self.arrangement = w.arrangement
        self.asked = np.zeros(6)
        self._asked = Mirror(self.asked, w.device)
        self._memory = {
            name: runtime.Memory(8 * len(w.parameters) * columns, w.device)
            for name, columns in (
                ("squares", 1), ("largest", 1), ("units", 1), ("factors", 1), ("decided", 2),
                ("active", 1), ("sums", 2),
            )
        }  # fmt: skip
        self._memory |= {name: runtime.Memory(8 * 3, w.device) for name in ("flags", "verdict")}
        self._always = Mirror(np.ones(1, np.int64), w.device)
        self.outcomes = Outcomes(w)
        self.units: dict[int, Any] = {}  # by axis: see fastopt/device/unit_gains.py
        self.never = w.verdict.address

    def known(self, stream: int) -> dict[str, int]:
        """Addresses by the names of kernels' arguments."""
        self._asked.push(stream)
        found = {name: memory.address for name, memory in self._memory.items()}
        return {**found, "asked": self._asked.address, "always": self._always.address}

    def measure(self, known: dict[str, int]) -> None:
        """Sums of squares of the scaled gradients, in units that hold them."""
        flags = known["flags"]
        scale = {"factors": known["asked"] + norms.SCALE, "pitch": 0}
        own = {"factors": known["factors"], "pitch": 8}
        self._pass(False, "squares", {**known, **scale, "condition": known["always"]})
        self._launch(norms.doubt(), known)
        again = {"condition": flags + norms.MEASURE_LARGEST}
        self._pass(True, "largest", {**known, **scale, **again})
        self._launch(norms.choose_units(), known)
        again = {"condition": flags + norms.MEASURE_AGAIN}
        self._pass(False, "squares", {**known, **own, **again})

    def decide(self, each: bool, known: dict[str, int]) -> None:
        """Gains, the norm of all, and whether to step."""
        self._launch(norms.decide(each), known)

    def tell(self, known: dict[str, int]) -> None:
        """The sums of the last update into the outcome."""
        sums = {**known, "totals": known["sums"]}
        for table in self._tables():
            self._run(gathering(tensors.gather(0, 2, "sum"), table, 2), sums)
        self._launch(norms.tell(), sums)

    def accept(self, known: dict[str, int]) -> None:
        """Let the step be one that is not skipped."""
        self._launch(norms.accept(), known)

    def zero_skipped(self, known: dict[str, int]) -> None:
        """Zeros in the gradients of a skipped step."""
        for table in self._tables():
            kernel = norms.clear(table.variant.dtype)
            self.runner.launch(kernel, (table.rows, 1), table, known)

    def _pass(self, largest: bool, totals: str, known: dict[str, int]) -> None:
        gather = tensors.gather(0, 1, "max" if largest else "sum")
        known = {**known, "totals": known[totals]}
        for table in self._tables():
            kernel = norms.measure(table.variant.dtype, largest)
            self.runner.launch(kernel, (table.rows, 1), table, known)
            self._run(gathering(gather, table, 1), known)

    def _tables(self) -> list[DeviceTable]:
        return self.runner.all_tables()

    def _run(self, launch: Launch, known: dict[str, int]) -> None:
        self.runner.launch(launch.kernel, launch.grid, launch.table, {**known, **launch.more})

    def _launch(self, kernel: Any, known: dict[str, int]) -> None:
        self.runner.launch(kernel, (1, 1), self._tables()[0], known)


def step(
    runner: DeviceRunner, leaves: Sequence[Any], request: Request, monitor: bool
) -> DeviceStepInfo:
    """A step with options, decided on the device."""
    _check(runner, request)
    held = runner.locate(leaves, zeroed=request.zero_grads)
    info = step_located(runner, request, monitor)
    del held
    return info


def step_located(
    runner: DeviceRunner,
    request: Request,
    monitor: bool,
    asked: frozenset[str] = frozenset(),
    updating: Any = None,
) -> DeviceStepInfo:
    """A step with options, and what else changes the loop, by gradients that are located.

    The update is the runner's, or that of `updating`, which is told what is decided.
    """
    made, known, options = _prepared(runner, request)
    info, known["outcome"] = made.outcomes.new(request.needs_norm, monitor)
    known = _decided(made, request, known)
    target = _clipping_units(made, request, known)
    options |= asked | ({MONITOR} if monitor else frozenset())
    if updating is None:
        target.update(options, known)
    else:
        updating.update(options, known, info)
    if monitor:
        made.tell(known)
    if ZERO_GRADS in options and request.skip_nonfinite:
        made.zero_skipped({**known, "gradients": known["located"]})
    runner.workspace.note_step(certain=not request.skip_nonfinite)
    return info


def step_around(
    runner: DeviceRunner, leaves: Sequence[Any], request: Request, between: Callable[[], None]
) -> bool:
    """A rule's sums, what a caller does between, and its update; False if it is to be skipped, and nothing was done.

    The step is not counted, and gradients stay what they are. Waits for the device where a step may be skipped.
    """
    _check(runner, request)
    held = runner.locate(leaves, zeroed=request.zero_grads)
    made, known, options = _prepared(runner, request)
    info, known["outcome"] = made.outcomes.new(False, False)
    known = {**_decided(made, request, known), "counters": 0}
    if request.skip_nonfinite and info.skipped:
        return False
    target = _clipping_units(made, request, known)

    def pause() -> None:
        between()
        runner.workspace.push_rows()

    target.update(options - {ZERO_GRADS}, known, between=pause)
    del held
    return True


def propose(
    runner: DeviceRunner, leaves: Sequence[Any], out: list[Any] | None, request: Request
) -> list[DeviceArray]:
    """Write what the parameters would be into `out`, or new arrays, and change nothing."""
    w = runner.workspace
    _check(runner, request)
    if out is None:
        out = [zeros(p.shape, p.dtype, w.device, memory_order(p)) for p in w.parameters]
    found = [adopt(a, f"out of {name}") for a, name in zip(out, w.names, strict=True)]
    check_places(w, found)
    held = runner.locate(leaves)
    check_apart(w, found)
    made, known, options = _prepared(runner, request)
    _, known["outcome"] = made.outcomes.new(False, False)
    known = _decided(made, request, known)
    target = _clipping_units(made, request, known)
    # header rows that are thrown away, and no count of the step
    rows = w.settings.nbytes
    header = runtime.Memory(rows, w.device)
    runtime.copy(header.address, known["header"], rows, runner.stream)
    outs = Mirror(np.array([a.ctypes.data for a in found], np.int64), w.device)
    known |= {"header": header.address, "counters": 0, "outs": outs.address}
    target.update(options | {PROPOSE}, known, outs.host)
    for place, p, gradient in zip(found, w.parameters, leaves, strict=True):
        if gradient is None:
            runtime.copy(place.ctypes.data, p.ctypes.data, p.nbytes, runner.stream)
    del held
    return found


def _check(runner: DeviceRunner, request: Request) -> None:
    tables = runner.workspace.device_tables
    check_scale(request, any(t.variant.dtype == np.float32 for t in tables))


def _prepared(
    runner: DeviceRunner, request: Request
) -> tuple[Decisions, dict[str, int], frozenset[str]]:
    """Room for decisions, what kernels are called with, and what changes the loop; gradients are located."""
    w = runner.workspace
    made: Decisions | None = runner.decisions
    if made is None or made.arrangement is not w.arrangement:
        made = runner.decisions = Decisions(w)
    made.runner = runner
    try:
        set_inputs(w, request)
        w.gains[:, 0] = request.scale
        w.gains[:, 1] = math.inf if request.clip_value is None else request.clip_value
        made.asked[:] = _asked(runner, request)
        known = {**runner.begin(), **made.known(runner.stream)}
    finally:
        runner.forget_request()
    known["located"] = known["gradients"]
    options = request.options
    # a limit may make a factor that is too small for one number
    reads = request.limit is not None or request.adaptive is not None
    if reads or two_factors(float(request.scale), _least(runner)):
        options |= {TWO_FACTORS}
    return made, known, options


def _decided(made: Decisions, request: Request, known: dict[str, int]) -> dict[str, int]:
    """What kernels are called with after norms and skipping are decided, if they are to be."""
    if not request.needs_norm:
        known = {**known, "verdict": made.never}
        made.accept(known)
        return known
    made.measure(known)
    made.decide(request.clip_norm_each is not None, known)
    return {**known, "gains": known["decided"], "gradients": known["active"]}


def _clipping_units(made: Decisions, request: Request, known: dict[str, int]) -> DeviceRunner:
    """The runner whose kernels see the gains of units, if they are asked for."""
    if request.adaptive is None:
        return made.runner
    from fastopt.device.unit_gains import DeviceUnits  # around an optimizer

    clipping, axis = request.adaptive
    if axis not in made.units:
        made.units[axis] = DeviceUnits(made.runner, axis)
    found: DeviceRunner = made.units[axis].clip(made.runner, clipping, known)
    return found


def _asked(runner: DeviceRunner, request: Request) -> tuple[float, ...]:
    limit = math.inf if request.limit is None else float(request.limit)
    finite = not any(map(overflowed, request.inputs.values()))
    return (
        float(request.scale), limit, _least(runner) * 1e12,
        limit if request.clip_norm_each is not None else math.inf,
        float(finite), float(request.skip_nonfinite),
    )  # fmt: skip


def _least(runner: DeviceRunner) -> float:
    """The smallest square that the gradients' dtypes can hold."""
    tables = runner.workspace.device_tables
    return max(float(np.finfo(t.variant.dtype).tiny) for t in tables)
