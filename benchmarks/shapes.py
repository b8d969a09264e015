"""The parameters of networks that many people train: ``shapes.json`` says where from."""

from __future__ import annotations

import json
from pathlib import Path

_DATA = json.loads((Path(__file__).parent / "shapes.json").read_text())

#: By name, in the order of the number of parameters.
NETWORKS: dict[str, list[tuple[int, ...]]] = {
    name: [tuple(shape) for shape in network["shapes"]] for name, network in _DATA.items()
}
SOURCES: dict[str, str] = {name: network["source"] for name, network in _DATA.items()}


def shrunk(shapes: list[tuple[int, ...]], largest: int = 8) -> list[tuple[int, ...]]:
    """As many tensors, small: to see that a benchmark runs."""
    return [tuple(min(n, largest) for n in shape) for shape in shapes]
