"""Who touched which address when, in one launch: two threads that touch one, one of them writing, must be ordered.

Threads of different blocks never are. Those of one block are, if there was a barrier between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NOBODY, _SEVERAL = -1, -2


@dataclass
class Threads:
    """Threads that access memory together.

    Attributes
    ----------
    number, block, epoch : int64 arrays
        Number in the launch, block, and how many barriers it has passed.
    """

    number: np.ndarray
    block: np.ndarray
    epoch: np.ndarray

    def some(self, chosen):
        return Threads(self.number[chosen], self.block[chosen], self.epoch[chosen])


class _Last:
    """The thread, block and epoch that touched each piece of memory last; or that several did."""

    def __init__(self, pieces):
        self.thread, self.block, self.epoch = (np.full(pieces, _NOBODY) for _ in range(3))

    def conflicts(self, places, threads):
        thread, block, epoch = self.thread[places], self.block[places], self.epoch[places]
        ordered = (block == threads.block) & (epoch < threads.epoch)
        return (thread != _NOBODY) & (thread != threads.number) & ~ordered

    def note(self, places, threads):
        """Add these to those of the same epoch, and forget what is ordered before."""
        for kept, now in ((self.thread, threads.number), (self.block, threads.block)):
            before = kept[places]
            current = (self.epoch[places] == threads.epoch) | (self.block[places] == _SEVERAL)
            together = current & (before != _NOBODY) & (before != now)
            kept[places] = np.where(together, _SEVERAL, now)
            several = kept[places] != np.where(together, _SEVERAL, now)  # in this very access
            kept[places[several]] = _SEVERAL
        self.epoch[places] = threads.epoch


class Races:
    """The accesses to an array, in pieces of four bytes."""

    def __init__(self, size):
        self._pieces = size // 4 + 2
        self._writers = self._readers = None

    def read(self, places, size, threads):
        """Note these reads; whether one races with a write."""
        self._begin()
        wrong = False
        for piece in self._of(places, size):
            wrong |= bool(self._writers.conflicts(piece, threads).any())
            self._readers.note(piece, threads)
        return wrong

    def write(self, places, size, threads):
        """Note these writes; whether one races with a read or a write."""
        self._begin()
        wrong = False
        for piece in self._of(places, size):
            wrong |= bool(self._writers.conflicts(piece, threads).any())
            wrong |= bool(self._readers.conflicts(piece, threads).any())
            self._writers.note(piece, threads)
            wrong |= bool((self._writers.thread[piece] != threads.number).any())
        return wrong

    def _begin(self):
        if self._writers is None:
            self._writers, self._readers = _Last(self._pieces), _Last(self._pieces)

    @staticmethod
    def _of(places, size):
        return [(places >> 2) + k for k in range(max(1, size // 4))]
