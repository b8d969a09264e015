"""`jit_step`: a step from compiled code, over the same state."""

from __future__ import annotations

import weakref

import numba
import numpy as np
import pytest
from kinds import each_loop_and_dtype
from numba.core.errors import TypingError
from own_optimizers import Literal
from references import CASES, CLASSES, make

import fastopt


def gradients(shape, dtype, steps=4):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for _ in range(steps)]


def bits(opt):
    (p,) = opt.param_groups[0]["params"]
    return [p.tobytes(), *((n, np.asarray(v).tobytes()) for n, v in opt.state[0].items())]


@each_loop_and_dtype([c for c in CLASSES if "jit_step" in c.supports])
def test_the_same_bits_as_step(cls, dtype):
    p, q = (np.linspace(-1, 1, 5000, dtype=dtype) for _ in range(2))
    opt, plain = make(cls, p), make(cls, q)
    kernel, state = opt.jit_step()
    for k, g in enumerate(gradients(5000, dtype)):
        if k % 2:
            opt.step(g)
        else:
            kernel(p, g, state)
        plain.step(g)
    assert bits(opt) == bits(plain)
    assert opt.state[0]["step"] == 4


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.cls in (fastopt.SGD, fastopt.Adam)], ids=str
)
def test_the_same_bits_in_every_variant(case):
    p, q = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    opt, plain = case.cls(p, **case.hyperparameters), case.cls(q, **case.hyperparameters)
    kernel, state = opt.jit_step()
    for g in gradients(9, np.float64):
        kernel(p, g, state)
        plain.step(g)
    assert bits(opt) == bits(plain)


def descend(kernel):
    @numba.njit
    def loop(p, state, steps):
        g = np.empty_like(p)
        for _ in range(steps):
            for i in range(p.size):
                g[i] = 2 * p[i]
            kernel(p, g, state)
        return p.sum()

    return loop


def test_from_compiled_code():
    p, q = np.linspace(-1, 1, 50), np.linspace(-1, 1, 50)
    opt, plain = fastopt.AdamW(p), fastopt.AdamW(q)
    kernel, state = opt.jit_step()
    descend(kernel)(p, state, 20)
    for _ in range(20):
        plain.step(2 * q)
    assert bits(opt) == bits(plain)
    assert opt.state[0]["step"] == 20


def test_compiled_code_serves_every_optimizer_of_the_kind():
    loop, results = None, []
    for lr in (0.01, 0.5):
        p = np.ones(4)
        opt = fastopt.AdamW(p, lr=lr)
        kernel, state = opt.jit_step()
        loop = loop or descend(kernel)
        loop(p, state, 3)
        q = np.ones(4)
        plain = fastopt.AdamW(q, lr=lr)
        for _ in range(3):
            plain.step(2 * q)
        assert bits(opt) == bits(plain)
        results.append(p.copy())
    assert not np.array_equal(*results)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (2, 3, 4), (2, 0)])
def test_shapes_and_memory_orders(shape, order):
    p = np.asarray(np.random.default_rng(1).normal(size=shape)).copy(order=order)
    q = p.copy(order="K")
    opt, plain = fastopt.Adam(p, lr=0.1), fastopt.Adam(q, lr=0.1)
    kernel, state = opt.jit_step()
    for g in gradients(shape, np.float64):
        g = np.asarray(g).copy(order=order)
        kernel(p, g, state)
        plain.step(g)
    assert bits(opt) == bits(plain)


def test_a_flat_buffer_of_many():
    buffer = fastopt.FlatBuffer.like({"W": np.ones((2, 3)), "b": np.ones(3)}, copy=True)
    opt = fastopt.SGD(buffer.flat, lr=0.5)
    kernel, state = opt.jit_step()
    kernel(buffer.flat, np.ones(9), state)
    np.testing.assert_array_equal(buffer.views["W"], np.full((2, 3), 0.5))


def test_gradients_are_only_read():
    p, g = np.ones(3), np.ones(3)
    g.flags.writeable = False
    kernel, state = fastopt.SGD(p, lr=0.5).jit_step()
    kernel(p, g, state)
    np.testing.assert_array_equal(p, [0.5] * 3)
    np.testing.assert_array_equal(g, [1] * 3)


def test_changes_between_calls_hold():
    p, q = np.ones(5), np.ones(5)
    opt, plain = fastopt.Adam(p), fastopt.Adam(q)
    kernel, state = opt.jit_step()
    for k, g in enumerate(gradients(5, np.float64)):
        for o in (opt, plain):
            o.param_groups[0].update(lr=0.1 * (k + 1), maximize=k == 2)
        kernel(p, g, state)
        plain.step(g)
    assert bits(opt) == bits(plain)
    saved = plain.state_dict()
    plain.step(np.ones(5))
    opt.load_state_dict(saved)
    kernel(p, np.ones(5), state)
    assert bits(opt) == bits(plain)


def test_lr_of_an_optimizer_without_slots_holds_too():
    p = np.ones(3)
    opt = fastopt.SGD(p, lr=0.5)
    kernel, state = opt.jit_step()
    opt.param_groups[0]["lr"] = 0.25
    kernel(p, np.ones(3), state)
    np.testing.assert_array_equal(p, [0.75] * 3)
    assert opt.state[0]["step"] == 1


def test_handed_out_twice_it_is_the_same_state():
    p = np.ones(3)
    opt = fastopt.Adam(p)
    (kernel, state), (other, same) = opt.jit_step(), opt.jit_step()
    kernel(p, np.ones(3), state)
    other(p, np.ones(3), same)
    assert opt.state[0]["step"] == 2


def test_the_state_keeps_the_slots_alive(collect):
    """Without that, a kernel that outlives its optimizer would write to freed memory."""

    def hand_out(p):
        opt = fastopt.Adam(p)
        slab = weakref.ref(opt.state[0]["exp_avg"].base)
        return *opt.jit_step(), slab

    p = np.ones(3)
    kernel, state, slab = hand_out(p)
    collect()
    assert slab() is not None
    q = np.ones(3)
    plain = fastopt.Adam(q)
    for g in gradients(3, np.float64):
        kernel(p, g, state)
        plain.step(g)
    np.testing.assert_array_equal(p, q)
    del state, kernel
    collect()
    assert slab() is None


def test_another_array_does_not_become_the_optimizers_own():
    """A kernel may run over another array (a copy of the parameters, say); `step` keeps to its own."""
    p, other = np.ones(3), np.full(3, 5.0)
    opt = fastopt.SGD(p, lr=0.5)
    kernel, state = opt.jit_step()
    kernel(other, np.ones(3), state)
    np.testing.assert_array_equal(other, [4.5] * 3)
    opt.step(np.ones(3))
    np.testing.assert_array_equal(other, [4.5] * 3)
    np.testing.assert_array_equal(p, [0.5] * 3)


@pytest.mark.parametrize("change", [{"momentum": 0.9}, {"momentum": 0.9, "lr": 0.25}])
def test_another_variant_is_refused_and_changes_nothing(change):
    p = np.ones(3)
    opt = fastopt.SGD(p, lr=0.5)
    kernel, state = opt.jit_step()
    with pytest.raises(RuntimeError, match="jit_step"):
        opt.param_groups[0].update(change)
    assert opt.param_groups[0]["momentum"] == 0
    assert opt.param_groups[0]["lr"] == 0.5
    assert list(opt.state[0]) == ["step"]
    kernel(p, np.ones(3), state)
    opt.step(np.ones(3))
    np.testing.assert_array_equal(p, [0.0] * 3)


def test_slots_in_use_are_not_dropped(collect):
    p = np.ones(3)
    opt = fastopt.Adam(p, amsgrad=True)
    kernel, state = opt.jit_step()
    slab = weakref.ref(opt.state[0]["max_exp_avg_sq"].base)
    with pytest.raises(RuntimeError, match="jit_step"):
        opt.param_groups[0]["amsgrad"] = False
    collect()
    assert slab() is not None
    kernel(p, np.ones(3), state)


def test_a_load_of_another_variant_is_refused_and_changes_nothing():
    p = np.ones(3)
    opt, other = fastopt.Adam(p), fastopt.Adam(np.ones(3), amsgrad=True, lr=0.5)
    other.step(np.ones(3))
    opt.jit_step()
    before = bits(opt)
    with pytest.raises((RuntimeError, ValueError), match="jit_step"):
        opt.load_state_dict(other.state_dict())
    assert bits(opt) == before
    assert opt.param_groups[0]["amsgrad"] is False
    assert opt.param_groups[0]["lr"] == 1e-3


# ---- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [[np.ones(2), np.ones(3)], [{"params": np.ones(2)}, {"params": np.ones(2)}]]
)
def test_more_than_one_array(params):
    with pytest.raises(ValueError, match=r"has 2 parameters; expected one array.*FlatBuffer"):
        fastopt.Adam(params).jit_step()


@pytest.mark.parametrize("params", [[np.ones(3)], {"W": np.ones(3)}, [{"params": np.ones(3)}]])
def test_one_array_in_any_form(params):
    opt = fastopt.SGD(params, lr=0.5)
    (p,) = opt.param_groups[0]["params"]
    kernel, state = opt.jit_step()
    kernel(p, np.ones(3), state)
    np.testing.assert_array_equal(p, [0.5] * 3)


def test_not_with_a_look_ahead():
    with pytest.raises(TypeError, match=r"NAG .*not support.* jit_step"):
        fastopt.NAG(np.ones(3), lr=0.1).jit_step()


def test_no_groups_may_be_added_afterwards():
    opt = fastopt.Adam(np.ones(3))
    opt.jit_step()
    with pytest.raises(RuntimeError, match="add_param_group: jit_step"):
        opt.add_param_group({"params": np.ones(2)})
    opt.step(np.ones(3))


@pytest.mark.parametrize("n", [0, 2, 4])
def test_other_sizes(n):
    p = np.ones(3)
    opt = fastopt.Adam(p)
    kernel, state = opt.jit_step()
    for wrong in ((np.ones(n), np.ones(n)), (p, np.ones(n)), (np.ones(n), np.ones(3))):
        with pytest.raises(ValueError, match="as many elements as the optimizer's parameter"):
            kernel(*wrong, state)
    assert opt.state[0]["step"] == 0
    np.testing.assert_array_equal(p, [1] * 3)


def read_only(p):
    p = p.copy()
    p.flags.writeable = False
    return p


def misaligned(p):
    view = np.zeros(p.nbytes + 1, np.uint8)[1:].view(p.dtype)
    view[:] = p
    return view


WRONG = {
    "dtype of p": (lambda p, g: (p.astype(np.float32), g), "p is .*expected an array of float64"),
    "dtype of g": (lambda p, g: (p, g.astype(np.float32)), "g is .*expected an array of float64"),
    "whole numbers": (lambda p, g: (p, g.astype(int)), "g is .*expected an array of float64"),
    "strided p": (lambda p, g: (np.ones(2 * p.size)[::2], g), "p is .*expected a contiguous array"),
    "strided g": (lambda p, g: (p, np.ones(2 * p.size)[::2]), "g is .*expected a contiguous array"),
    "read-only p": (lambda p, g: (read_only(p), g), "p is read-only"),
    "number": (lambda p, g: (p, 1.0), "g is "),
    "None": (lambda p, g: (p, None), "g is "),
    "tuple": (lambda p, g: (p, tuple(g)), "g is "),
    "other dimensions": (lambda p, g: (p, g.reshape(3, 1)), "expected the same dimensions"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_arrays_that_do_not_fit_are_refused_when_compiled(wrong):
    make_wrong, said = wrong
    p = np.ones(3)
    opt = fastopt.Adam(p)
    kernel, state = opt.jit_step()
    with pytest.raises(TypingError, match=said):
        kernel(*make_wrong(p, np.ones(3)), state)
    assert opt.state[0]["step"] == 0
    kernel(p, np.ones(3), state)
    assert opt.state[0]["step"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("which", ["p", "g"])
def test_misaligned_arrays_are_updated_rightly_or_refused(which, dtype):
    """Numba's types do not tell alignment, so only the call itself could refuse them."""
    p, g = np.ones(1000, dtype), np.ones(1000, dtype)
    kernel, state = fastopt.SGD(p, lr=0.5).jit_step()
    p, g = (misaligned(p), g) if which == "p" else (p, misaligned(g))
    try:
        kernel(p, g, state)
    except ValueError as error:
        assert "aligned" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(p, np.full(1000, 0.5))


def test_another_memory_order_of_the_gradient_is_refused():
    p = np.ones((3, 4))
    kernel, state = fastopt.Adam(p).jit_step()
    with pytest.raises(TypingError, match="same dimensions and order"):
        kernel(p, np.asfortranarray(p), state)


def test_a_promoted_literal_is_refused_here_too():
    p = np.ones(3, np.float32)
    kernel, state = Literal(p).jit_step()
    with pytest.raises(TypeError, match="pass constants through"):
        kernel(p, p.copy(), state)
    np.testing.assert_array_equal(p, [1] * 3)
