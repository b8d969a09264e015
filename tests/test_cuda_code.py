"""What GPUs would run, made and looked at without one: PTX and machine code of the step kernels."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
from kinds import every_class, ordinary
from ptx.parser import parse
from ptx.text import module
from references import CLASSES, cases_of

import fastopt

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed (extra: cuda13)", allow_module_level=True)

from fastopt.drivers import bodies
from fastopt.drivers.cuda import machine_code, offline, statistics, toolkit

needs_disassembler = pytest.mark.skipif(
    toolkit.find("nvdisasm") is None, reason="nvdisasm is not installed (extra: cuda13)"
)

CAPABILITIES = ((7, 5), (8, 0), (9, 0), (10, 0))
# of these an ordinary run tries all capabilities, both widths and precisions
SHAPES = (fastopt.SGD, fastopt.AdamW, fastopt.Rprop, fastopt.LAMB, fastopt.ScheduleFreeAdamW)
EVERYTHING = list(itertools.product(CAPABILITIES, (np.float32, np.float64), (False, True)))
FIRST = (CAPABILITIES[2], np.float32, False)


def variant_of(cls, dtype, **hyperparameters):
    """For vectors, or for matrices where a class takes no others."""
    shape = (1,) if cls.dimensions in (None, 1) else (1, 1)
    return cls(np.ones(shape, dtype), **hyperparameters)._workspace.variant(0)


def code_of(cls, cc, dtype, wide, exact=False):
    variant = variant_of(cls, dtype, **cases_of(cls)[0].hyperparameters)
    return offline.compile_step(variant, cc, wide, exact), variant


def assert_well_made(cls, cc, dtype, wide):
    code, variant = code_of(cls, cc, dtype, wide)
    assert f".target sm_{cc[0]}{cc[1]}" in code.ptx
    if dtype == np.float32:
        assert ".f64" not in code.ptx
    assert toolkit.resources(code.linked.log).spills == 0
    # 16 bytes: pairs of float32 can be operands of 8
    vectors = ("v2.f64", "v2.b64", *(("v4.f32", "v4.b32") if dtype == np.float32 else ()))
    found = Counter(o.split(".")[0] for o in opcodes(code) if o.endswith(vectors))
    written = len(bodies.update(variant).closed)
    if wide:
        # as many vectors as arrays, or more where the loop is unrolled
        assert found["st"] >= written
        assert found["ld"] >= written
    else:
        assert not found
    if toolkit.find("nvdisasm") is not None:
        of = statistics.of_update(code, variant)
        own, size = (
            sum(p.storage.bytes_per_element() for p in variant.parts),
            variant.dtype.itemsize,
        )
        assert of.loaded == own + size
        assert of.stored == written * size
        assert of.widest == (128 if wide else 8 * size)
        if not variant.rule.measures:
            assert of.loaded + of.stored == variant.bytes_per_element()


def opcodes(code):
    return parse(code.ptx)[code.entry].opcodes()


_FUSED = ("FFMA", "DFMA")


def fused(listing):
    """Fused instructions of a kernel; those that add nothing are multiplications."""
    kernel = machine_code.kernel(listing)
    found = [i for i in kernel.instructions if i.name in _FUSED]
    return Counter(i.name for i in found if not i.operands.endswith("RZ"))


@cache
def fused_within(opcode, cc):
    """Those that an exact division or root is made of: the rest of a correction, which loses no bit."""
    kind = opcode.rsplit(".", 1)[1]
    r, size = ("f", 4) if kind == "f32" else ("fd", 8)
    operands = ", ".join(f"%{r}{i}" for i in range(1, 3 if opcode.startswith("div") else 2))
    text = module(
        f"""ld.param.u64 %rd1, [a]; ld.global.{kind} %{r}1, [%rd1]; ld.global.{kind} %{r}2, [%rd1+{size}];
        {opcode} %{r}3, {operands}; st.global.{kind} [%rd1+{2 * size}], %{r}3; ret;""",
        ".param .u64 a",
    ).replace("sm_90", f"sm_{cc[0]}{cc[1]}")
    return fused(toolkit.disassemble(toolkit.link(text.encode(), cc).code))


def assert_nothing_is_fused(code):
    found = opcodes(code)
    names = ("add", "sub", "mul")
    arithmetic = [o for o in found if o.split(".")[0] in names and o.endswith(("f32", "f64"))]
    assert not [o for o in found if o.startswith(("fma", "mad.rn"))]
    # rounded each for itself: whoever makes machine code of this PTX may not fuse either
    assert arithmetic
    assert all(".rn." in o for o in arithmetic)
    if toolkit.find("nvdisasm") is not None:
        expected = Counter()
        for opcode in found:
            if opcode.split(".")[0] in ("div", "sqrt", "rcp"):
                expected += fused_within(opcode, code.cc)
        assert fused(toolkit.disassemble(code.cubin)) == expected


@every_class
def test_every_optimizer(cls):
    assert_well_made(cls, *FIRST)
    assert_nothing_is_fused(code_of(cls, *FIRST, exact=True)[0])


@pytest.mark.parametrize(("cc", "dtype", "wide"), [e for e in EVERYTHING if e != FIRST])
@pytest.mark.parametrize("cls", [ordinary(c, when=c in SHAPES) for c in CLASSES])
def test_everything(cls, cc, dtype, wide):
    assert_well_made(cls, cc, dtype, wide)
    assert_nothing_is_fused(code_of(cls, cc, dtype, wide, exact=True)[0])


@needs_disassembler
def test_default_code_is_fused():
    code, _ = code_of(fastopt.AdamW, (9, 0), np.float32, False)
    assert any(o.startswith("fma.rn") for o in opcodes(code))
    exact, _ = code_of(fastopt.AdamW, (9, 0), np.float32, False, exact=True)
    more, fewer = (fused(toolkit.disassemble(c.cubin)).total() for c in (code, exact))
    assert more > fewer


# ---- the tools ------------------------------------------------------------------------------------


def test_unknown_capabilities():
    for cc in ((3, 0), (9, 1), (99, 0)):
        with pytest.raises(ValueError, match=rf"compute capability {cc[0]}\.{cc[1]}"):
            assert code_of(fastopt.SGD, cc, np.float32, False)[0].cubin


def test_the_linker_says_what_it_refuses():
    text = module("ret;").replace("ret;", "rot;")
    with pytest.raises(RuntimeError, match="rot"):
        toolkit.link(text.encode(), (9, 0))


def test_no_disassembler(monkeypatch):
    code, _ = code_of(fastopt.SGD, *FIRST)
    monkeypatch.setattr(toolkit, "find", lambda name: None)
    with pytest.raises(toolkit.MissingTool, match=r'pip install "fastopt\[cuda1\d\]"'):
        toolkit.disassemble(code.cubin)
