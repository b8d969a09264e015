"""The forms that parameters and gradients come in."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, UserDict, deque
from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple


@dataclasses.dataclass
class Layer:
    W: object
    b: object


@dataclasses.dataclass(frozen=True)
class Frozen:
    W: object
    b: object


@dataclasses.dataclass(slots=True)
class Slotted:
    W: object
    b: object


class Pair(NamedTuple):
    W: object
    b: object


class Own(Sequence):
    """A sequence by its interface alone."""

    def __init__(self, *items):
        self._items = items

    def __len__(self):
        return len(self._items)

    def __getitem__(self, i):
        return self._items[i]


# The form, and the names of its two leaves.
FORMS = {
    "list": (lambda a, b: [a, b], ["0", "1"]),
    "tuple": (lambda a, b: (a, b), ["0", "1"]),
    "deque": (lambda a, b: deque([a, b]), ["0", "1"]),
    "own sequence": (Own, ["0", "1"]),
    "dict": (lambda a, b: {"W": a, "b": b}, ["W", "b"]),
    "OrderedDict": (lambda a, b: OrderedDict(W=a, b=b), ["W", "b"]),
    "UserDict": (lambda a, b: UserDict(W=a, b=b), ["W", "b"]),
    "read-only mapping": (lambda a, b: MappingProxyType({"W": a, "b": b}), ["W", "b"]),
    "dict with other keys": (lambda a, b: {7: a, (1, 2): b}, ["7", "(1, 2)"]),
    "namedtuple": (Pair, ["W", "b"]),
    "dataclass": (Layer, ["W", "b"]),
    "frozen dataclass": (Frozen, ["W", "b"]),
    "dataclass with slots": (Slotted, ["W", "b"]),
    "dict of dicts": (
        lambda a, b: {"layer1": {"W": a}, "layer2": {"W": b}},
        ["layer1/W", "layer2/W"],
    ),
    "dict of lists": (lambda a, b: {"layers": [{"W": a}, {"W": b}]}, ["layers/0/W", "layers/1/W"]),
    "list of dataclasses": (lambda a, b: [Layer({"x": a}, (b,))], ["0/W/x", "0/b/0"]),
    "with empty parts": (lambda a, b: {"none": {}, "W": a, "no": [], "b": b}, ["W", "b"]),
    "nested": (
        lambda a, b: {"layers": [{"W": a}, (b,)], "none": []},
        ["layers/0/W", "layers/1/0"],
    ),
    "deep": (lambda a, b: [[[[[[a]]]]], [[{"k": (b,)}]]], ["0/0/0/0/0/0", "1/0/0/k/0"]),
    "groups": (lambda a, b: [{"params": a}, {"params": b}], ["0", "1"]),
    "tuple of groups": (lambda a, b: ({"params": [a]}, {"params": [b]}), ["0/0", "1/0"]),
    "a group": (lambda a, b: [{"params": [a, b]}], ["0/0", "0/1"]),
    "nested groups": (
        lambda a, b: [{"params": {"layer": Layer(a, [])}}, {"params": Frozen((b,), {})}],
        ["0/layer/W", "1/W/0"],
    ),
}
