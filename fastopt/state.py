"""`Optimizer.state`: slots and step counts, by position or by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastopt.workspace import Workspace


#: The entry for the step counts of rows that are stepped by themselves.
ROW_STEP = "row_step"


class State(Mapping[int, Mapping[str, Any]]):
    """Maps a parameter's position, or its name such as ``layer1/W``, to its state.

    That of one workspace, or of several over the same parameters; steps are counted by the first.
    """

    def __init__(self, *workspaces: Workspace) -> None:
        self._workspaces = workspaces

    def __getitem__(self, key: int | str) -> ParameterState:
        names = self._workspaces[0].names
        if isinstance(key, str):
            if key not in names:
                raise KeyError(f"no parameter is called {key!r}; there are {', '.join(names)}")
            key = names.index(key)
        if not isinstance(key, Integral) or isinstance(key, bool) or not 0 <= key < len(names):
            raise KeyError(f"no parameter at position {key!r}; there are {len(names)}")
        return ParameterState(self._workspaces, int(key))

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._workspaces[0].names)))

    def __len__(self) -> int:
        return len(self._workspaces[0].names)

    def __repr__(self) -> str:
        return repr({key: dict(self[key]) for key in self})


class ParameterState(Mapping[str, Any]):
    """One parameter's ``"step"``, running fields and slots; slots are views shaped like the parameter.

    ``"row_step"`` is there once `Optimizer.step_rows` counts for each row.
    """

    def __init__(self, workspaces: tuple[Workspace, ...], k: int) -> None:
        self._workspaces, self._k = workspaces, k

    def __getitem__(self, name: str) -> Any:
        if name == "step":
            return int(self._workspaces[0].header["step"][self._k])
        if name == ROW_STEP and self._k in self._workspaces[0].row_steps:
            return self._workspaces[0].row_steps[self._k]
        for w in self._workspaces:
            if name in w.declared.running:
                return float(w.header[name][self._k])
            if name in w.declared.kept and name in w.slots[self._k]:
                return w.slots[self._k][name].read()
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield "step"
        if self._k in self._workspaces[0].row_steps:
            yield ROW_STEP
        for w in self._workspaces:
            yield from w.declared.running
            yield from (n for n in w.declared.kept if n in w.slots[self._k])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return repr(dict(self))
