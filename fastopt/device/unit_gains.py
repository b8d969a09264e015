"""Adaptive gradient clipping on a device: `fastopt.unit_gains`, whose optimizer measures units there too."""

from __future__ import annotations

import copy

import numpy as np

from fastopt.device.arrays import DeviceArray
from fastopt.device.mirror import Mirror
from fastopt.device.runner import DeviceRunner
from fastopt.device.workspace import DeviceTable, DeviceWorkspace
from fastopt.drivers.cuda import norms
from fastopt.unit_gains import UnitGains, shape_of_units


class DeviceUnits:
    """The units of a workspace's parameters along an axis, and tables whose kernels see their gains."""

    def __init__(self, runner: DeviceRunner, axis: int) -> None:
        w = runner.workspace
        matrices, self._by_row = [], []
        for p, name in zip(w.parameters, w.names, strict=True):
            shape, dtype, by_row = shape_of_units(p, axis, name)
            matrices.append(DeviceArray(p, p.ctypes.data, shape, dtype))
            self._by_row.append(by_row)
        self._own = UnitGains(matrices)
        self._addresses = [self._columns(table, w.device) for table in w.device_tables]
        self._runner = runner.over(
            [
                _seeing(table, addresses)
                for table, addresses in zip(w.device_tables, self._addresses, strict=True)
            ]
        )

    def _columns(self, table: DeviceTable, device: int) -> Mirror:
        """The addresses of a table, with those of units."""
        own = [self._own.columns(k, self._by_row[k]) for k in table.host.tensors]
        return Mirror(np.hstack([table.host.addresses, np.array(own, np.int64)]), device)

    def clip(self, runner: DeviceRunner, clipping: float, known: dict[str, int]) -> DeviceRunner:
        """Find the gains of gradients whose norms are decided; what a step is to be run by."""
        w, own = self._own._workspace, self._own._runner
        assert isinstance(w, DeviceWorkspace)
        for other in (own, self._runner):
            other.stream, other.exact = runner.stream, runner.exact
        w.settings["clipping"] = clipping
        names = own.begin()
        # each in the unit of its tensor's, so that it can be squared
        row = w.settings.dtype
        assert row.fields is not None
        unit = names["settings"] + row.fields["unit"][1]
        for source, target, pitch in (
            ("factors", known["gains"], 16),
            ("units", unit, row.itemsize),
        ):
            place = {"source": known[source], "target": target, "pitch": pitch}
            runner.launch(norms.spread(), (1, 1), runner.all_tables()[0], {**known, **place})
        own.measure({**names, "gains": known["gains"], "gradients": known["gradients"]})
        return self._runner


def _seeing(table: DeviceTable, addresses: Mirror) -> DeviceTable:
    made = copy.copy(table)
    made.addresses = addresses.address
    return made
