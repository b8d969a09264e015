"""Every optimizer under CUDA's simulator, against the CPU's driver: the same bits in parameters and slots."""

from __future__ import annotations

import numpy as np
import pytest
from devices import Pair, numbers, on_device
from kinds import each_case_and_dtype, every_class, ordinary
from references import CASES, CLASSES, make, step

import fastopt

# of lengths around a block of threads, a vector and a tile
LENGTHS = (0, 1, 2, 3, 4, 5, 1023, 4099)
SHORT = (0, 1, 7, 130)  # where sums make the simulator start a thread for each accumulator


def lengths(cls):
    return SHORT if cls.measures else LENGTHS


@each_case_and_dtype(CASES)
def test_same_bits(case, dtype):
    pair = Pair(
        lambda p: case.cls(p, **case.hyperparameters),
        numbers(dtype, [(n,) for n in lengths(case.cls)]),
    )
    for t in range(1, 4 if not case.cls.measures else 3):
        pair.step(numbers(dtype, [(n,) for n in lengths(case.cls)], seed=t))
    pair.require_equal()


LINES = [c for c in CLASSES if any(slot.of_lines for slot in c.slots.values())]
# over a strip's rows, over a block of columns; over a strip's columns; and so many that several are fetched together
MATRICES, LARGE = ((3, 5), (2, 4, 3), (130, 3), (2, 150), (0, 4), (5,)), ((2, 2050),)
LONG = ((1100, 3), (2, 530, 2), (9, 300), (2, 1100))


@pytest.mark.parametrize("cls", LINES, ids=lambda c: c.__name__)
@pytest.mark.parametrize(
    ("dtype", "shapes"),
    [
        ordinary(np.float32, MATRICES, when=True),
        ordinary(np.float64, MATRICES, when=False),
        ordinary(np.float32, LARGE, when=False),
        ordinary(np.float32, LONG, when=False),
    ],
)
def test_rows_and_columns(cls, dtype, shapes):
    def arrays(seed=0):
        turned = [np.asfortranarray(a) for a in numbers(dtype, [(6, 5)], seed)]
        return numbers(dtype, shapes, seed) + turned

    pair = Pair(lambda p: make(cls, p), arrays())
    for t in range(2):
        pair.step(arrays(t))
    pair.require_equal()


PLAIN = [c for c in CLASSES if c not in LINES]


@pytest.mark.parametrize("cls", PLAIN[::8], ids=lambda c: c.__name__)
def test_nested_complex_and_missing(cls):
    """Matrices in both orders, no dimensions, complex numbers, None, another group, changed hyperparameters."""
    if "complex" not in cls.supports:
        pytest.skip("takes real numbers only")
    real = numbers(np.float32, [(3, 5), ()])
    other = numbers(np.complex64, [(4,)])
    params = {"W": np.asfortranarray(real[0]), "b": real[1], "z": other[0]}
    pair = Pair(lambda p: make(cls, p), params)
    for t in range(3):
        real, other = numbers(np.float32, [(3, 5), ()], t), numbers(np.complex64, [(4,)], t)
        grads = {"W": np.asfortranarray(real[0]), "b": None if t == 1 else real[1], "z": other[0]}
        pair.step(grads)
        for opt in (pair.cpu, pair.cuda):
            group = opt.param_groups[0]
            lr = group["lr"]
            group["lr"] = lr / 2
    pair.require_equal()


@every_class
def test_state_moves_with_the_same_bits(cls):
    """From the host to the device and back."""
    shapes = [(5,), (3,)]
    first = make(cls, numbers(np.float32, shapes))
    for t in range(2):
        step(first, numbers(np.float32, shapes, t))
    saved = first.state_dict()
    there = make(cls, on_device(numbers(np.float32, shapes)))
    there.load_state_dict(saved)
    again = there.state_dict()
    assert again["param_groups"] == saved["param_groups"]
    for k, entry in saved["state"].items():
        assert list(entry) == list(again["state"][k])
        for name, value in entry.items():
            np.testing.assert_array_equal(value, again["state"][k][name])
            assert type(value) is type(again["state"][k][name])
    back = make(cls, numbers(np.float32, shapes))
    back.load_state_dict(again)


@pytest.mark.parametrize(
    "dtype", [ordinary(np.float32, when=True), ordinary(np.float64, when=False)]
)
def test_own_optimizer(dtype):
    """A user's class needs nothing more, and fastopt.scalar is there, with numbers at its edges."""
    from fastopt import scalar as f

    class Everything(fastopt.Optimizer):
        slots = {"a": fastopt.Slot(initial=lambda h, p: p * 2), "b": fastopt.Slot()}

        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)

        @staticmethod
        def coefficients(h, t):
            return h["lr"], f.power(h["lr"], t), f.power(h["lr"], 0.5), f.cbrt(h["lr"])

        @staticmethod
        def update(c, p, g, s):
            lr, whole, real, root = c
            a, b = s
            b = f.maximum(f.minimum(f.abs(g), p), f.sign(g)) + f.cbrt(g)
            a = f.where(g > lr, f.sqrt(a), f.clamp(p, -lr, lr)) + f.power(f.abs(g), real)
            return p - whole * g * root, (a, b)

    edges = np.array([0.0, -0.0, 1.0, -3.5, np.inf, -np.inf, np.nan, 1e30, 8.0, -27.0], dtype)
    pair = Pair(Everything, [edges.copy()])
    for g in (edges, edges[::-1].copy()):
        pair.step([g])
    pair.require_equal()
