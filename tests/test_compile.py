"""What is compiled, how well, how often, and what the next process finds."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest
from kinds import ONE_OF_EACH_KIND, ordinary
from llvmlite import ir
from loops import innermost_loop
from references import CLASSES, cases_of

import fastopt
from fastopt import measure
from fastopt.drivers import bodies, compile, cpu, machine, steps, tile
from fastopt.variant import ROWS


def variants():
    """All in float32, and one of each kind in float64: those that other tests compile as well."""
    for cls in CLASSES:
        for dtype in (np.float32, np.float64):
            found = [
                cls(np.ones(1, dtype), **case.hyperparameters)._workspace.variant(0)
                for case in cases_of(cls)
            ]
            for variant in dict.fromkeys(found):
                wide = cls in ONE_OF_EACH_KIND and variant == found[0]
                yield ordinary(variant, when=dtype == np.float32 or wide)


@functools.cache
def preferred_bits():
    """The width that LLVM's cost model chooses for a plain loop on this processor."""
    import numba

    @numba.njit(error_model="numpy")
    def multiply(a, b):
        for i in range(a.size):
            a[i] = a[i] * b[i]

    multiply(np.ones(8, np.float32), np.ones(8, np.float32))
    return measure.vector_bits("\n".join(multiply.inspect_asm().values()))


@pytest.mark.parametrize("variant", list(variants()), ids=lambda v: v.name.rsplit(".", 1)[-1])
def test_packed_arithmetic_and_no_promotion(variant):
    assembly = measure.step_assembly(variant)
    bits = measure.vector_bits(assembly)
    assert bits >= preferred_bits()
    if "avx2" in llvm.get_host_cpu_features() and llvm.get_host_cpu_features()["avx2"]:
        assert bits >= 256
    loop = innermost_loop(assembly, "ps" if variant.dtype == np.float32 else "pd")
    if variant.dtype == np.float32:
        assert not re.search(r"\bv?(mul|add|sub|div|sqrt|cvt)\w*[sp]d\b", loop), loop
        assert "cvtss2sd" not in loop
        assert "cvtps2pd" not in loop


OPTIONED = [
    (fastopt.AdamW, {"clip_value", "zero_grads", "monitor"}),
    (fastopt.LAMB, {"clip_value", "zero_grads"}),
    (fastopt.SGD, {"propose"}),
]


@pytest.mark.parametrize(
    ("cls", "options"), OPTIONED, ids=lambda v: getattr(v, "__name__", None) or "-".join(sorted(v))
)
def test_options_keep_loops_packed_and_single(cls, options):
    opt = cls(np.ones(1, np.float32), lr=0.1, ema_decay=0.9, bounds=(-1, 1))
    test_packed_arithmetic_and_no_promotion(
        dataclasses.replace(opt._workspace.variant(0), options=frozenset(options))
    )


def test_rows_are_asked_for_on_every_processor():
    """No stream leads to them; in the loops of whole arrays it depends on the processor."""
    opt = fastopt.Adam(np.ones((2, 2), np.float32))
    variant = dataclasses.replace(opt._workspace.variant(0), options=frozenset({ROWS}))
    asked = re.findall(r"\bprefetch\w+\s|\bprfm\s", measure.step_assembly(variant))
    assert len(asked) >= 3  # parameters and both slots


def test_the_generated_loop_is_readable():
    opt = fastopt.AdamW(np.ones(1, np.float32))
    variant = opt._workspace.variant(0)
    text = "\n".join(tile.source(variant, bodies.update(variant)))
    assert "p[i], (s0[i], s1[i], _) = update(" in text
    assert "for i in range(m):" in text


# ---- denormals -----------------------------------------------------------------------------------


def assembly_for(triple, mattr=""):
    """The flush and restore code for a processor that need not be this one."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    before = machine.emit_flush(builder, triple)
    machine.emit_restore(builder, triple, before)
    builder.ret_void()
    target = llvm.Target.from_triple(triple).create_target_machine(opt=2)
    return target.emit_assembly(llvm.parse_assembly(str(module)))


def test_flush_to_zero_is_emitted_and_undone():
    x86 = assembly_for("x86_64-unknown-linux-gnu")
    assert x86.count("ldmxcsr") == 2
    assert re.search(r"or[lw]?\s+\$32832", x86), "0x8040: flush to zero, denormals are zero"
    try:
        arm = assembly_for("aarch64-unknown-linux-gnu")
    except RuntimeError as error:
        pytest.skip(f"this llvmlite has no aarch64 target: {error}")
    assert arm.lower().count("msr\tfpcr") == 2
    assert "#0x1000000" in arm.lower(), "bit 24: flush to zero"


def test_denormals_are_flushed_inside_and_only_inside():
    tiny = np.float32(1e-40)
    p = np.zeros(70_000, np.float32)
    opt = fastopt.Momentum(p, lr=1.0, momentum=0.5, form="ema")
    opt.state[0]["momentum_buffer"][:] = tiny
    for shares in (1, 2):
        opt._runner.force_shares(shares)
        opt.step(np.zeros(70_000, np.float32))
        assert not np.any(opt.state[0]["momentum_buffer"])
        assert tiny / np.float32(2) > 0, "this thread's mode was not put back"
        opt.state[0]["momentum_buffer"][:] = tiny


# ---- the cache -----------------------------------------------------------------------------------


def run_python(code, cache, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTOPT_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


STEP = """
import numpy as np, fastopt
from numba.core import event
p = np.ones(100, np.float32)
with event.install_recorder("numba:run_pass") as passes:
    fastopt.AdamW(p).step(p.copy())
print(len(passes.buffer))
"""


def test_the_next_process_compiles_nothing_and_mends_what_is_damaged(tmp_path):
    first = run_python(STEP, tmp_path)
    assert int(first.stdout) > 0, first.stderr
    files = sorted(f.name for f in tmp_path.iterdir())
    assert files
    again = run_python(STEP, tmp_path)
    assert int(again.stdout) == 0, again.stderr
    assert sorted(f.name for f in tmp_path.iterdir()) == files
    for entry in tmp_path.iterdir():
        entry.write_bytes(b"damaged")
    mending = run_python(STEP, tmp_path)
    assert int(mending.stdout) > 0
    assert (mending.returncode, mending.stderr) == (0, "")
    assert int(run_python(STEP, tmp_path).stdout) == 0


RULE = """
import numpy as np, fastopt
class Plain(fastopt.Optimizer):
    def __init__(self, params, lr=0.5):
        super().__init__(params, lr=lr)
    @staticmethod
    def coefficients(h, t):
        return (h["lr"] * {factor},)
    @staticmethod
    def update(c, p, g, s):
        (lr,) = c
        return p - lr * g, ()
p = np.zeros(2)
Plain(p).step(np.ones(2))
print(p[0])
"""


def test_an_edited_rule_is_compiled_again(tmp_path):
    script = tmp_path / "rule.py"
    cache = tmp_path / "cache"
    count = set()
    for factor in (1, 2, 1):
        script.write_text(RULE.format(factor=factor))
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "FASTOPT_CACHE_DIR": str(cache)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert float(done.stdout) == -0.5 * factor, done.stderr
        count.add(len(list(cache.iterdir())))
    assert len(count) == 1, "the folder grows from edit to edit"


ALIKE = """
import sys, numpy as np, fastopt
def rule(name, sign):
    class Rule(fastopt.Optimizer):
        def __init__(self, params, lr=1.0):
            super().__init__(params, lr=lr)
        @staticmethod
        def coefficients(h, t):
            return (h["lr"],)
    if sign == "A":
        def update(c, p, g, s):
            return p - c[0] * g, ()
    else:
        def update(c, p, g, s):
            return p + c[0] * g + c[0] * g, ()
    Rule.update = staticmethod(update)
    Rule.__qualname__ = name
    return Rule
for name in sys.argv[1]:
    for shares in (1, 2):
        w = np.array([10.0])
        opt = rule(name, name)(w)
        opt._runner.force_shares(shares)
        opt.step(np.array([1.0]))
        assert w[0] == {"A": 9, "B": 12}[name], (name, shares, w)
"""


def test_loaded_and_compiled_kernels_are_not_confused(tmp_path):
    """Numba counts functions from the same number in every process, and names their code by it."""
    for order in ("A", "BA", "AB", "B", "BA"):
        done = subprocess.run(
            [sys.executable, "-c", ALIKE, order],
            env={**os.environ, "FASTOPT_CACHE_DIR": str(tmp_path)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (order, done.stderr[-500:])


def test_unwritable_cache_works_silently(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = run_python(STEP, tmp_path / "file" / "below")
    assert done.returncode == 0
    assert done.stderr == ""


def test_digest_covers_what_a_rule_is_made_of():
    def make(constant, helper):
        def f(h, t):
            return helper(h) * constant

        return f

    one, two = (lambda x: x + 1), (lambda x: x + 2)
    assert compile.digest(make(1, one)) == compile.digest(make(1, one))
    assert compile.digest(make(1, one)) != compile.digest(make(2, one))
    assert compile.digest(make(1, one)) != compile.digest(make(1, two))


def test_what_is_compiled_ahead_is_what_a_step_calls():
    opt = fastopt.AdamW([np.ones(3, np.float32), np.ones((2, 2), np.float32)])
    for driver in (cpu.SERIAL, cpu.PARALLEL):
        kernel = cpu.step(opt._workspace.variant(0), driver)
        kernel.compile(cpu.step_signature(opt._workspace.variant(0)))
        opt._runner.force_shares(1 if driver == cpu.SERIAL else 2)
        opt.step([np.ones(3, np.float32), np.ones((2, 2), np.float32)])
        assert len(kernel.signatures) == 1


def test_parts_of_kernels_refuse_calls_from_python():
    """Without a wrapper for Python there is no code to jump to, also once they are compiled."""
    fastopt.SGD(np.ones(3), lr=0.1).step(np.ones(3))
    with pytest.raises(TypeError, match="which only compiled code can call"):
        steps.first_row(np.zeros((1, 5), np.int64), 0, 1)


def test_kernels_are_shared_between_optimizers_of_a_variant():
    a = fastopt.AdamW(np.ones(3))._workspace.variant(0)
    b = fastopt.AdamW([np.ones(5), np.ones((2, 2))], lr=0.5)._workspace.variant(1)
    assert a == b
    assert cpu.step(a, cpu.SERIAL) is cpu.step(b, cpu.SERIAL)


def test_digest_covers_modules_jitted_helpers_and_arrays():
    import types

    import numba

    def variant_of(constant, factor, table):
        config = types.ModuleType("config")
        config.K = constant

        def scale(x):
            return x * factor

        jitted = numba.njit(scale)
        space = {"config": config, "scale": jitted, "TABLE": table}
        exec("def f(h, t):\n    return (scale(h) * config.K * TABLE[2500],)", space)
        return compile.digest(space["f"])

    table, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    base = variant_of(1, 2, table)
    assert variant_of(1, 2, table.copy()) == base
    assert (
        len({base, variant_of(5, 2, table), variant_of(1, 5, table), variant_of(1, 2, other)}) == 4
    )
