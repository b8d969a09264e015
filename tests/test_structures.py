"""Every form that parameters and gradients come in gives the bits of one array at a time."""

from __future__ import annotations

import numpy as np
import pytest
from forms import FORMS

import fastopt


def numbers(seed, shape=(3, 4), dtype=np.float64):
    return np.asarray(np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def alone(shape_a, shape_b, steps=3, dtype=np.float64):
    """What two separate optimizers make of the same arrays and gradients."""
    arrays = [numbers(0, shape_a, dtype), numbers(1, shape_b, dtype)]
    for k, p in enumerate(arrays):
        opt = fastopt.Adam(p, lr=0.1)
        for t in range(steps):
            opt.step(numbers(10 * t + k, p.shape, dtype))
    return arrays


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_bits_of_arrays_alone(form):
    make, names = form
    a, b = numbers(0, (3, 4)), numbers(1, (5,))
    opt = fastopt.Adam(make(a, b), lr=0.1)
    for t in range(3):
        opt.step(make(numbers(10 * t, (3, 4)), numbers(10 * t + 1, (5,))))
    for mine, theirs in zip((a, b), alone((3, 4), (5,)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [opt.state[name]["step"] for name in names] == [3, 3]
    assert opt.state[names[1]]["exp_avg"].shape == (5,)
    listed = [name for group in opt.state_dict()["param_groups"] for name in group["param_names"]]
    assert listed == names


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_none_in_any_form_leaves_that_array_alone(form):
    make, (first, second) = form
    a, b = numbers(0), numbers(1)
    before = a.copy()
    opt = fastopt.Adam(make(a, b), lr=0.1)
    opt.step(make(None, np.ones((3, 4))))
    np.testing.assert_array_equal(a, before)
    assert np.all(b != numbers(1))
    assert (opt.state[first]["step"], opt.state[second]["step"]) == (0, 1)


def test_one_array():
    p = numbers(0)
    opt = fastopt.Adam(p, lr=0.1)
    opt.step(None)
    assert opt.state[0]["step"] == 0
    for t in range(3):
        opt.step(numbers(10 * t))
    np.testing.assert_array_equal(p, alone((3, 4), (1,))[0])
    assert opt.state[0]["step"] == 3


def test_none_for_a_branch_stands_for_all_below():
    p = {"layer1": {"W": np.ones(2), "b": np.ones(3)}, "layer2": [np.ones(4)]}
    opt = fastopt.SGD(p, lr=0.5)
    opt.step({"layer1": None, "layer2": [np.ones(4)]})
    assert [opt.state[k]["step"] for k in opt.state] == [0, 0, 1]
    opt.step({"layer1": {"W": np.ones(2), "b": None}, "layer2": None})
    assert [opt.state[k]["step"] for k in opt.state] == [1, 0, 1]
    np.testing.assert_array_equal(p["layer1"]["W"], [0.5, 0.5])
    np.testing.assert_array_equal(p["layer1"]["b"], [1, 1, 1])
    np.testing.assert_array_equal(p["layer2"][0], [0.5] * 4)


def test_mappings_go_by_key_not_by_order():
    p = {"a": np.zeros(2), "b": np.zeros(2)}
    fastopt.SGD(p, lr=1.0).step({"b": np.full(2, 2.0), "a": np.full(2, 1.0)})
    np.testing.assert_array_equal(p["a"], [-1, -1])
    np.testing.assert_array_equal(p["b"], [-2, -2])


def test_sequences_may_be_of_another_type():
    p = [np.zeros(2), (np.zeros(2),)]
    fastopt.SGD(p, lr=1.0).step((np.ones(2), [np.ones(2)]))
    assert p[0][0] == p[1][0][0] == -1


def test_groups_take_gradients_with_or_without_their_dict():
    for wrapped in (False, True):
        a, b = np.zeros(2), {"W": np.zeros(2)}
        opt = fastopt.SGD([{"params": a, "lr": 1.0}, {"params": b, "lr": 2.0}])
        grads = [np.ones(2), {"W": np.ones(2)}]
        opt.step([{"params": g} for g in grads] if wrapped else grads)
        np.testing.assert_array_equal(a, [-1, -1])
        np.testing.assert_array_equal(b["W"], [-2, -2])


@pytest.mark.parametrize(
    "nest",
    [
        lambda x: {"params": x},
        lambda x: {"params": {"W": x}},
        lambda x: {"params": x, "batch_stats": {}},
    ],
    ids=["key", "nested key", "key among others"],
)
def test_a_group_may_hold_a_mapping_with_a_key_called_params(nest):
    p = np.zeros(2)
    opt = fastopt.SGD([{"params": nest(p)}], lr=1.0)
    opt.step([nest(np.ones(2))])
    np.testing.assert_array_equal(p, [-1, -1])


def test_the_arrays_are_the_callers_own():
    p = {"W": np.ones(2), "b": [np.ones(3)]}
    opt = fastopt.Adam(p)
    first, second = opt.param_groups[0]["params"]
    assert first is p["W"]
    assert second is p["b"][0]


# ---- shapes, orders, strides ------------------------------------------------------------------------

SHAPES = [(), (0,), (1,), (7,), (1, 1), (3, 0, 2), (0, 0), (5, 1), (2, 3, 4), (1,) * 32]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_keep_their_elements_apart(shape, order, dtype):
    flat = numbers(0, shape, dtype).ravel().copy()
    p = numbers(0, shape, dtype).copy(order=order)
    opt, plain = fastopt.Adam(p, lr=0.1), fastopt.Adam(flat, lr=0.1)
    for t in range(3):
        g = numbers(t, shape, dtype)
        opt.step(g)
        plain.step(g.ravel().copy())
    np.testing.assert_array_equal(p.ravel(), flat)
    np.testing.assert_array_equal(opt.state[0]["exp_avg"].ravel(), plain.state[0]["exp_avg"])
    assert opt.state[0]["exp_avg"].shape == shape
    assert opt.state[0]["step"] == 3


LAYOUTS = {
    "C": lambda g: np.ascontiguousarray(g),
    "F": lambda g: np.asfortranarray(g),
    "strided": lambda g: np.repeat(g, 2, axis=0)[::2],
    "strided columns": lambda g: np.repeat(g, 3, axis=1)[:, ::3],
    "negative": lambda g: g[::-1].copy()[::-1],
    "negative columns": lambda g: g[:, ::-1].copy()[:, ::-1],
    "transposed": lambda g: g.T.copy().T,
    "misaligned": lambda g: misaligned(g),
    "read-only": lambda g: read_only(g),
    "field of a record": lambda g: field(g),
    "subclass": lambda g: g.copy().view(Tagged),
    "matrix": lambda g: g.copy().view(np.matrix),
}


class Tagged(np.ndarray):
    """A subclass that would like to interfere."""

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("an optimizer does not compute with NumPy's functions")


def misaligned(g):
    raw = np.zeros(g.nbytes + 1, np.uint8)[1:]
    view = raw.view(g.dtype).reshape(g.shape)
    view[...] = g
    assert not view.flags.aligned
    return view


def read_only(g):
    g = g.copy()
    g.flags.writeable = False
    return g


def field(g):
    records = np.zeros(g.shape, [("tag", "i1"), ("g", g.dtype)])
    records["g"] = g
    return records["g"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_gradients_of_any_strides(layout, order, dtype):
    p = numbers(0, (6, 5), dtype).copy(order=order)
    expected = p.copy(order="K")
    opt, plain = fastopt.Adam(p, lr=0.1), fastopt.Adam(expected, lr=0.1)
    for t in range(3):
        g = layout(numbers(t, (6, 5), dtype))
        before = np.array(g, subok=False)
        opt.step(g)
        assert np.array(g, subok=False).tobytes() == before.tobytes(), "gradients are only read"
        plain.step(before.copy(order=order))
    np.testing.assert_array_equal(p, expected)


@pytest.mark.parametrize("many", [1, 5])
def test_broadcast_gradients(many):
    arrays = [np.zeros((3, 4)) for _ in range(many)]
    grads = [np.broadcast_to(np.float64(k + 1), (3, 4)) for k in range(many)]
    fastopt.SGD(arrays, lr=1.0).step(grads)
    for k, p in enumerate(arrays):
        np.testing.assert_array_equal(p, np.full((3, 4), -1.0 - k))


@pytest.mark.parametrize(
    "scalar", [np.float32(2), np.array(2, np.float32), np.float32(2).reshape(())]
)
def test_numpy_scalars_are_gradients_of_arrays_without_axes(scalar):
    p = np.array(1, np.float32)
    opt = fastopt.SGD({"bias": p}, lr=0.25)
    opt.step({"bias": scalar})
    assert p == 0.5
    assert opt.state["bias"]["step"] == 1


def test_numpy_scalars_beside_arrays():
    p = {"scale": np.array(1.0), "W": np.ones(3)}
    fastopt.SGD(p, lr=0.25).step({"scale": np.ones(3).sum(), "W": np.ones(3)})
    assert p["scale"] == 0.25
    np.testing.assert_array_equal(p["W"], [0.75] * 3)


@pytest.mark.parametrize("kind", [np.matrix, Tagged, np.recarray])
def test_subclasses_are_parameters(kind):
    p = numbers(0).view(kind)
    expected = numbers(0)
    opt, plain = fastopt.Adam(p, lr=0.1), fastopt.Adam(expected, lr=0.1)
    for t in range(3):
        opt.step(numbers(t))
        plain.step(numbers(t))
    assert p.view(np.ndarray).tobytes() == expected.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps_are_parameters(tmp_path, order):
    path = tmp_path / "weights"
    p = np.memmap(path, np.float32, "w+", shape=(4, 3), order=order)
    p[:] = 1
    fastopt.SGD(p, lr=0.5).step(np.ones((4, 3), np.float32))
    p.flush()
    stored = np.memmap(path, np.float32, "r", shape=(4, 3), order=order)
    np.testing.assert_array_equal(stored, np.full((4, 3), 0.5))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_maps_are_gradients(tmp_path, mode):
    path = tmp_path / "gradients"
    np.arange(6, dtype=np.float64).tofile(path)
    p = np.zeros(6)
    fastopt.SGD(p, lr=1.0).step(np.memmap(path, np.float64, mode))
    np.testing.assert_array_equal(p, -np.arange(6.0))


def test_memory_that_numpy_does_not_own():
    memory = bytearray(np.ones(5).tobytes())
    p = np.frombuffer(memory)
    fastopt.SGD(p, lr=0.5).step(np.frombuffer(bytes(np.ones(5).tobytes())))
    np.testing.assert_array_equal(np.frombuffer(memory), [0.5] * 5)


def test_neighbours_in_one_buffer_are_separate_parameters():
    whole = np.zeros((4, 3))
    opt = fastopt.SGD(list(whole), lr=1.0)
    opt.step([np.full(3, k + 1.0) for k in range(4)])
    np.testing.assert_array_equal(whole[:, 0], [-1, -2, -3, -4])


def test_gradients_may_touch_a_parameter_from_outside():
    whole = np.ones(9)
    opt = fastopt.SGD(whole[3:6], lr=0.5)
    opt.step(whole[:3])
    opt.step(whole[6:])
    np.testing.assert_array_equal(whole, [1, 1, 1, 0, 0, 0, 1, 1, 1])


def test_an_empty_view_of_a_parameter_overlaps_nothing():
    p = np.ones(4)
    opt = fastopt.SGD([p, np.zeros(0)], lr=0.5)
    opt.step([np.ones(4), p[2:2]])
    assert opt.state[1]["step"] == 1


def test_one_gradient_may_serve_several_parameters():
    p, q, g = np.zeros(3), np.zeros(3), np.ones(3)
    fastopt.SGD([p, q], lr=1.0).step([g, g])
    np.testing.assert_array_equal([p, q], -np.ones((2, 3)))


# ---- many, none, mixed --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_thousand_small_arrays_have_the_bits_of_one(dtype):
    shapes = [(), (0,), (3,), (2, 2), (17,)] * 400
    arrays = [numbers(k, s, dtype) for k, s in enumerate(shapes)]
    whole = np.concatenate([a.ravel() for a in arrays])
    grads = [numbers(k + 9, s, dtype) for k, s in enumerate(shapes)]
    opt, plain = fastopt.Adam(arrays, lr=0.1), fastopt.Adam(whole, lr=0.1)
    for _ in range(2):
        opt.step(grads)
        plain.step(np.concatenate([g.ravel() for g in grads]))
    np.testing.assert_array_equal(np.concatenate([a.ravel() for a in arrays]), whole)


def test_two_thousand_gradients_out_of_order():
    arrays = [np.zeros((2, 3)) for _ in range(2000)]
    fastopt.SGD(arrays, lr=1.0).step([np.full((3, 2), k).T * 1.0 for k in range(2000)])
    for k, p in enumerate(arrays):
        np.testing.assert_array_equal(p, np.full((2, 3), -float(k)))


def test_a_thousand_groups():
    """Work that grows with the square of their number takes many seconds here."""
    arrays = [np.zeros(2) for _ in range(1000)]
    opt = fastopt.SGD([{"params": p, "lr": float(k)} for k, p in enumerate(arrays)])
    opt.step([np.ones(2)] * 1000)
    np.testing.assert_array_equal([p[0] for p in arrays], -np.arange(1000.0))


@pytest.mark.parametrize("cls", [fastopt.SGD, fastopt.Adam, fastopt.AdamW, fastopt.Adagrad])
def test_only_arrays_without_elements(cls):
    arrays = [np.zeros(0), np.zeros((3, 0)), np.zeros((0, 2), np.float32)]
    opt = cls(arrays)
    for _ in range(2):
        opt.step([a.copy() for a in arrays])
    assert [opt.state[k]["step"] for k in opt.state] == [2, 2, 2]
    assert all(
        v.shape == a.shape
        for k, a in enumerate(arrays)
        for n, v in opt.state[k].items()
        if n != "step"
    )


def test_different_dtypes_and_variants_in_one_optimizer():
    dtypes = [np.float32, np.float64, np.float32, np.float64, np.float64]
    amsgrad = [True, False, False, True, False]

    def arrays():
        return [numbers(k, (9,), d) for k, d in enumerate(dtypes)]

    together, apart = arrays(), arrays()
    opt = fastopt.Adam(
        [{"params": [p], "amsgrad": a} for p, a in zip(together, amsgrad, strict=True)]
    )
    single = [fastopt.Adam(p, amsgrad=a) for p, a in zip(apart, amsgrad, strict=True)]
    for t in range(4):
        grads = [numbers(7 * t + k, (9,), d) for k, d in enumerate(dtypes)]
        opt.step([[g] for g in grads])
        for one, g in zip(single, grads, strict=True):
            one.step(g)
    for k in range(5):
        np.testing.assert_array_equal(together[k], apart[k])
        assert set(opt.state[k]) == set(single[k].state[0])
        for name, value in opt.state[k].items():
            np.testing.assert_array_equal(value, single[k].state[0][name])


def test_steps_do_without_the_array_struct(monkeypatch):
    """Were NumPy's struct another one, Python would look at every gradient."""
    from fastopt import gradients

    assert id(np.ndarray) == gradients._ARRAY_TYPE
    results = []
    for kind in (id(np.ndarray), 0):
        monkeypatch.setattr(gradients, "_ARRAY_TYPE", kind)
        p = {"W": np.ones((3, 4), np.float32), "b": np.ones(5)}
        opt = fastopt.AdamW(p, lr=0.5)
        for _ in range(3):
            opt.step({"W": np.full((3, 4), 0.5, np.float32), "b": None})
        results.append((p["W"].tobytes(), p["b"].tobytes(), opt.state[0]["step"]))
    assert results[0] == results[1]
