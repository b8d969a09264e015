"""Whole steps of optimizers on a GPU in exact mode, every kernel by its PTX: the bits of the CPU's driver."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from devices import Pair, numbers, on_device
from kinds import ordinary
from references import CLASSES, cases_of, make

import fastopt

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed (extra: cuda13)", allow_module_level=True)

import ptx_runtime

from benchmarks import device

SHAPES = [(4100,), (5, 9), (0,), ()]


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch):
    ptx_runtime.plug(monkeypatch)


def exact_pair(maker, dtype=np.float32):
    pair = Pair(maker, numbers(dtype, SHAPES))
    pair.cuda.exact = True
    return pair


# without and with sums, moves, shared and running numbers, noise
WHOLE = (
    fastopt.SGD, fastopt.AdamW, fastopt.NAG, fastopt.LAMB, fastopt.Prodigy, fastopt.ScheduleFreeAdamW,
    fastopt.NAdam, fastopt.NoisySGD, fastopt.Adafactor,
)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.full)])
@pytest.mark.parametrize("cls", [ordinary(c, when=c in WHOLE) for c in CLASSES])
def test_steps(cls, dtype):
    pair = exact_pair(lambda params: make(cls, params), dtype)
    for t in range(3):
        pair.step(numbers(dtype, SHAPES, 10 + t))
    pair.require_equal()
    assert ptx_runtime.launched


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.5, "clip_norm": 1.0, "skip_nonfinite": True},
        {"clip_adaptive": (0.05, 0)},
        pytest.param({"clip_norm_each": 0.5, "clip_value": 0.1}, marks=pytest.mark.full),
        pytest.param({"clip_value": 0.25, "zero_grads": True}, marks=pytest.mark.full),
    ],
    ids=lambda o: "-".join(o),
)
def test_options(options):
    pair = exact_pair(lambda params: fastopt.AdamW(params, lr=0.1, ema_decay=0.9, bounds=(-1, 1)))
    for t in range(3):
        grads = numbers(np.float32, SHAPES, t)
        if t == 1 and "skip_nonfinite" in options:
            grads[1][3] = np.nan
        (mine, other), on = pair.step(grads, **options)
        assert other.skipped == mine.skipped
        np.testing.assert_equal(other.grad_norm, mine.grad_norm)  # NaN, where skipped
        for a, b in zip(grads, on, strict=True):
            np.testing.assert_array_equal(a, b.array)
    pair.require_equal()


@pytest.mark.parametrize("cls", [fastopt.RowwiseAdagrad, fastopt.Adan])
def test_rows(cls):
    """With a number for each row, of more elements than a strip has columns; with a step count for each."""
    shape = (4, 2050 if cls is fastopt.RowwiseAdagrad else 9)
    pair = Pair(lambda p: make(cls, p), numbers(np.float32, [shape]))
    pair.cuda.exact = True
    for t, rows in enumerate([[3, 1, 3], [1, 0]]):
        grads = numbers(np.float32, [(len(rows), shape[1])], t)
        pair.cpu.step_rows([rows], grads)
        pair.cuda.step_rows([rows], on_device(grads))
    pair.require_equal()


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.full)])
def test_whole_tensors(dtype):
    """Of Muon, whose products are NumPy's here."""
    shapes = [(5, 9), (70, 130), (12, 5), (0, 3)]
    pair = Pair(lambda p: fastopt.Muon(p, lr=0.013, eps=0.5), numbers(dtype, shapes))
    pair.cuda.exact = True
    for t in range(3):
        pair.step(numbers(dtype, shapes, t), **({"clip_norm": 1.0} if t == 2 else {}))
    pair.require_equal()


def test_launches_per_step():
    """As docs/cuda.md says: two, whatever the number of tensors; three more for each stage of sums."""
    assert device.launches("AdamW", 3) == device.launches("AdamW", 20) == 2
    assert device.launches("LAMB", 3) == 2 + 3 * len(fastopt.LAMB.measures)


def test_cases_are_there():
    assert all(cases_of(cls) for cls in WHOLE)
