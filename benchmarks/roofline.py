"""What the machine could do, and how many operations a formula writes down."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

import fastopt
from benchmarks.timing import compared
from fastopt.bench.cases import make
from fastopt.drivers import threads
from fastopt.measure import Copy


class _Counting(NDArrayOperatorsMixin):
    """A number that counts what is done with it."""

    def __init__(self, value: Any, done: list[str]) -> None:
        self.value, self.done = value, done

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self._count(ufunc.__name__, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, inputs: Any, kwargs: Any) -> Any:
        return self._count(function.__name__, function, inputs, kwargs)

    def _count(self, name: str, function: Any, inputs: Any, kwargs: Any) -> Any:
        self.done.append(name)
        plain = [x.value if isinstance(x, _Counting) else x for x in inputs]
        return _Counting(function(*plain, **kwargs), self.done)

    def __getitem__(self, key: Any) -> Any:
        return self  # numbers of one element


_ARITHMETIC = {"add", "subtract", "multiply", "divide", "sqrt", "cbrt", "power"}


def operations(name: str) -> int:
    """Additions, subtractions, multiplications, divisions, roots and powers for each number, as its formula writes them.

    Those of its sums count too; each counts as one, however long it takes.
    """
    cls = getattr(fastopt, name)
    rule = make(cls, np.ones((2, 2), np.float32))._workspace.variant(0).rule
    done: list[str] = []
    c = tuple(np.linspace(0.5, 0.9, rule.count_coefficients()).tolist())
    p, g = (_Counting(np.float32(x), done) for x in (1.5, 0.5))
    s = tuple(_Counting(np.float32(0.25), done) for _ in rule.slots)
    with np.errstate(all="ignore"):
        rule.update(c, p, g, s)
        for measure in rule.measures:
            measure.function(c, p, g, s)
    return sum(what in _ARITHMETIC for what in done)


@numba.njit(parallel=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply_add(x, times):  # type: ignore[no-untyped-def]
    for thread in numba.prange(x.shape[0]):
        row = x[thread]
        for _ in range(times):
            for i in range(row.size):
                a = row[i]
                for _ in range(64):
                    a = a * np.float32(0.999) + np.float32(0.001)
                row[i] = a


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def _root_and_quotient(x, times):  # type: ignore[no-untyped-def]
    for thread in numba.prange(x.shape[0]):
        row = x[thread]
        for _ in range(times):
            for i in range(row.size):
                row[i] = np.float32(1.0) / np.sqrt(row[i])


def ceilings() -> dict[str, float]:
    """Operations per second by all threads, of float32 numbers in the nearest cache.

    ``"multiply-add"`` counts two operations for each; ``"root and quotient"`` too.
    """
    threads.layer()
    x, count = np.full((fastopt.get_num_threads(), 1024), 0.5, np.float32), 200
    t = compared(
        {
            "multiply-add": lambda: _multiply_add(x, count),
            "root and quotient": lambda: _root_and_quotient(x, count),
        }
    )
    done = {"multiply-add": 2 * 64, "root and quotient": 2}
    return {name: done[name] * count * x.size / seconds for name, seconds in t.items()}


def copy_rate(bytes_moved: int) -> float:
    """Bytes per second of a copy by fastopt's drivers that moves so many."""
    count = max(1, bytes_moved // 8)
    opt, source = Copy(np.zeros(count, np.float32)), np.ones(count, np.float32)
    return 8 * count / compared({"copy": lambda: opt.step(source)})["copy"]
