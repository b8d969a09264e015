"""Steps on a CUDA device; all skipped, with the reason, where there is none. None of it has been run on one yet."""

from __future__ import annotations

from benchmarks import device, steps

from .measured import ALL, DTYPES, EVERY_OPTIMIZER, Measured


class DeviceThroughput(Measured):
    """Every optimizer, against a copy within the device that moves as many bytes."""

    param_names = ["optimizer", "elements", "dtype"]
    params = [
        EVERY_OPTIMIZER if ALL else ["AdamW", "Lion", "SGD", "LAMB"],
        [1 << 20, 1 << 24, 1 << 26],
        DTYPES if ALL else ["float32"],
    ]

    def measure(self, optimizer: str, elements: int, dtype: str) -> dict[str, float]:
        device.require()
        try:
            return device.against_copies(optimizer, elements, dtype)
        except TypeError as why:  # of what has no kernels for a device
            raise NotImplementedError(str(why)) from why

    def track_time(self, *case: object) -> float:
        """A step."""
        return self.results["time"]

    def track_rate(self, *case: object) -> float:
        """Bytes moved."""
        return self.results["bytes"] / self.results["time"] / 1e9

    def track_time_by_copy(self, *case: object) -> float:
        """Its time, divided by that of the copy in the same run."""
        return self.results["time"] / self.results["copy"]

    track_time.unit = "seconds"  # type: ignore[attr-defined]
    track_rate.unit = "GB/s"  # type: ignore[attr-defined]
    track_time_by_copy.unit = "of the copy's time"  # type: ignore[attr-defined]


class DeviceLaunches(Measured):
    """Kernels that a step starts, which should not depend on the number of tensors."""

    param_names = ["optimizer", "tensors"]
    params = [EVERY_OPTIMIZER if ALL else ["AdamW", "LAMB"], [1, 100]]

    def measure(self, optimizer: str, tensors: int) -> dict[str, float]:
        device.require()
        try:
            return {"launches": device.launches(optimizer, tensors)}
        except TypeError as why:
            raise NotImplementedError(str(why)) from why

    def track_launches(self, *case: object) -> float:
        """Of one step."""
        return self.results["launches"]

    track_launches.unit = "kernels"  # type: ignore[attr-defined]


class AgainstTorch(Measured):
    """AdamW on torch's tensors: torch.optim.AdamW(fused=True) and fastopt in turn."""

    param_names = ["arrays"]
    params = [list(steps.SMALL)]

    def measure(self, arrays: str) -> dict[str, float]:
        device.require()
        return device.against_torch(list(steps.SMALL[arrays]))

    def track_time(self, arrays: str) -> float:
        """A step of fastopt."""
        return self.results["fastopt"]

    def track_time_by_torch(self, arrays: str) -> float:
        """Its time, divided by that of torch in the same run."""
        return self.results["fastopt"] / self.results["torch"]

    track_time.unit = "seconds"  # type: ignore[attr-defined]
    track_time_by_torch.unit = "of torch's time"  # type: ignore[attr-defined]
