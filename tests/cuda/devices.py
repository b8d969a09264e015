"""Arrays on a device, real or simulated, and optimizers side by side on both drivers."""

from __future__ import annotations

import copy
import os

import numpy as np
from case import curvature
from references import plain_step, step

SIMULATED = not os.environ.get("FASTOPT_TEST_GPU")
if not SIMULATED:
    import cupy


class OnDevice:
    """An array of another library's: CuPy's on a device; under the simulator, whose device memory is the host's, NumPy's."""

    def __init__(self, array, writeable=True):
        self._held, self._writeable = (
            array if SIMULATED else cupy.array(array, order="K"),
            writeable,
        )

    @property
    def array(self):
        """What is there, for the host; under the simulator the memory itself."""
        return self._held if SIMULATED else cupy.asnumpy(self._held, order="A")

    @property
    def __cuda_array_interface__(self):
        if not SIMULATED:
            own = self._held.__cuda_array_interface__
            return {**own, "data": (own["data"][0], not self._writeable)}
        a = self.array
        packed = a.flags.c_contiguous
        return {
            "shape": a.shape,
            "typestr": a.dtype.str,
            "data": (a.ctypes.data if a.size else 0, not self._writeable),
            "strides": None if packed else a.strides,
            "version": 3,
        }

    def __deepcopy__(self, memo):
        return type(self)(self._held.copy(order="K"), self._writeable)

    def overwrite(self, values):
        """Let it hold others."""
        self._held[...] = values if SIMULATED else cupy.asarray(values)

    def part(self, where):
        """A view of some of it."""
        made = copy.copy(self)
        made._held = self._held[where]
        return made

    def shared(self):
        """Another object over the same memory."""
        return self.part(...)


class ByDLPack:
    """An array that speaks DLPack only."""

    def __init__(self, array):
        self._on = OnDevice(array)

    @property
    def array(self):
        return self._on.array

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **options):
        return self._on._held.__dlpack__()


def on_device(tree):
    """The same nest around copies on the device; None stays."""
    if isinstance(tree, dict):
        return {k: on_device(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [on_device(v) for v in tree]
    return tree if tree is None else OnDevice(np.array(tree, order="K"))  # of 0 dimensions too


def numbers(dtype, shapes, seed=0):
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=s) for s in shapes]
    if np.dtype(dtype).kind == "c":
        made = [a + 1j * rng.normal(size=a.shape) for a in made]
    return [np.asarray(a, dtype) for a in made]


class Pair:
    """The same optimizer on both drivers, and what they have."""

    def __init__(self, make, params):
        self.host, self.device = params, on_device(params)
        self.cpu, self.cuda = make(self.host), make(self.device)
        self.cuda.exact = True

    def step(self, grads, **options):
        on = on_device(grads)
        if options:
            infos = self.cpu.step(grads, **options), self.cuda.step(on, **options)
        else:
            infos = step(self.cpu, grads), plain_step(self.cuda, on)
            for name in self.cuda.folds:
                taken = [None if g is None else curvature(g) for g in leaves(grads)]
                fold = self.cuda._forest.build(on_device(taken))
                self.cuda._fold(name, fold, name)
        return infos, on

    def require_equal(self):
        """Parameters, step counts, running numbers and slots, bit for bit, or as near as an array library comes."""
        for a, b in zip(leaves(self.host), leaves(self.device), strict=True):
            self._compare(a, b.array)
        assert len(self.cpu.state) == len(self.cuda.state)
        for k, mine in self.cpu.state.items():
            other = self.cuda.state[k]
            assert list(mine) == list(other)
            for name, value in mine.items():
                self._compare(value, np.asarray(other[name]), name)
        assert self.cpu.steps_taken == self.cuda.steps_taken
        assert self.cpu.skipped_steps == self.cuda.skipped_steps

    def _compare(self, mine, other, name=""):
        measures = getattr(self.cpu, "measures", ())
        if SIMULATED or all(measure.whole is None for measure in measures):
            np.testing.assert_array_equal(mine, other, err_msg=name)
        else:  # products of matrices, whose order of sums is the library's
            near = np.finfo(other.dtype).eps ** 0.5 if other.dtype.kind == "f" else 0
            np.testing.assert_allclose(other, mine, rtol=near, atol=near, err_msg=name)


def leaves(tree):
    if isinstance(tree, dict | list):
        values = tree.values() if isinstance(tree, dict) else tree
        return [leaf for value in values for leaf in leaves(value)]
    return [tree]


class _Stream:
    """A stream as CuPy has it."""

    ptr = 7

    def __cuda_stream__(self):
        return (0, self.ptr)


def stream():
    """A stream that is not the default one, which it waits for."""
    return _Stream() if SIMULATED else cupy.cuda.Stream()
