"""A function of a point in the plane, in compiled code."""

from __future__ import annotations

import functools
import math
import numbers
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastopt.drivers import objective as driver
from fastopt.drivers.compile import Compiled
from fastopt.study import expressions
from fastopt.study.program import Program

Bounds = tuple[tuple[float, float], tuple[float, float]]
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """A function of a point in the plane; `objectives.parse` makes one from an expression.

    Attributes
    ----------
    name : str
        That of a known one, else its formula.
    formula : str
        The expression in x and y.
    bounds : ((float, float), (float, float))
        The part of the plane to look at: lowest and highest x, lowest and highest y.
    minima : float64 (k, 2)
        Local minima, the deepest first; none if they are not known.
    start : float64 (2,)
        A point to start from.
    lr : float
        A learning rate for gradient descent from there.
    noise, seed : float
        How large the noise in gradients is, and what it is drawn from.
    first, second : tuple of two str, optional
        The derivatives by x and by y, as expressions; by SymPy where they are left out.

    Examples
    --------
    >>> from fastopt.study import objectives
    >>> objectives.saddle
    <objective saddle: x**2 - y**2>
    >>> objectives.saddle.curvature([0.5, 0.5])
    array([ 2., -2.])
    """

    name: str
    formula: str
    bounds: Bounds = ((-4.0, 4.0), (-4.0, 4.0))
    minima: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    start: np.ndarray = field(default_factory=lambda: np.array([-3.0, 2.0]))
    lr: float = 0.01
    noise: float = 0.0
    seed: float = 0.0
    first: Pair | None = None
    second: Pair | None = None

    def __post_init__(self) -> None:
        for name, points in (
            ("minima", np.reshape(self.minima, (len(self.minima), 2))),
            ("start", np.reshape(self.start, 2)),
        ):
            kept = points.astype(np.float64)
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)
        for name in ("noise", "seed"):  # as compiled code takes them
            object.__setattr__(self, name, float(getattr(self, name)))

    def __repr__(self) -> str:
        noise = f", with noise {self.noise:g} from seed {self.seed:g}" if self.noise else ""
        return f"<objective {self.name}: {self.formula}{noise}>"

    def value(self, points: Any) -> Any:
        """The values at points (..., 2) of float32 or float64, in their dtype; noise is no part of them.

        Examples
        --------
        >>> from fastopt.study import objectives
        >>> objectives.booth.value(np.array([[1, 3], [0, 0]], np.float32))
        array([ 0., 74.], dtype=float32)
        """
        return self._evaluate("value", points)[..., 0][()]

    def gradient(self, points: Any, step: int = 1) -> Any:
        """The gradients at points (..., 2), of the same shape and dtype.

        Parameters
        ----------
        points : array (..., 2)
        step : int
            Which step's noise they have, from 1, where there is noise.
        """
        return self._evaluate("gradient", points, step, self.noise)

    def curvature(self, points: Any) -> Any:
        """The second derivatives by x and by y at points (..., 2): the diagonal of the Hessian, without noise."""
        return self._evaluate("curvature", points)

    @property
    def lowest(self) -> float | None:
        """The value at the deepest of the known minima; None where none is known.

        Examples
        --------
        >>> from fastopt.study import objectives
        >>> objectives.goldstein_price.lowest, objectives.saddle.lowest
        (3.0, None)
        """
        return float(self.value(self.minima).min()) if len(self.minima) else None

    def noisy(self, scale: float, seed: float = 0) -> Objective:
        """The same with noise in its gradients, as from mini-batches; values stay the true ones.

        Every step draws one vector, whose components have the standard deviation `scale`, and adds it to the gradients
        at all points: they are those of one mini-batch. It follows from seed and step alone.

        Examples
        --------
        >>> from fastopt.study import objectives
        >>> bowl = objectives.quadratic.noisy(0.5, seed=1)
        >>> (bowl.gradient(np.zeros(2), step=3) == bowl.gradient(np.zeros(2), step=3)).all()
        np.True_
        >>> (bowl.gradient(np.zeros(2), step=3) == bowl.gradient(np.zeros(2), step=4)).any()
        np.False_
        """
        for name, number in (("scale", scale), ("seed", seed)):
            if not isinstance(number, numbers.Real) or isinstance(number, bool):
                raise TypeError(f"noisy: {name} is {number!r}; expected a finite number")
        if not (math.isfinite(scale) and scale >= 0):
            raise ValueError(f"noisy: scale is {scale!r}; expected a finite number >= 0")
        if not math.isfinite(seed):
            raise ValueError(f"noisy: seed is {seed!r}; expected a finite number")
        return replace(self, noise=float(scale), seed=float(seed))

    def compiled(self, what: str, dtype: Any) -> Compiled:
        """``"value"``, ``"gradient"`` or ``"curvature"`` in compiled code, as `fastopt.drivers.objective` says."""
        written = {"value": None, "gradient": self.first, "curvature": self.second}[what]
        own = self.first is not None and self.name.isidentifier()
        known = self.name if own else "expression"
        return _compiled(known, self.formula, what, written, np.dtype(dtype))

    def _evaluate(self, what: str, points: Any, step: int = 1, noise: float = 0.0) -> np.ndarray:
        given = np.asarray(points)
        if given.dtype.kind not in "iuf" or given.dtype.itemsize > 8:
            raise TypeError(f"points are of {given.dtype}; expected float32 or float64 numbers")
        if given.ndim == 0 or given.shape[-1] != 2:
            raise ValueError(f"points have shape {given.shape}; expected (..., 2): x and y last")
        dtype = np.dtype(np.float32 if given.dtype == np.float32 else np.float64)
        function = self.compiled(what, dtype)
        columns = np.array(given.reshape(-1, 2).T, dtype, order="C")
        results = np.empty_like(columns)
        places = (column.ctypes.data for column in (*columns, *results))
        function(*places, columns.shape[1], int(step), noise, self.seed)
        return np.ascontiguousarray(results.T).reshape(given.shape)


@functools.lru_cache(maxsize=256)
def _compiled(
    known: str, formula: str, what: str, written: Pair | None, dtype: np.dtype[Any]
) -> Compiled:
    program = Program()
    if written is not None:
        results = [expressions.read(text, program) for text in written]
    else:
        place = expressions.read(formula, program)
        order = {"value": 0, "gradient": 1, "curvature": 2}[what]
        results = list(expressions.derivatives(program, place, order)) if order else [place]
    lines, constants = program.lines(results)
    return driver.function(f"{known}.{what}", lines, constants, dtype)
