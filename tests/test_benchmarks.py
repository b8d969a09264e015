"""The benchmarks: that suites are found and run, that peers compute the same, that the page says what was measured."""

from __future__ import annotations

import inspect
import json
import math
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fastopt
from benchmarks import contenders, roofline, shapes, suites
from benchmarks.suites.measured import Measured

ROOT = Path(__file__).parent.parent


def modules():
    for found in pkgutil.iter_modules(suites.__path__):
        yield import_module(f"benchmarks.suites.{found.name}")


def classes():
    for module in modules():
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__:
                yield cls


SUITES = [cls for cls in classes() if issubclass(cls, Measured) and not inspect.isabstract(cls)]
SLOW = {"FirstStep"}  # a process that compiles


def smallest(cls):
    """A case that is small, with kernels that other tests use too."""
    chosen = []
    for values in getattr(cls, "params", ()):
        liked = [v for v in ("AdamW", "NumPy, buffers", "1,024") if v in values]
        chosen.append(liked[0] if liked else values[0])
    return chosen


@pytest.mark.parametrize(
    "cls",
    [pytest.param(c, marks=pytest.mark.full if c.__name__ in SLOW else ()) for c in SUITES],
    ids=lambda c: c.__name__,
)
def test_every_suite_measures_its_smallest_case(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.timing._SECONDS", 1e-5)
    for name, of_network in shapes.NETWORKS.items():
        monkeypatch.setitem(shapes.NETWORKS, name, shapes.shrunk(of_network))
    case = smallest(cls)
    suite = cls()
    try:
        suite.setup(*case)
    except NotImplementedError as why:  # there is no device, or no peer
        pytest.skip(str(why))
    tracks = [name for name in dir(cls) if name.startswith("track_")]
    assert tracks
    for name in tracks:
        value = getattr(suite, name)(*case)
        assert math.isfinite(value)
        assert value > 0
        assert getattr(cls, name).unit
    kept = list(tmp_path.glob("*.json"))
    again = cls()
    monkeypatch.setattr(again, "measure", None)  # it is not measured again
    again.setup(*case)
    assert again.results == suite.results
    assert len(kept) == 1


def test_asv_finds_the_suites_with_nothing_but_the_package():
    """As asv does: the folder of suites is a package of its own, and the repository is not on the path."""
    program = """
import importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import suites
names = [found.name for found in pkgutil.iter_modules(suites.__path__)]
for name in names:
    importlib.import_module("suites." + name)
print(json.dumps([names, sorted({"rich", "torch", "jax", "matplotlib", "sklearn"} & set(sys.modules))]))
"""
    installed = str(Path(fastopt.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "benchmarks")],
        capture_output=True, text=True, check=True, cwd=ROOT / "docs",
        env={"PATH": "", "PYTHONPATH": installed},
    )  # fmt: skip
    names, extras = json.loads(done.stdout)
    assert set(names) == {module.__name__.rpartition(".")[2] for module in modules()}
    assert not extras


def test_every_optimizer_is_measured():
    throughput = import_module("benchmarks.suites.throughput").EveryOptimizer
    assert set(throughput.params[0]) == set(fastopt.optimizers.__all__)


def test_configuration_names_the_suites():
    found = json.loads((ROOT / "asv.conf.json").read_text())
    assert (ROOT / found["benchmark_dir"] / "__init__.py").is_file()


@pytest.mark.parametrize(
    ("name", "tensors", "numbers"),
    [
        ("ResNet-50", 161, 25_557_032),
        ("BERT-base", 199, 109_482_240),
        ("GPT-2 small", 148, 124_439_808),
    ],
)
def test_networks_have_their_known_sizes(name, tensors, numbers):
    of_network = shapes.NETWORKS[name]
    assert (len(of_network), sum(math.prod(s) for s in of_network)) == (tensors, numbers)
    assert shapes.SOURCES[name]


HEAVY = {name for name in contenders.CONTENDERS if name.startswith(("DeepSpeed", "bitsandbytes"))}


@pytest.mark.filterwarnings("ignore")  # other libraries' imports
@pytest.mark.parametrize(
    "who",
    [
        pytest.param(name, marks=pytest.mark.full if name in HEAVY else ())
        for name in contenders.CONTENDERS
        if name not in ("fastopt", "twin")
    ],
)
def test_peers_compute_the_same(who, monkeypatch):
    monkeypatch.setattr(contenders, "RATE", 1e-3)
    rng = np.random.default_rng(0)
    start, gradient = (rng.normal(size=8192).astype(np.float32) for _ in range(2))
    own = contenders.CONTENDERS["fastopt"](start.copy(), gradient)
    try:
        other = contenders.CONTENDERS[who](start.copy(), gradient)
    except contenders.Absent as why:
        pytest.skip(str(why))
    for _ in range(3):
        own.step()
        other.step()
    found, expected = np.asarray(other.parameters()), own.parameters()
    assert found.dtype == np.float32
    # parameters of up to 4 are rounded to 2.4e-7, in each of three steps; eight bits round the averages
    tolerance = 3e-3 if who == contenders.EIGHT_BIT else 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert np.abs(found - start).max() > 1e-3


@pytest.mark.parametrize("name", fastopt.optimizers.__all__)
def test_operations_are_counted(name):
    assert roofline.operations(name) > 0


def test_threads_are_pinned_together():
    program = (
        "import benchmarks, os; print(os.environ['OMP_NUM_THREADS'], os.environ['PJRT_NPROC'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PATH": "", "NUMBA_NUM_THREADS": "1", "PJRT_NPROC": "2"},
    )  # fmt: skip
    assert done.stdout.split() == ["1", "2"]  # what is set is left alone
