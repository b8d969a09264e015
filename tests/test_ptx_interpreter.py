"""The interpreter of PTX itself: opcode by opcode against exact arithmetic, and threads, memory, errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from ptx import Memory, MemoryFault, PtxError, launch, parse
from ptx.text import computed, module, only, run

HARD = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -3e-42,
    1.2e-38,
    3.4e38,
    1 + 2**-23,
    0.1,
]


def numbers(dtype, count=400, seed=0):
    """Of any size, with the hard ones among them."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 1 << 8 * np.dtype(dtype).itemsize, count, np.uint64)
    drawn = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    return np.concatenate([np.array(HARD, dtype), drawn, rng.normal(size=count).astype(dtype)])


def pairs(dtype):
    hard = np.array(HARD, dtype)
    x, y = (a.ravel() for a in np.meshgrid(hard, hard))
    return np.concatenate([x, numbers(dtype, seed=1)]), np.concatenate([y, numbers(dtype, seed=2)])


def assert_same_numbers(found, expected):
    expected = np.asarray(expected, found.dtype)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(
        found[~nan].view(f"u{found.itemsize}"), expected[~nan].view(f"u{found.itemsize}")
    )


# ---- arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize(
    ("opcode", "function"),
    [
        ("add.rn", np.add), ("sub", np.subtract), ("mul.rn", np.multiply), ("div.rn", np.divide),
        ("copysign", lambda x, y: np.copysign(y, x)),
    ],
)  # fmt: skip
def test_two_operands(kind, opcode, function):
    x, y = pairs(kind[0] + str(int(kind[1:]) // 8))
    with np.errstate(all="ignore"):
        assert_same_numbers(computed(f"{opcode}.{kind}", (kind, x), (kind, y)), function(x, y))


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize(
    ("opcode", "function"),
    [("sqrt.rn", np.sqrt), ("rcp.rn", lambda x: 1 / x), ("neg", np.negative), ("abs", np.abs)],
)
def test_one_operand(kind, opcode, function):
    x = numbers("f4" if kind == "f32" else "f8")
    with np.errstate(all="ignore"):
        assert_same_numbers(computed(f"{opcode}.{kind}", (kind, x)), function(x))


def exact_fma(x, y, z, dtype):
    """By rational numbers; their quotient to double is correctly rounded, to single by hand."""
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    if dtype == np.float64:
        return float(exact)
    near = np.float32(float(exact))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]

    def distance(a):
        return abs(Fraction(float(a)) - exact), int(np.float32(a).view(np.uint32)) & 1

    return min((a for a in around if np.isfinite(a)), key=distance)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_fma_rounds_once(kind):
    dtype = np.dtype("f4" if kind == "f32" else "f8")
    rng = np.random.default_rng(3)
    x, y = (rng.normal(size=2000).astype(dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        # sums that cancel, and sums that lie next to halfway between two numbers
        z = np.where(rng.random(2000) < 0.5, -x * y, rng.normal(size=2000) * 2.0 ** rng.integers(-60, 60, 2000)).astype(dtype)  # fmt: skip
        tiny = dtype.type(2.0**-70 if kind == "f32" else 2.0**-530)
        x[::7] *= tiny
        y[::7] *= tiny
        z[::7] *= tiny * tiny
    expected = [exact_fma(*v, dtype) for v in zip(x, y, z, strict=True)]
    found = computed(f"fma.rn.{kind}", (kind, x), (kind, y), (kind, z))
    zero = np.asarray(expected) == 0  # a rational zero has no sign
    assert np.all(found[zero] == 0)
    assert_same_numbers(found[~zero], np.asarray(expected, dtype)[~zero])


def test_fma_is_not_rounded_twice():
    # the exact sum is just above halfway; rounding it to double first puts it onto halfway
    x, y, z = np.float32(1 + 2**-12), np.float32(1 + 2**-12), np.float32(2**-80)
    (found,) = computed("fma.rn.f32", ("f32", [x]), ("f32", [y]), ("f32", [z]))
    assert found == np.float32(1 + 2**-11 + 2**-23)
    assert np.float32(np.float64(x) * np.float64(y) + np.float64(z)) == np.float32(1 + 2**-11)


def test_fma_of_numbers_that_are_not_finite():
    x, y = pairs("f4")
    z = numbers("f4", seed=5)[: len(x)]
    x, y = x[: len(z)], y[: len(z)]
    with np.errstate(all="ignore"):
        apart = np.float64(x) * np.float64(y) + np.float64(z)
    found = computed("fma.rn.f32", ("f32", x), ("f32", y), ("f32", z))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(apart))
    infinite = np.isinf(apart)
    np.testing.assert_array_equal(found[infinite], apart[infinite])


def test_flush_to_zero_is_a_modifier():
    tiny = np.array([1e-45, -1e-40, 1e-38, 2e-38], "f4")
    one = np.ones(4, "f4")
    assert_same_numbers(computed("mul.rn.f32", ("f32", tiny), ("f32", one)), tiny)
    assert_same_numbers(
        computed("mul.rn.ftz.f32", ("f32", tiny), ("f32", one)), np.array([0, -0.0, 0, 2e-38], "f4")
    )


def test_min_and_max():
    x, y = pairs("f4")
    with np.errstate(invalid="ignore"):
        assert_same_numbers(computed("min.NaN.f32", ("f32", x), ("f32", y)) + 0, np.minimum(x, y) + 0)  # fmt: skip
        assert_same_numbers(computed("max.f32", ("f32", x), ("f32", y)) + 0, np.fmax(x, y) + 0)
    zeros = ("f32", [0.0, -0.0]), ("f32", [-0.0, 0.0])
    assert np.signbit(computed("min.f32", *zeros)).all()
    assert not np.signbit(computed("max.f32", *zeros)).any()


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons(name, ordered):
    x, y = pairs("f8")
    out = np.zeros(len(x), "u4")
    suffix = "" if ordered else "u"
    run(
        f"""shl.b64 %rd10, %rd39, 3; add.s64 %rd11, %rd10, %rd0; add.s64 %rd12, %rd10, %rd1;
        ld.global.f64 %fd1, [%rd11]; ld.global.f64 %fd2, [%rd12];
        setp.{name}{suffix}.f64 %p1, %fd1, %fd2; selp.u32 %r1, 1, 0, %p1;
        shl.b64 %rd13, %rd39, 2; add.s64 %rd13, %rd13, %rd2; st.global.u32 [%rd13], %r1;""",
        x, y, out,
    )  # fmt: skip
    either = np.isnan(x) | np.isnan(y)
    plain = getattr(np, {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}[name])(x, y)  # fmt: skip
    np.testing.assert_array_equal(out.astype(bool), plain & ~either if ordered else plain | either)


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64"])
def test_integers(kind):
    bits = int(kind[1:])
    rng = np.random.default_rng(4)
    dtype = np.dtype(f"{'i' if kind[0] == 's' else 'u'}{bits // 8}")
    x, y = (rng.integers(0, 1 << 64, 200, np.uint64).astype(f"u{bits // 8}").view(dtype) for _ in range(2))  # fmt: skip
    a, b = [int(v) for v in x], [int(v) for v in y]

    def wrapped(values):
        low = [v % (1 << bits) for v in values]
        return np.array(low, np.uint64).astype(f"u{bits // 8}").view(dtype)

    both = list(zip(a, b, strict=True))
    for opcode, expected in {
        "add": [u + v for u, v in both],
        "sub": [u - v for u, v in both],
        "mul.lo": [u * v for u, v in both],
        "mul.hi": [u * v >> bits for u, v in both],
        "min": [min(u, v) for u, v in both],
        "rem": [abs(u) % abs(v) * (-1 if u < 0 else 1) for u, v in both],
        "div": [abs(u) // abs(v) * (-1 if (u < 0) != (v < 0) else 1) for u, v in both],
    }.items():
        found = computed(f"{opcode}.{kind}", (kind, x), (kind, y))
        np.testing.assert_array_equal(found, wrapped(expected), err_msg=opcode)
    by = rng.integers(0, 2 * bits, 200).astype("u4")
    shifted = [u >> int(n) for u, n in zip(a, by, strict=True)]
    np.testing.assert_array_equal(computed(f"shr.{kind}", (kind, x), ("u32", by)), wrapped(shifted))
    left = [u << int(n) for u, n in zip(a, by, strict=True)]
    np.testing.assert_array_equal(
        computed(f"shl.b{bits}", (kind, x), ("u32", by), result=kind), wrapped(left)
    )


def test_conversions():
    x = np.array([1.5, 2.5, -2.5, 1e10, -1e10, np.nan, np.inf], "f4")
    np.testing.assert_array_equal(
        computed("cvt.rzi.s32.f32", ("f32", x), result="s32"),
        [1, 2, -2, 2**31 - 1, -(2**31), 0, 2**31 - 1],
    )
    np.testing.assert_array_equal(
        computed("cvt.rni.s32.f32", ("f32", x[:3]), result="s32"), [2, 2, -2]
    )
    i = np.array([-1, 16_777_217, 2**31 - 1], "i4")
    assert_same_numbers(computed("cvt.rn.f32.s32", ("s32", i), result="f32"), i.astype("f4"))
    np.testing.assert_array_equal(computed("cvt.s64.s32", ("s32", i), result="s64"), i)
    np.testing.assert_array_equal(
        computed("cvt.u64.u32", ("u32", i.view("u4")), result="u64"), i.view("u4")
    )
    tiny = np.array([1e-40, -1e-40], "f4")
    assert_same_numbers(computed("cvt.ftz.f64.f32", ("f32", tiny), result="f64"), [0.0, -0.0])
    assert_same_numbers(computed("cvt.rn.ftz.f32.f64", ("f64", tiny), result="f32"), [0.0, -0.0])
    wide = np.array([0.1, 1e300, 1e-300], "f8")
    with np.errstate(all="ignore"):
        assert_same_numbers(computed("cvt.rn.f32.f64", ("f64", wide), result="f32"), wide.astype("f4"))  # fmt: skip


# ---- threads ----------------------------------------------------------------------------------------


def test_threads_part_and_meet_again():
    """Each thread goes around a loop as often as its number says; then all of them shuffle."""
    out = np.zeros(64, "u4")
    report = run(
        """mov.u32 %r1, 0; mov.u32 %r2, 0;
        setp.eq.u32 %p1, %r39, 0;
        @%p1 bra $L_end;
        $L_loop: add.s32 %r1, %r1, 2; add.s32 %r2, %r2, 1;
        setp.lt.u32 %p2, %r2, %r39;
        @%p2 bra $L_loop;
        $L_end: shfl.sync.down.b32 %r3|%p3, %r1, 1, 31, -1;
        shl.b64 %rd1, %rd39, 2; add.s64 %rd1, %rd1, %rd0; st.global.u32 [%rd1], %r3;""",
        out,
    )
    expected = 2 * np.arange(64) + 2
    expected[31::32] -= 2  # the last of a warp keeps its own
    np.testing.assert_array_equal(out, expected)
    assert report.executed["shfl.sync.down.b32"] == 64
    assert (report.loaded, report.stored) == (0, 256)


def test_a_barrier_orders_shared_memory():
    """Every thread reads what the last thread of its block wrote."""
    out = np.zeros(96, "u4")
    body = """mov.u64 %rd1, cell; setp.ne.u32 %p1, %r39, 31; @%p1 bra $L_wait;
        add.s32 %r1, %r37, 7; st.shared.u32 [%rd1+4], %r1;
        $L_wait: bar.sync 0;
        ld.shared.u32 %r2, [%rd1+4];
        shl.b64 %rd2, %rd39, 2; add.s64 %rd2, %rd2, %rd0; st.global.u32 [%rd2], %r2;"""
    run(body, out, block=32, shared=".shared .align 4 .b8 cell[8];")
    np.testing.assert_array_equal(out, np.repeat([7, 8, 9], 32))


def test_shuffles_need_the_whole_warp():
    body = """setp.lt.u32 %p1, %r39, 5; @%p1 bra $L_end;
        shfl.sync.bfly.b32 %r3, %r39, 1, 31, -1;
        $L_end:"""
    with pytest.raises(PtxError, match="not all threads"):
        run(body, np.zeros(32, "u4"))


def test_predicates_guard_single_instructions():
    out = np.zeros(8, "f4")
    run(
        """shl.b64 %rd1, %rd39, 2; add.s64 %rd1, %rd1, %rd0; and.b32 %r1, %r39, 1;
        setp.eq.u32 %p1, %r1, 1; mov.f32 %f1, 0f40000000;
        @%p1 mov.f32 %f1, 0f3F800000;
        @!%p1 st.global.f32 [%rd1], %f1;""",
        out,
    )
    np.testing.assert_array_equal(out, [2, 0] * 4)


def test_vectors_pack_and_unpack():
    x, out = np.arange(8, dtype="f4"), np.zeros(8, "f4")
    run(
        """shl.b64 %rd2, %rd39, 4; add.s64 %rd3, %rd2, %rd0; add.s64 %rd4, %rd2, %rd1;
        ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd3];
        mov.b64 %rd5, {%f4, %f3}; mov.b64 {%r1, %r2}, %rd5; mov.b32 %f5, %r1; mov.b32 %f6, %r2;
        st.global.v4.f32 [%rd4], {%f5, %f6, %f2, %f1};""",
        x, out, threads=2,
    )  # fmt: skip
    np.testing.assert_array_equal(out, [3, 2, 1, 0, 7, 6, 5, 4])


# ---- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "instruction",
    ["add.rm.f32 %f1, %f2, %f3", "div.full.f32 %f1, %f2, %f3", "sqrt.approx.f32 %f1, %f2", "fma.f32 %f1, %f2, %f3, %f4",
     "atom.global.add.f32 %f1, [%rd1], %f2", "frobnicate.b32 %r1, %r2", "add.s32 %r1, %r2", "add.s32 %r1, %r2, %zz",
     "ld.global.evict.f32 %f1, [%rd1]", "bra $L_nowhere", "mov.u32 %r1, %clock"],
)  # fmt: skip
def test_unknown_instructions(instruction):
    with pytest.raises(PtxError):
        run(f"{instruction};", np.zeros(1, "f4"))


def test_no_text_of_a_module():
    with pytest.raises(PtxError, match="expected the text of a PTX module"):
        parse("hello")


def load_at(offset, what="ld.global.f32 %f1", first="%rd0"):
    return f"shl.b64 %rd2, %rd39, 2; add.s64 %rd2, %rd2, {first}; {what}, [%rd2+{offset}];"


@pytest.mark.parametrize("offset", [-4, 4, 1 << 40])
def test_memory_outside(offset):
    a = np.zeros(64, "f4")
    with pytest.raises(MemoryFault, match="outside of every array"):
        run(load_at(offset), a[32:], threads=32)


def test_misaligned_memory():
    a = np.zeros(8, "f4")
    with pytest.raises(MemoryFault, match="not divisible by 4"):
        run(load_at(2), a, threads=1)
    with pytest.raises(MemoryFault, match="not divisible by 16"):
        run("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd0+4];", a, threads=1)


def test_read_only_memory():
    a = np.zeros(4, "f4")
    a.flags.writeable = False
    with pytest.raises(MemoryFault, match="may only be read"):
        run("st.global.f32 [%rd0], 0f00000000;", a, threads=1)


@pytest.mark.parametrize("value", ["%r39", "5"])
def test_threads_that_write_one_address(value):
    with pytest.raises(MemoryFault, match="two threads"):
        run(f"st.global.u32 [%rd0], {value};", np.zeros(1, "u4"), threads=32)


def neighbours(between, block):
    """Each thread writes its place in memory and reads the next one's."""
    body = f"""shl.b64 %rd2, %rd39, 2; add.s64 %rd2, %rd2, %rd0; st.global.u32 [%rd2], %r39;
        {between}; ld.global.u32 %r1, [%rd2+4];"""
    run(body, np.zeros(65, "u4"), threads=64, block=block)


def test_barriers_order_the_threads_of_a_block():
    neighbours("bar.sync 0", block=64)
    with pytest.raises(MemoryFault, match="reads what another writes"):
        neighbours("mov.u32 %r2, 0", block=64)
    with pytest.raises(MemoryFault, match="reads what another writes"):
        neighbours("bar.sync 0", block=32)  # of different blocks nothing is known


def test_many_read_what_one_writes_later():
    a = np.zeros(32, "u4")
    body = """ld.global.u32 %r1, [%rd0]; {}; setp.ne.u32 %p1, %r39, 3; @%p1 bra $L;
        st.global.u32 [%rd0], 7; $L:"""
    run(body.format("bar.sync 0"), a)
    assert a[0] == 7
    with pytest.raises(MemoryFault, match="two threads"):
        run(body.format("mov.u32 %r2, 0"), a)


def test_endless_loops():
    with pytest.raises(PtxError, match="does not end"):
        launch(only(module("$L: bra $L;")), 1, 1, [], Memory(), limit=100)


def test_wrong_arguments():
    kernel = only(module("ret;", ".param .u64 a, .param .align 8 .b8 b[16]"))
    launch(kernel, 1, 1, [0, bytes(16)], Memory())
    with pytest.raises(ValueError, match="2 parameters"):
        launch(kernel, 1, 1, [0], Memory())
    with pytest.raises(ValueError, match="16 bytes, not 8"):
        launch(kernel, 1, 1, [0, bytes(8)], Memory())
    with pytest.raises(ValueError, match="overlaps"):
        Memory(a := np.zeros(4), a[1:])
