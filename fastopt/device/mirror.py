"""Small arrays that the host and the device both write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastopt.drivers.cuda import runtime


class Mirror:
    """An array that the host and the device both have; each side takes over the other's changes when asked.

    Parameters
    ----------
    host : array
        Of 8-byte words. Written by the host as it likes.
    device : int
    own : sequence of int, optional
        Which words of each row it is about; all by default.
    """

    def __init__(self, host: np.ndarray, device: int, own: Sequence[int] | None = None) -> None:
        self.host = host
        self._words = host.reshape(-1).view(np.int64).reshape(max(1, len(host)), -1)
        self._own = slice(None) if own is None else np.array(own, np.int64)
        self._note()
        self._memory = runtime.Memory(host.nbytes, device)
        self.address = self._memory.address
        runtime.upload(self.address, host)
        runtime.finish()  # before a stream that does not wait for this one

    def _bytes(self) -> bytes:
        return self._words[:, self._own].tobytes()

    def _note(self) -> None:
        """What both sides have: of the words that it is about, and all of the host's when they were last looked at."""
        self._known, self._seen = self._bytes(), self.host.tobytes()

    @property
    def _ahead(self) -> bool:
        """Whether the host has written something that the device lacks."""
        now = self.host.tobytes()
        if now != self._seen and self._bytes() != self._known:
            return True
        self._seen = now
        return False

    def push(self, stream: int) -> None:
        """Let the device have what the host has written since."""
        if self._ahead:
            self._note()
            runtime.upload(self.address, self.host, stream)

    def pull(self, stream: int) -> None:
        """Let the host have what the device has, unless it is ahead; waits for the device."""
        if not self._ahead:
            found = np.empty_like(self._words)
            runtime.download(found, self.address, stream)
            self._words[:, self._own] = found[:, self._own]
            self._note()


class Counters(Mirror):
    """Steps taken and skipped, which the device counts.

    Attributes
    ----------
    taken : int or None
        Steps taken, where the host knows without asking.
    """

    taken: int | None = 0

    def __init__(self, device: int) -> None:
        super().__init__(np.zeros(2, np.int64), device)

    def push(self, stream: int) -> None:
        """Let the device go on from what the host has written."""
        if self._ahead:
            self.taken = int(self.host[0])
        super().push(stream)

    def ask(self, stream: int) -> int:
        """Steps taken; waits for the device if the host does not know."""
        if self.taken is None or self._ahead:
            self.pull(stream)
            self.taken = int(self.host[0])
        return self.taken
