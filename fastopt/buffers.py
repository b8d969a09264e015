"""One flat buffer behind many arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastopt.slots import aligned_zeros
from fastopt.tree import Structure


class FlatBuffer:
    """One contiguous, 64-byte aligned array, and views into it structured as the parameters.

    Attributes
    ----------
    flat : 1-D array
        All numbers, in the order of the leaves.
    views : structured as the arrays it was made like
        Arrays of their shapes and memory order that share memory with `flat`.

    Examples
    --------
    >>> buffer = fastopt.FlatBuffer.like({"W": np.ones((2, 2)), "b": np.ones(2)})
    >>> buffer.views["b"][:] = 7
    >>> buffer.flat
    array([0., 0., 0., 0., 7., 7.])
    """

    def __init__(self, flat: np.ndarray, views: Any) -> None:
        self.flat = flat
        self.views = views

    @classmethod
    def like(cls, params: Any, *, copy: bool = False) -> FlatBuffer:
        """A buffer with room for arrays of these shapes: zeros, or with `copy` their values.

        Parameters
        ----------
        params : array, or nested sequences, mappings or dataclasses of arrays
            All of the same dtype, float32 or float64.
        copy : bool
            Whether to copy the values.

        Raises
        ------
        TypeError
            If one is no array of float32 or float64, or their dtypes differ.
        """
        structure = Structure(params)
        leaves = structure.leaves(params, "params")
        for leaf, name in zip(leaves, structure.names, strict=True):
            if not isinstance(leaf, np.ndarray) or leaf.dtype not in (np.float32, np.float64):
                kind = getattr(leaf, "dtype", type(leaf).__name__)
                raise TypeError(
                    f"FlatBuffer: {name} is {kind}; expected an array of float32 or float64"
                )
            if leaf.dtype != leaves[0].dtype:
                raise TypeError(
                    f"FlatBuffer: {name} is {leaf.dtype} and {structure.names[0]} {leaves[0].dtype}; "
                    "expected one dtype"
                )
        if not leaves:
            raise ValueError("FlatBuffer: params is empty; expected at least one array")
        flat = aligned_zeros(sum(leaf.size for leaf in leaves), leaves[0].dtype)
        views = _cut(flat, [(leaf.shape, "F" if leaf.flags.fnc else "C") for leaf in leaves])
        if copy:
            for view, leaf in zip(views, leaves, strict=True):
                view[...] = leaf
        return cls(flat, structure.build(views))

    def __reduce__(self) -> Any:
        # the array itself goes along, so that an optimizer of it, copied together with it, keeps sharing it
        structure = Structure(self.views)
        leaves = structure.leaves(self.views, "views")
        cuts = [(view.shape, "F" if view.flags.fnc else "C") for view in leaves]
        return _rebuild, (self.flat, structure, cuts)


def _rebuild(flat: np.ndarray, structure: Structure, cuts: list[tuple[Any, Any]]) -> FlatBuffer:
    return FlatBuffer(flat, structure.build(_cut(flat, cuts)))


def _cut(flat: np.ndarray, cuts: list[tuple[Any, Any]]) -> list[np.ndarray]:
    """Views of consecutive parts, by shape and memory order."""
    views, start = [], 0
    for shape, order in cuts:
        end = start + math.prod(shape)
        views.append(flat[start:end].reshape(shape, order=order))
        start = end
    return views
