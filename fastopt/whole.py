"""What a stage does in Python to whole tensors, between two compiled calls."""

from __future__ import annotations

import numpy as np

from fastopt.libraries import Room
from fastopt.workspace import Workspace


class WholeTensors:
    """A stage's function `Measure.whole`, ready to run after the stage for every tensor with a gradient."""

    def __init__(self, workspace: Workspace, header: np.ndarray, stage: int, room: Room) -> None:
        measures = workspace.declared.rule.measures
        self._workspace, self._header, self._room = workspace, header, room
        self._measure = measures[stage]
        self._column = sum(len(measure.results) for measure in measures[:stage])

    def run(self, ids: np.ndarray) -> int:
        """Change the tensors; called like a kernel, which finds no gradient to be wrong."""
        w, measure = self._workspace, self._measure
        assert measure.whole is not None
        with np.errstate(all="ignore"):  # as in kernels
            for k in np.flatnonzero(w.gradients):
                h = self._header[k]
                for i, name in enumerate(measure.results, self._column):
                    h[name] = w.totals[k, i]
                measure.whole(h, w.slots[k][measure.into].read(), self._room)
        return -1
