"""Parameters and gradients come as one array or nested in sequences, mappings and dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class Structure:
    """The shape of a nest of arrays, to take others of the same shape apart.

    Attributes
    ----------
    names : list of str
        The path to each leaf, such as ``layer1/W``; ``params`` for a single array.
    single : bool
        Whether there is just one array, not nested at all.
    """

    def __init__(self, value: Any) -> None:
        self._root = _node(value)
        self.single = isinstance(self._root, _Leaf)
        self.names = ["params"] if self.single else ["/".join(p) for p in self._root.paths()]
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise ValueError(f"params: two parameters are called {name!r}; rename a key")
            seen.add(name)

    def leaves(self, value: Any, what: str) -> list[Any]:
        """The leaves of another value of this structure; an inner None stands for all that is below.

        Raises
        ------
        ValueError
            If the structure differs; `what` names the value.
        """
        if self.single:
            return [value]
        if value is None:
            raise ValueError(f"{what} is None; expected {self._root.describe()}")
        found: list[Any] = []
        self._root.collect(value, found, what, ())
        return found

    def has(self, key: str) -> bool:
        """Whether it is a mapping with this key."""
        return (
            isinstance(self._root, _Branch)
            and self._root.kind == "mapping"
            and key in self._root.keys
        )

    def build(self, leaves: list[Any]) -> Any:
        """The same structure around other leaves; mappings become dicts."""
        return self._root.build(iter(leaves))


class Forest:
    """The structures of all groups: of one that is not called a group, or of several.

    Attributes
    ----------
    structures : list of Structure
        One per group.
    grouped : bool
        Whether gradients come as a sequence with an entry per group.
    """

    def __init__(self) -> None:
        self.structures: list[Structure] = []
        self.grouped = False

    def names(self, more: Sequence[Structure], taken: Sequence[str]) -> list[list[str]]:
        """Paths for the leaves of further structures: a group's begin with its number.

        Where these are taken, as by a list that became the first group, with ``group`` before the number.
        """
        if not self.grouped:
            return [structure.names for structure in more]
        for prefix in ("", "group"):
            names = [
                [f"{prefix}{i}" if s.single else f"{prefix}{i}/{name}" for name in s.names]
                for i, s in enumerate(more, len(self.structures))
            ]
            twice = [name for own in names for name in own if name in taken]
            if not twice:
                return names
        raise ValueError(f"params: two parameters are called {twice[0]!r}; rename a key")

    def leaves(self, grads: Any, what: str = "grads") -> list[Any]:
        """The leaves of gradients, or of `what`, structured as the parameters.

        Raises
        ------
        ValueError
            If the structure differs.
        """
        if not self.grouped:
            structure = self.structures[0]
            return [grads] if structure.single else structure.leaves(grads, what)
        if not _is_sequence(grads) or len(grads) != len(self.structures):
            got = (
                f"a sequence of {len(grads)}"
                if _is_sequence(grads)
                else f"a {type(grads).__name__}"
            )
            expected = f"a sequence with an entry for each of {len(self.structures)} groups"
            raise ValueError(f"{what} is {got}; expected {expected}")
        found: list[Any] = []
        for i, (structure, entry) in enumerate(zip(self.structures, grads, strict=True)):
            if (
                isinstance(entry, Mapping)
                and set(entry) == {"params"}
                and not structure.has("params")
            ):
                entry = entry["params"]
            found += structure.leaves(entry, f"{what}[{i}]")
        return found

    def build(self, leaves: Sequence[Any]) -> Any:
        """The structure of the gradients around other leaves."""
        own, built = iter(leaves), []
        for structure in self.structures:
            built.append(structure.build([next(own) for _ in structure.names]))
        return built if self.grouped else built[0]


def is_groups(params: Any) -> bool:
    """Whether params is a sequence of groups, each a mapping with ``"params"``."""
    return (
        _is_sequence(params)
        and len(params) > 0
        and all(isinstance(entry, Mapping) and "params" in entry for entry in params)
    )


class _Leaf:
    size: int = 1

    def paths(self) -> Iterator[tuple[str, ...]]:
        yield ()

    def collect(self, value: Any, found: list[Any], what: str, path: tuple[str, ...]) -> None:
        found.append(value)

    def build(self, leaves: Iterator[Any]) -> Any:
        return next(leaves)

    def describe(self) -> str:
        return "an array"


class _Branch:
    """An inner node: how to get at the children, and how to make one like it."""

    def __init__(
        self,
        kind: str,
        keys: Sequence[Any],
        children: Sequence[_Leaf | _Branch],
        made_of: type,
    ) -> None:
        self.kind, self.keys, self.children, self.made_of = kind, keys, children, made_of
        self.size: int = sum(child.size for child in children)
        self._flat = kind == "sequence" and all(isinstance(c, _Leaf) for c in children)

    def paths(self) -> Iterator[tuple[str, ...]]:
        for key, child in zip(self.keys, self.children, strict=True):
            yield from ((str(key), *path) for path in child.paths())

    def collect(self, value: Any, found: list[Any], what: str, path: tuple[str, ...]) -> None:
        if value is None:
            found.extend([None] * self.size)
            return
        if self.kind == "sequence":
            if not _is_sequence(value) or len(value) != len(self.keys):
                self._mismatch(value, what, path)
            if list(getattr(value, "_fields", self.keys)) != list(self.keys) and hasattr(
                self.made_of, "_fields"
            ):
                self._mismatch(value, what, path)
            if self._flat:
                found.extend(value)
                return
            items = value
        elif self.kind == "mapping":
            if not isinstance(value, Mapping) or len(value) != len(self.keys):
                self._mismatch(value, what, path)
            try:
                items = [value[key] for key in self.keys]
            except KeyError:
                self._mismatch(value, what, path)
        else:
            try:
                items = [getattr(value, key) for key in self.keys]
            except AttributeError:
                self._mismatch(value, what, path)
        for key, child, item in zip(self.keys, self.children, items, strict=True):
            child.collect(item, found, what, (*path, str(key)))

    def build(self, leaves: Iterator[Any]) -> Any:
        made = {k: c.build(leaves) for k, c in zip(self.keys, self.children, strict=True)}
        if self.kind == "mapping":
            return made
        if self.kind == "dataclass":
            copy: Any = object.__new__(self.made_of)
            for name, child in made.items():
                object.__setattr__(copy, name, child)  # frozen ones too
            return copy
        if hasattr(self.made_of, "_fields"):
            return self.made_of(**made)
        return (tuple if issubclass(self.made_of, tuple) else list)(made.values())

    def describe(self) -> str:
        if self.kind == "sequence":
            return f"a sequence of {len(self.keys)}"
        fields = ", ".join(repr(key) for key in self.keys)
        return f"a mapping with the keys {fields}" if self.kind == "mapping" else f"fields {fields}"

    def _mismatch(self, value: Any, what: str, path: tuple[str, ...]) -> None:
        where = what + "".join(f"[{key}]" for key in path)
        if isinstance(value, Mapping):
            got = "a mapping with the keys " + ", ".join(repr(key) for key in value)
        elif _is_sequence(value):
            got = f"a sequence of {len(value)}"
        else:
            got = f"a {type(value).__name__}"
        raise ValueError(f"{where} is {got}; expected {self.describe()}, structured as params")


def _node(value: Any) -> _Leaf | _Branch:
    if isinstance(value, Mapping):
        children = [_node(v) for v in value.values()]
        return _Branch("mapping", list(value), children, dict)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        children = [_node(getattr(value, name)) for name in names]
        return _Branch("dataclass", names, children, type(value))
    if _is_sequence(value):
        children = [_node(v) for v in value]
        keys = list(getattr(value, "_fields", range(len(value))))
        return _Branch("sequence", keys, children, type(value))
    return _Leaf()


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(
        value, str | bytes | bytearray | memoryview
    )


def on_device(value: Any) -> bool:
    """Whether a value lies on a CUDA device, as it says itself."""
    if isinstance(value, np.ndarray):
        return False
    if getattr(value, "__cuda_array_interface__", None) is not None:
        return True
    asked = getattr(value, "__dlpack_device__", None)
    return asked is not None and int(asked()[0]) in _CUDA


_CUDA = (
    2,
    13,
)  # DLPack's kinds of memory: of a device, and such as the driver moves to where it is used


def check_parameters(parameters: Sequence[Any], names: Sequence[str]) -> None:
    """Raise for whatever cannot be updated in place.

    Raises
    ------
    TypeError
        If one is no array of float32, float64, complex64 or complex128.
    ValueError
        If one is read-only, not contiguous or not aligned, or shares memory with another.
    """
    for p, name in zip(parameters, names, strict=True):
        ours = isinstance(p, np.ndarray) and not isinstance(p, np.ma.MaskedArray)
        if not ours and not on_device(p):
            raise TypeError(f"parameter {name} is a {type(p).__name__}; expected a NumPy array")
        if p.dtype.name not in ("float32", "float64", "complex64", "complex128"):
            raise TypeError(
                f"parameter {name} has dtype {p.dtype}; expected float32, float64, complex64 or complex128"
            )
        if not p.dtype.isnative:
            raise ValueError(
                f"parameter {name} has foreign byte order ({p.dtype.str}); expected native"
            )
        if not p.flags.writeable:
            raise ValueError(f"parameter {name} is read-only; it is updated in place")
        if not p.flags.aligned:
            raise ValueError(f"parameter {name} is not aligned to its item size; make a copy")
        if not p.flags.forc:
            raise ValueError(
                f"parameter {name} is neither C- nor F-contiguous (shape {p.shape}, strides "
                f"{p.strides}); make it so with numpy.ascontiguousarray"
            )
    spans = sorted(
        (p.ctypes.data, p.ctypes.data + p.nbytes, name)
        for p, name in zip(parameters, names, strict=True)
        if p.nbytes
    )
    for (_, end, first), (start, _, second) in zip(spans, spans[1:], strict=False):
        if start < end:
            raise ValueError(f"parameters {first} and {second} share memory; each needs its own")
    seen: dict[int, str] = {}
    for p, name in zip(parameters, names, strict=True):
        if id(p) in seen:
            raise ValueError(f"parameters {seen[id(p)]} and {name} are the same array")
        seen[id(p)] = name
