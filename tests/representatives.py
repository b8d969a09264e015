"""Optimizers that stand for all: with and without sums, lines, moves, numbers shared by tensors."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import ordinary
from references import step as ordinary_step

import fastopt

REPRESENTATIVES = {
    "SGD": (fastopt.SGD, {"lr": 0.1, "momentum": 0.9}),
    "AdamW": (fastopt.AdamW, {"lr": 0.1}),
    "NAG": (fastopt.NAG, {"lr": 0.1}),
    "LAMB": (fastopt.LAMB, {"lr": 0.1}),
    "Adafactor": (fastopt.Adafactor, {"lr": 0.1}),
    "RowwiseAdagrad": (fastopt.RowwiseAdagrad, {"lr": 0.1}),
    "Prodigy": (fastopt.Prodigy, {}),
    "ScheduleFreeSGD": (fastopt.ScheduleFreeSGD, {"lr": 0.1}),
}
AS_SGD = ("AdamW", "ScheduleFreeSGD")  # to options
# Adafactor is as RowwiseAdagrad and LAMB together, and its kernels take the longest to compile
_ALIKE = (*AS_SGD, "Adafactor")
each_optimizer = pytest.mark.parametrize(
    "name", [ordinary(name, when=name not in _ALIKE) for name in REPRESENTATIVES]
)
# every variant with options is compiled for these tests alone: float64 only where all cases are asked for
each_dtype = pytest.mark.parametrize(
    "dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.full)]
)

# Every set of options is a kernel for each of the above: tests of one of them use that of all of them.
ALWAYS = {"ema_decay": 0.75, "bounds": (-2.0, 2.5)}  # and `monitor`
EVERYTHING = {
    "scale": 0.3, "clip_norm": 2.0, "clip_value": 0.4, "skip_nonfinite": True, "zero_grads": True,
}  # fmt: skip
HARMLESS = {"clip_value": 1e9, "zero_grads": True}  # to whoever steps with copies

SHAPES = ((5, 7), (), (0,), (4100,))


def make(name, params, **more):
    cls, values = REPRESENTATIVES[name]
    return cls(params, **{**values, **more})


def arrays(dtype=np.float32, seed=0, shapes=SHAPES):
    """Around a number per array that is not 0; complex ones too."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    made = [rng.normal(size=s) + k / 2 for k, s in enumerate(shapes, 1)]
    if dtype.kind == "c":
        made = [a + 1j * rng.normal(size=a.shape) for a in made]
    return [np.asarray(a, dtype) for a in made]


def step(opt, grads, **options):
    """With the look-ahead that NAG asks for."""
    if not options:
        return ordinary_step(opt, grads)
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    return opt.step(grads, **options)


def begun(name, dtype=np.float32, steps=2, **more):
    """An optimizer that has taken steps, so that no slot is 0, and its parameters."""
    params = arrays(dtype)
    opt = make(name, params, **more)
    for t in range(steps):
        step(opt, arrays(dtype, seed=10 + t))
    return opt, params


def begun_with_everything(name, dtype=np.float32):
    params = arrays(dtype)
    opt = make(name, params, **ALWAYS)
    opt.monitor = True
    for t in range(2):
        step(opt, arrays(dtype, seed=10 + t), **HARMLESS)
    return opt, params


def bits(opt):
    """All that an optimizer is: parameters, header rows, slots, average, counters, as bytes."""
    w = opt._workspace
    slots = [(n, p.read().tobytes()) for own in w.slots for n, p in sorted(own.items())]
    parameters = [p.tobytes() for p in w.parameters]
    header = [(n, w.header[n].tobytes()) for n in w.header.dtype.names]  # without the padding
    return parameters, slots, header, w.counters.tobytes(), w.gains.tobytes()
