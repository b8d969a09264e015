"""``fastopt ptx``, where the compiler for GPUs is installed."""

from __future__ import annotations

import importlib.util
import re

import pytest
from test_cli import said_here

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed (extra: cuda13)", allow_module_level=True)

from fastopt.drivers.cuda import toolkit


def test_ptx():
    said = said_here("ptx", "AdamW", "--cc", "8.0")
    assert ".target sm_80" in said
    assert ".entry adamw_float32(" in said
    assert "fma.rn" in said
    assert ".v4." not in said


def test_exact_and_wide():
    said = said_here("ptx", "AdamW", "--exact", "--wide", "--dtype", "float64")
    assert ".target sm_90" in said
    assert "fma" not in said
    assert "ld.global.v2.f64" in said


@pytest.mark.skipif(toolkit.find("nvdisasm") is None, reason="nvdisasm is not installed")
def test_machine_code_and_statistics():
    assert "LDG.E.128" in said_here("ptx", "AdamW", "--wide", "--sass")
    said = said_here("ptx", "AdamW", "--stats")
    for what, number in (
        ("bytes spilled per thread", "0"),
        ("bytes loaded per element", "16"),
        ("bytes of a step per element", "28"),
        ("H100 SXM", r"9\.0 . 3,350 .\s+8\.4"),
        ("T4", r"7\.5 .\s+320 .\s+87\.5"),
    ):
        assert re.search(rf"{what}\s+.\s+{number} ", said), what


@pytest.mark.parametrize("cc", ["3.0", "9.1"])
def test_unknown_capabilities(cc):
    said = said_here("ptx", "SGD", "--cc", cc, "--sass", code=1)
    assert f"compute capability {cc}" in said


def test_no_simulator(monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert "unset it" in said_here("ptx", "SGD", code=1)
