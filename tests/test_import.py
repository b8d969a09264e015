"""What importing fastopt loads, and that its modules can be loaded in any order."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys

import pytest

import fastopt


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_alone_loads_nothing():
    heavy = ["numpy", "numba", "llvmlite", "matplotlib", "bokeh", "sympy", "torch"]
    found = run(f"import sys, fastopt; print([m for m in {heavy} if m in sys.modules])")
    assert found == "[]"


def test_using_fastopt_loads_no_extra():
    extras = ["matplotlib", "bokeh", "sympy", "torch", "typer", "rich", "sklearn", "numba_cuda"]
    step = "import sys, numpy, fastopt; w = numpy.ones(3); fastopt.SGD(w, lr=0.1).step(w.copy())"
    assert run(f"{step}; print([m for m in {extras} if m in sys.modules])") == "[]"


def test_every_name_is_there():
    assert len(fastopt.__all__) == len(set(fastopt.__all__))
    assert set(fastopt.__all__) <= set(dir(fastopt))
    assert all(getattr(fastopt, name) is not None for name in fastopt.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Adman'"):
        fastopt.Adman  # noqa: B018


def parts():
    found = pkgutil.walk_packages(fastopt.__path__, "fastopt.", onerror=lambda _: None)
    names = [m.name for m in found if not m.name.endswith("__main__")]
    one_of_many = {"fastopt.optimizers", "fastopt.wrappers", "fastopt.cli"}
    return [n for n in names if n.rpartition(".")[0] not in one_of_many]


NEEDS = {
    "fastopt.interop.torch": "torch",
    "fastopt.study.animation": "matplotlib",
    "fastopt.study.figures": "matplotlib",
    "fastopt.study.playground": "bokeh",
    "fastopt.study.playground.export": "matplotlib",
    "fastopt.device": "numba_cuda",
    "fastopt.drivers.cuda": "numba_cuda",
}


@pytest.mark.full
@pytest.mark.parametrize("name", parts())
def test_modules_load_in_any_order(name):
    for part, needed in NEEDS.items():
        if name.startswith(part):
            pytest.importorskip(needed)
    run(f"import {name}")


def test_submodules_are_attributes():
    assert run("import fastopt; print(fastopt.schedules.__name__)") == "fastopt.schedules"
    assert importlib.util.find_spec("fastopt.study") is None or run(
        "import fastopt; print(fastopt.study.__name__)"
    )
