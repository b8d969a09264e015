"""What a stage does in Python to whole tensors on a device: asked of an array library, on the stream of the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastopt.device.workspace import DeviceWorkspace
from fastopt.drivers.cuda import runtime
from fastopt.drivers.cuda.tensors import own_fields
from fastopt.libraries import DeviceRoom


class HeaderRow:
    """What `Measure.whole` finds in the header row: hyperparameters as the host's numbers, totals as arrays on the device."""

    def __init__(self, settings: Any, totals: Mapping[str, Any], renewed: frozenset[str]) -> None:
        self._settings, self._totals, self._renewed = settings, totals, renewed

    def __getitem__(self, name: str) -> Any:
        if name in self._totals:
            return self._totals[name]
        if name in self._renewed:
            raise TypeError(
                f"whole: {name} is renewed on the device, where the host does not know it; expected hyperparameters, or "
                "totals of this stage"
            )
        return self._settings[name]


class DeviceWholeTensors:
    """A stage's function `Measure.whole`, ready to be asked for after the stage for every tensor with a gradient.

    Of a step that the device decides to skip it changes scratch that nobody reads.
    """

    def __init__(self, workspace: DeviceWorkspace, stage: int, room: DeviceRoom) -> None:
        measures = workspace.declared.rule.measures
        self._workspace, self._room = workspace, room
        self._measure = measures[stage]
        self._column = sum(len(measure.results) for measure in measures[:stage])
        self._renewed = own_fields(workspace.declared.rule)
        self._views: dict[int, tuple[Any, dict[str, Any]]] = {}

    def run(self, runner: Any, aligned: bool, known: dict[str, int]) -> None:
        """Ask for the changes, and return at once; called like a launch."""
        w, measure = self._workspace, self._measure
        assert measure.whole is not None
        with self._room.on(runner.stream), np.errstate(all="ignore"):
            for k in np.flatnonzero(w.gradients).tolist():
                if w.parameters[k].size:
                    if k not in self._views:
                        self._views[k] = self._view(k)
                    x, totals = self._views[k]
                    measure.whole(HeaderRow(w.settings[k], totals, self._renewed), x, self._room)
        runtime.enter(w.device)  # as before, whatever the library has entered

    def _view(self, k: int) -> tuple[Any, dict[str, Any]]:
        """A tensor's slot and totals as the library's arrays; made once, as capture in a graph allows no new ones."""
        w, measure = self._workspace, self._measure
        totals = {
            name: self._room.view(w.total(k, i))
            for i, name in enumerate(measure.results, self._column)
        }
        return self._room.view(w.slots[k][measure.into].read()), totals
