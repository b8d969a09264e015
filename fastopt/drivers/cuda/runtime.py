"""Memory and launches: the driver's, or the simulator's."""

from __future__ import annotations

from fastopt.drivers.cuda.words import SIMULATED

if SIMULATED:
    from fastopt.drivers.cuda import simulated as runtime
else:
    from fastopt.drivers.cuda import driver as runtime  # type: ignore[no-redef]

Memory, upload, download = runtime.Memory, runtime.upload, runtime.download
copy, clear, launch = runtime.copy, runtime.clear, runtime.launch
device_of, enter, devices = runtime.device_of, runtime.enter, runtime.devices
finish = runtime.finish
room_on_device = runtime.room_on_device
