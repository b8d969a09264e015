"""What a step on a device tells, when it is asked: until then nothing waits for the device."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.drivers.cuda import runtime
from fastopt.step_info import StepInfo

if TYPE_CHECKING:
    from fastopt.device.workspace import DeviceWorkspace

_PLACES = 64  # of outcomes that are not read yet
_NUMBERS = 4  # of each: see fastopt/drivers/cuda/norms.py


class DeviceStepInfo:
    """A `StepInfo` whose numbers are read from the device when they are asked for.

    Attributes
    ----------
    skipped, grad_norm, update_norm, param_norm
        As of `StepInfo`. Of a step that was captured in a CUDA graph: those of the last replay before the first look.
    """

    _fields = StepInfo._fields

    def __init__(self, workspace: DeviceWorkspace, address: int, norm: bool, sizes: bool) -> None:
        self._workspace, self._address = workspace, address
        self._norm, self._sizes = norm, sizes
        self._known: StepInfo | None = None

    def read(self) -> StepInfo:
        """All numbers; waits for the device the first time."""
        if self._known is None:
            w, numbers = self._workspace, np.zeros(_NUMBERS)
            runtime.enter(w.device)
            runtime.download(numbers, self._address, w.stream)
            skipped, norm, changes, parameters = numbers.tolist()
            sizes = [
                math.sqrt(square) if self._sizes and not skipped else None
                for square in (changes, parameters)
            ]
            self._known = StepInfo(bool(skipped), norm if self._norm else None, *sizes)
        return self._known

    def __getattr__(self, name: str) -> Any:
        if name not in StepInfo._fields:
            raise AttributeError(name)
        return getattr(self.read(), name)

    def _replace(self, **changes: Any) -> StepInfo:
        return self.read()._replace(**changes)

    def __iter__(self) -> Any:
        return iter(self.read())

    def __eq__(self, other: object) -> bool:
        return tuple(self) == (tuple(other) if isinstance(other, DeviceStepInfo) else other)

    def __hash__(self) -> int:
        return hash(self.read())

    def __repr__(self) -> str:
        return repr(self.read())


class Outcomes:
    """Places in device memory for what steps tell; one is used again when its step has been read, or must be."""

    def __init__(self, workspace: DeviceWorkspace) -> None:
        self._workspace = workspace
        self._memory = runtime.Memory(_PLACES * _NUMBERS * 8, workspace.device)
        self._owners: list[Any] = [None] * _PLACES
        self._next = 0

    def new(self, norm: bool, sizes: bool) -> tuple[DeviceStepInfo, int]:
        """What a step will tell, and where its kernels write it."""
        i, self._next = self._next, (self._next + 1) % _PLACES
        before = self._owners[i] and self._owners[i]()
        if before is not None:
            before.read()
        address = self._memory.address + i * _NUMBERS * 8
        info = DeviceStepInfo(self._workspace, address, norm, sizes)
        self._owners[i] = weakref.ref(info)
        return info, address
