"""The array libraries that run what a stage does to whole tensors: NumPy, and CuPy or PyTorch on a CUDA device."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

_DEFAULT_STREAMS = 0, 1  # by name, and as the driver's header numbers it


class Room:
    """Lends NumPy's arrays for intermediate results: the same memory to one tensor after the other, in every step.

    Attributes
    ----------
    xp : module
        The library that its arrays are of.
    """

    xp: Any = np

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Any], Any] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: Any, order: str = "C") -> Any:
        """An array of unknown contents; another of the same name and dtype overwrites it."""
        count = math.prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or kept.shape[0] < count:
            kept = self._kept[name, dtype] = self._empty(count, dtype)
        flat = kept[:count]
        return flat.reshape(shape) if order == "C" else self._in_fortran_order(flat, shape)

    def like(self, name: str, x: Any) -> Any:
        """An array of the shape, dtype and memory order of another."""
        return self(name, x.shape, x.dtype, self._order(x))

    def _empty(self, count: int, dtype: Any) -> Any:
        return self.xp.empty(count, dtype)

    def _in_fortran_order(self, flat: Any, shape: tuple[int, ...]) -> Any:
        return flat.reshape(shape, order="F")

    def _order(self, x: Any) -> str:
        return "C" if x.flags.c_contiguous else "F"


class DeviceRoom(Room):
    """Lends arrays of a library that computes on a CUDA device."""

    def view(self, array: Any) -> Any:
        """An array with `__cuda_array_interface__`, contiguous and not empty, as the library's own over the same memory."""
        raise NotImplementedError

    def on(self, stream: int) -> AbstractContextManager[Any]:
        """Inside it, the library asks for everything on the stream with this handle, and waits for nothing."""
        raise NotImplementedError


class CupyRoom(DeviceRoom):
    """Lends CuPy's arrays."""

    def __init__(self, cupy: Any, device: int) -> None:
        super().__init__()
        self.xp, self._device = cupy, device

    def view(self, array: Any) -> Any:
        """See `DeviceRoom.view`."""
        # not cupy.asarray: where the interface names a stream it lets the host wait for it
        cuda, described = self.xp.cuda, array.__cuda_array_interface__
        address = described["data"][0]
        memory = cuda.UnownedMemory(address, array.nbytes, array, self._device)
        return self.xp.ndarray(
            described["shape"],
            np.dtype(described["typestr"]),
            cuda.MemoryPointer(memory, 0),
            described["strides"],
        )

    @contextlib.contextmanager
    def on(self, stream: int) -> Iterator[None]:
        """See `DeviceRoom.on`."""
        cuda = self.xp.cuda
        own = cuda.Stream.null if stream in _DEFAULT_STREAMS else self._external(stream)
        with cuda.Device(self._device), own:
            yield

    def _external(self, stream: int) -> Any:
        cuda = self.xp.cuda
        if hasattr(cuda.Stream, "from_external"):  # CuPy 14, which warns of the other
            return cuda.Stream.from_external(_Handle(stream))
        return cuda.ExternalStream(stream, self._device)


class _Handle:
    """A stream by the CUDA stream protocol."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._number


class TorchRoom(DeviceRoom):
    """Lends PyTorch's tensors; of the CPU too, where there is nothing to view."""

    def __init__(self, torch: Any, device: Any) -> None:
        super().__init__()
        self.xp, self._device = torch, torch.device(device)

    def view(self, array: Any) -> Any:
        """See `DeviceRoom.view`."""
        # without the device it would be a copy on the CPU
        made = self.xp.as_tensor(array, device=self._device)
        if made.data_ptr() != array.__cuda_array_interface__["data"][0]:
            raise RuntimeError("torch.as_tensor has copied an array that it was to share")
        return made

    @contextlib.contextmanager
    def on(self, stream: int) -> Iterator[None]:
        """See `DeviceRoom.on`."""
        torch, cuda = self.xp, self.xp.cuda
        if stream in _DEFAULT_STREAMS:
            own = cuda.default_stream(self._device)
        else:
            own = cuda.ExternalStream(stream, self._device)
        # tensors that are made in the caller's inference mode could not be changed outside of it
        with torch.inference_mode(False), torch.no_grad(), cuda.stream(own):
            yield

    def _empty(self, count: int, dtype: Any) -> Any:
        return self.xp.empty(count, dtype=dtype, device=self._device)

    def _in_fortran_order(self, flat: Any, shape: tuple[int, ...]) -> Any:
        return flat.reshape(shape[::-1]).permute(*reversed(range(len(shape))))

    def _order(self, x: Any) -> str:
        return "C" if x.is_contiguous() else "F"


def room_on_device(device: int, owner: str) -> DeviceRoom:
    """The room of a library that computes on a device: one that is imported already, else one that can be.

    Raises
    ------
    TypeError
        If neither CuPy nor PyTorch can; `owner` names what needs it.
    """
    makers = {"cupy": _cupy_room, "torch": _torch_room}
    for name in sorted(makers, key=lambda name: sys.modules.get(name) is None):
        with contextlib.suppress(ImportError):
            found = makers[name](importlib.import_module(name), device)
            if found is not None:
                return found
    raise TypeError(
        f"{owner} multiplies matrices on a CUDA device by CuPy or PyTorch, and finds neither with a device; expected one of "
        "them, such as by pip install cupy-cuda13x (or cupy-cuda12x), or parameters in host memory"
    )


def _cupy_room(cupy: Any, device: int) -> DeviceRoom | None:
    return CupyRoom(cupy, device) if cupy.is_available() else None


def _torch_room(torch: Any, device: int) -> DeviceRoom | None:
    if not torch.cuda.is_available():
        return None
    torch.cuda.init()  # streams of others ask for it and do not do it
    return TorchRoom(torch, f"cuda:{device}")
