"""ReduceLROnPlateau against torch's, metric by metric; its memory, state and errors."""

from __future__ import annotations

import copy
import itertools
import json
import pickle

import numpy as np
import pytest

from fastopt import schedules
from fastopt.schedules import ReduceLROnPlateau

SETTINGS = [
    {"patience": 2},
    {"patience": 0, "factor": 0.7},
    {"patience": 1, "cooldown": 3, "factor": 0.5},
    {"patience": 3, "threshold": 0.3, "cooldown": 1, "factor": 0.9},
    {"patience": 1, "min_lr": 0.05, "factor": 0.5},
    {"patience": 0, "eps": 0.02, "factor": 0.8},
    {"patience": 0, "factor": 0.0, "min_lr": 0.01},
    {"patience": 0, "factor": 0.5, "min_lr": 0.9},
    {"patience": 1, "threshold": -0.1},
]


def metrics(seed, n=300):
    """Wandering, positive and negative, with what is no number and infinities among them."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=n).cumsum() * 0.3 + rng.normal()
    walk[rng.random(n) < 0.03] = np.nan
    walk[rng.random(n) < 0.01] = np.inf
    walk[rng.random(n) < 0.003] = -np.inf
    return walk.tolist()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("mode", "threshold_mode"), [*itertools.product(["min", "max"], ["rel", "abs"])]
)
def test_torch(mode, threshold_mode, settings):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    settings = {"mode": mode, "threshold_mode": threshold_mode, **settings}
    reduced = 0
    for seed in range(8):
        sgd = torch.optim.SGD([torch.zeros(1)], lr=0.5)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, **settings)
        ours = ReduceLROnPlateau(0.5, **settings)
        for metric in metrics(seed):
            theirs.step(metric)
            ours.update(metric)
            assert ours.lr == ours(17) == sgd.param_groups[0]["lr"]
            for name in ("best", "num_bad_epochs", "cooldown_counter"):
                assert getattr(ours, name) == getattr(theirs, name)
        reduced += ours.lr < 0.5
    assert reduced or settings.get("min_lr") == 0.9


def test_arguments_and_defaults_are_torch_s():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    import inspect

    shape = lambda f: [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
    assert shape(ReduceLROnPlateau)[1:] == shape(torch.optim.lr_scheduler.ReduceLROnPlateau)[1:]


def used():
    plateau = ReduceLROnPlateau(
        0.5, "max", 0.5, 2, threshold=0.2, threshold_mode="abs", cooldown=4, min_lr=0.01, eps=1e-6
    )
    for metric in (1.0, 2.0, 0.0, 0.0, 0.0, 0.0):
        plateau.update(metric)
    return plateau


def test_its_memory_stays_and_shows_the_change():
    plateau = used()
    segments = plateau.segments
    address = segments.ctypes.data
    assert plateau.lr == segments[0, 2] == 0.25
    for _ in range(20):
        plateau.update(0.0)
    assert plateau.lr == segments[0, 2] < 0.25
    plateau.load_state_dict(used().state_dict())
    assert plateau.lr == segments[0, 2] == 0.25
    assert plateau.segments is segments
    assert segments.ctypes.data == address
    with pytest.raises(ValueError, match="read-only"):
        segments[0, 2] = 1.0


def test_bounds():
    plateau = used()
    assert (plateau.low, plateau.high) == (0.01, 0.25)
    assert ReduceLROnPlateau(0.1, min_lr=0.5).low == 0.1


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        copy.copy,
        lambda p: pickle.loads(pickle.dumps(p)),
        lambda p: schedules.from_state_dict(p.state_dict()),
        lambda p: schedules.from_state_dict(json.loads(json.dumps(p.state_dict()))),
    ],
    ids=["deepcopy", "copy", "pickle", "state", "json"],
)
@pytest.mark.parametrize("make", [used, lambda: ReduceLROnPlateau(0.5)], ids=["used", "new"])
def test_copies_go_on_alike_and_on_their_own(copied, make):
    one = make()
    other = copied(one)
    assert type(other) is ReduceLROnPlateau
    assert other == one
    for metric in metrics(1):
        one.update(metric)
    assert one.lr < other.lr
    assert other != one
    for metric in metrics(1):
        other.update(metric)
    assert other == one


def test_loading_takes_over_arguments_too():
    plateau = ReduceLROnPlateau(0.1)
    plateau.load_state_dict(used().state_dict())
    assert plateau == used()
    assert repr(plateau) == (
        "ReduceLROnPlateau(lr=0.25, mode='max', factor=0.5, patience=2, threshold=0.2, "
        "threshold_mode='abs', cooldown=4, min_lr=0.01, eps=1e-06)"
    )


def test_numbers_of_other_libraries():
    plateau = ReduceLROnPlateau(np.float32(0.5), patience=np.int64(0), factor=0.5)
    for metric in (np.float32(1), np.array(2.0)):
        plateau.update(metric)
    assert plateau.lr == 0.25
    assert all(type(v) in (int, float, str) for k, v in plateau.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lr": -1.0}, ValueError, "lr is -1.0; expected a finite number >= 0"),
        ({"lr": "1"}, TypeError, "lr is '1'"),
        ({"mode": "Min"}, ValueError, "mode is 'Min'; expected one of 'min', 'max'"),
        ({"factor": 1.0}, ValueError, "factor is 1.0"),
        ({"factor": -0.1}, ValueError, "factor is -0.1"),
        ({"patience": -1}, ValueError, "patience is -1"),
        ({"patience": 1.5}, ValueError, "patience is 1.5"),
        ({"threshold": np.nan}, ValueError, "threshold is nan"),
        ({"threshold_mode": "relative"}, ValueError, "threshold_mode is 'relative'"),
        ({"cooldown": -1}, ValueError, "cooldown is -1"),
        ({"min_lr": -1}, ValueError, "min_lr is -1"),
        ({"min_lr": [0.1]}, TypeError, r"min_lr is \[0.1\]"),
        ({"eps": np.inf}, ValueError, "eps is inf"),
    ],
    ids=str,
)
def test_mistakes_are_named(arguments, error, message):
    with pytest.raises(error, match=f"ReduceLROnPlateau: {message}"):
        ReduceLROnPlateau(**{"lr": 0.1, **arguments})


@pytest.mark.parametrize("metric", [None, "good", [1.0, 2.0], 1j], ids=str)
def test_a_metric_that_is_no_number_changes_nothing(metric):
    plateau = used()
    with pytest.raises(TypeError, match="metric is"):
        plateau.update(metric)
    assert plateau == used()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best": np.nan}, "best is nan"),
        ({"best": "1"}, "best is '1'"),
        ({"num_bad_epochs": -1}, "num_bad_epochs is -1"),
        ({"cooldown_counter": 0.5}, "cooldown_counter is 0.5"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"mode": "both"}, "mode is 'both'"),
        ({"patience": None}, "patience is None"),
    ],
    ids=str,
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    plateau, d = used(), ReduceLROnPlateau(0.1).state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        plateau.load_state_dict({**d, **change})
    del d["best"]
    with pytest.raises(ValueError, match="the state has no best"):
        plateau.load_state_dict(d)
    assert plateau == used()
