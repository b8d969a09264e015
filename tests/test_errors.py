"""What is wrong is refused by name and value, before anything changed."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from case import inputs_of
from own_optimizers import Literal
from references import CASES, CLASSES, make, step

import fastopt

# ---- parameters -----------------------------------------------------------------------------------


def read_only():
    p = np.ones(3)
    p.flags.writeable = False
    return p


def misaligned():
    return np.zeros(25, np.uint8)[1:].view(np.float64)


BAD_PARAMETERS = {
    "read-only": (read_only, ValueError, "is read-only"),
    "broadcast": (lambda: np.broadcast_to(1.0, (3,)), ValueError, "is read-only"),
    "strided": (lambda: np.ones(6)[::2], ValueError, r"neither C- nor F-contiguous.*\(16,\)"),
    "negative": (lambda: np.ones(6)[::-1], ValueError, "neither C- nor F-contiguous"),
    "column": (lambda: np.ones((4, 4))[:, :2], ValueError, r"contiguous \(shape \(4, 2\)"),
    "axes in another order": (
        lambda: np.ones((2, 3, 4)).transpose(1, 0, 2),
        ValueError,
        "neither C- nor F-contiguous",
    ),
    "misaligned": (misaligned, ValueError, "not aligned"),
    "foreign byte order": (lambda: np.ones(3, ">f8"), ValueError, "byte order.*>f8"),
    "foreign float32": (lambda: np.ones(3, ">f4"), ValueError, "byte order.*>f4"),
    "float16": (
        lambda: np.ones(3, np.float16),
        TypeError,
        "dtype float16.*float32, float64, complex64 or",
    ),
    "int": (lambda: np.ones(3, np.int64), TypeError, "dtype int64"),
    "bool": (lambda: np.ones(3, bool), TypeError, "dtype bool"),
    "complex256": (lambda: np.ones(3, np.clongdouble), TypeError, "dtype complex256"),
    "object": (lambda: np.array([np.ones(2), np.ones(3)], dtype=object), TypeError, "dtype object"),
    "text": (lambda: np.array(["1.0"]), TypeError, "dtype <U3"),
    "text of any length": (
        lambda: np.array(["1.0"], dtype=np.dtypes.StringDType()),
        TypeError,
        "StringDType",
    ),
    "time": (lambda: np.zeros(3, "M8[s]"), TypeError, "dtype datetime64"),
    "record": (lambda: np.zeros(3, [("a", "f8")]), TypeError, r"dtype \[\('a'"),
    "masked": (lambda: np.ma.ones(3), TypeError, "is a MaskedArray"),
    "number": (lambda: 1.0, TypeError, "is a float;"),
    "NumPy number": (lambda: np.float64(1), TypeError, "is a float64;"),
    "None": (lambda: None, TypeError, "is a NoneType"),
    "str": (lambda: "weights", TypeError, "is a str"),
    "bytes": (lambda: b"12345678", TypeError, "is a bytes"),
    "memoryview": (lambda: memoryview(np.ones(3)), TypeError, "is a memoryview"),
    "generator": (lambda: (np.ones(3) for _ in range(2)), TypeError, "is a generator"),
    "set": (lambda: {1.0}, TypeError, "is a set"),
    "values of a dict": (lambda: {"W": np.ones(3)}.values(), TypeError, "is a dict_values"),
    "dtype": (lambda: np.float64, TypeError, "is a type"),
}


@pytest.mark.parametrize("bad", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters_are_refused_by_name(bad):
    value, error, said = bad
    with pytest.raises(error, match=f"parameter layer1/W .*{said}"):
        fastopt.Adam({"layer1": {"b": np.ones(3), "W": value()}})


@pytest.mark.parametrize("bad", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters_alone(bad):
    value, error, _ = bad
    with pytest.raises(error, match="parameter params "):
        fastopt.Adam(value())


def test_lists_of_numbers_are_not_arrays():
    with pytest.raises(TypeError, match="parameter layer/0 is a float; expected a NumPy array"):
        fastopt.SGD({"layer": [1.0, 2.0]})


@pytest.mark.parametrize("nothing", [[], (), {}, [[]], {"a": {}}, [{"params": []}]], ids=repr)
def test_no_parameters_at_all(nothing):
    with pytest.raises(ValueError, match="params is empty; expected at least one array"):
        fastopt.SGD(nothing)


def test_an_empty_group_beside_others():
    """As in torch."""
    for order in (1, -1):
        p = np.ones(2)
        opt = fastopt.SGD([{"params": []}, {"params": p}][::order], lr=0.5)
        opt.step([[], np.ones(2)][::order])
        np.testing.assert_array_equal(p, [0.5, 0.5])


@pytest.mark.parametrize("shape", [(3,), (0,), ()])
def test_an_array_given_twice(shape):
    p = np.ones(shape)
    with pytest.raises(
        ValueError, match=r"parameters \S+ and \S+ (are the same array|share memory)"
    ):
        fastopt.SGD({"a": p, "b": [p]})


OVERLAPS = {
    "the same memory": lambda w: (w, w[:]),
    "reversed order": lambda w: (w[:], w),
    "the first half": lambda w: (w, w[:4]),
    "one element": lambda w: (w[:4], w[3:]),
    "another shape": lambda w: (w, w.reshape(2, 4)),
    "another dtype": lambda w: (w, w.view(np.float32)[2:4]),
    "half an element": lambda w: (w[:2], w.view(np.float32)[3:6]),
    "inside": lambda w: (w, w[2:3]),
    "without axes": lambda w: (w, w[5:6].reshape(())),
}


@pytest.mark.parametrize("views", OVERLAPS.values(), ids=OVERLAPS)
@pytest.mark.parametrize("wrap", [lambda a, b: [a, b], lambda a, b: [{"params": a}, {"params": b}]])
def test_overlapping_parameters(views, wrap):
    first, second = views(np.ones(8))
    with pytest.raises(ValueError, match=r"parameters [01] and [01] share memory"):
        fastopt.SGD(wrap(first, second))


def test_overlaps_among_many_are_found():
    whole = np.ones((100, 5))
    params = {f"row{k}": row for k, row in enumerate(whole)}
    with pytest.raises(ValueError, match=r"row57 and corner share memory|corner and row57 share"):
        fastopt.SGD({**params, "corner": whole.ravel()[57 * 5 + 2 : 57 * 5 + 3]})


# ---- groups ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "error", "said"),
    [
        ({"params": np.ones(2), "lr": -0.5}, ValueError, r"lr is -0\.5"),
        ({"params": np.ones(2), "lrr": 0.5}, ValueError, "a group has lrr; known are .*lr"),
        ({"params": np.ones(2), "betas": (0.5,)}, ValueError, r"betas is \(0\.5,\)"),
        ({"params": np.ones(2, int)}, TypeError, "parameter 1 has dtype int64"),
        ({"params": {"W": [np.ones(2, int)]}}, TypeError, "parameter 1/W/0 has dtype int64"),
        ({"params": None}, TypeError, "parameter 1 is a NoneType"),
    ],
)
def test_bad_groups(group, error, said):
    with pytest.raises(error, match=said):
        fastopt.Adam([{"params": np.ones(3)}, group])
    opt = fastopt.Adam([{"params": np.ones(3)}])
    with pytest.raises(error, match=said):
        opt.add_param_group(group)
    opt.step([np.ones(3)])


@pytest.mark.parametrize(
    "group", [None, 3, [np.ones(2)], np.ones(2), {"lr": 0.1}, {}, "params"], ids=repr
)
def test_what_is_no_group(group):
    opt = fastopt.Adam(np.ones(3))
    with pytest.raises(TypeError, match='a group is a mapping with "params"'):
        opt.add_param_group(group)
    opt.step(np.ones(3))
    assert opt.state[0]["step"] == 1


def test_an_added_group_may_not_overlap():
    p = np.ones(4)
    opt = fastopt.SGD({"W": p}, lr=0.5)
    with pytest.raises(ValueError, match=r"parameters (W and 1|1 and W) share memory"):
        opt.add_param_group({"params": p[:2]})
    with pytest.raises(
        ValueError, match=r"parameters (W and 1|1 and W) (are the same array|share memory)"
    ):
        opt.add_param_group({"params": p})
    opt.step({"W": np.ones(4)})
    assert len(opt.param_groups) == 1


# ---- gradients ---------------------------------------------------------------------------------------


def parameters():
    return {
        "layer1": {"W": np.full((3, 4), 0.5, np.float32), "b": np.ones(4, np.float32)},
        "layer2": {"W": np.asfortranarray(np.full((4, 2), -0.5)), "b": np.array(2.0)},
        "last": [np.linspace(-1, 1, 5)],
    }


PATHS = ["layer1/W", "layer1/b", "layer2/W", "layer2/b", "last/0"]


def get(tree, path):
    for key in path.split("/"):
        tree = tree[int(key) if key.isdigit() else key]
    return tree


def put(tree, path, value):
    *above, key = path.split("/")
    for k in above:
        tree = tree[k]
    tree[int(key) if key.isdigit() else key] = value


def gradients():
    grads = parameters()
    for path in PATHS:
        g = get(grads, path)
        g[...] = np.random.default_rng(len(path)).normal(size=g.shape)
    return grads


def optimizer():
    """With a step behind it, so that slots and counts are not all zero."""
    p = parameters()
    opt = fastopt.Adam(p, lr=0.1, amsgrad=True)
    opt.step(gradients())
    return p, opt


def bits(opt):
    """Everything that a refused call must leave as it was."""
    arrays = [p for group in opt.param_groups for p in group["params"]]
    values = [{k: v for k, v in group.items() if k != "params"} for group in opt.param_groups]
    state = [
        (key, name, np.asarray(value).tobytes())
        for key, own in opt.state.items()
        for name, value in own.items()
    ]
    return repr(([p.tobytes() for p in arrays], values, state))


def refused(opt, grads, error, said):
    before = bits(opt)
    with pytest.raises(error, match=said) as caught:
        opt.step(grads, **inputs_of(type(opt), opt.steps_taken))
    assert bits(opt) == before
    return str(caught.value)


def masked(p):
    return np.ma.ones(p.shape, p.dtype)


def other_dtype(p):
    return p.astype(np.float64 if p.dtype == np.float32 else np.float32)


class NotAnArray:
    """Like an array, but not one."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self.shape, self.dtype, self._array = array.shape, array.dtype, array

    def __repr__(self):
        return "NotAnArray()"


WRONG_KINDS = {
    "the other dtype": (other_dtype, "has dtype float(32|64)"),
    "float16": (lambda p: p.astype(np.float16), "has dtype float16"),
    "int": (lambda p: p.astype(np.int64), "has dtype int64"),
    "bool": (lambda p: p.astype(bool), "has dtype bool"),
    "complex": (lambda p: p.astype(complex), "has dtype complex128"),
    "object": (lambda p: p.astype(object), "has dtype object"),
    "long double": (lambda p: p.astype(np.clongdouble), "has dtype "),
    "foreign byte order": (lambda p: p.astype(p.dtype.newbyteorder()), "has dtype >f[48]"),
    "masked": (masked, "is a MaskedArray"),
    "list": (lambda p: p.tolist(), "is a (list|float)"),
    "number": (lambda p: 1.5, r"is a float \(1\.5\)"),
    "text": (lambda p: "g", r"is a str \('g'\)"),
    "not an array": (NotAnArray, r"is a NotAnArray \(NotAnArray\(\)\)"),
    "type": (lambda p: np.ndarray, "is a type"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wrong", WRONG_KINDS.values(), ids=WRONG_KINDS)
def test_gradients_of_a_wrong_kind(wrong, path):
    value, said = wrong
    p, opt = optimizer()
    grads = gradients()
    put(grads, path, value(get(p, path)))
    message = refused(opt, grads, TypeError, f"gradient of {path} {said}")
    own = get(p, path)
    assert f"expected an array of {own.dtype.name} with shape {own.shape}, or None" in message


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "shape",
    [
        lambda s: (*s, 1),
        lambda s: (1, *s),
        lambda s: (*s, 0),
        lambda s: (s[0] + 1, *s[1:]) if s else (2,),
        lambda s: (s[0] - 1, *s[1:]) if s else (0,),
        lambda s: s[::-1] if len(set(s)) > 1 else (9, 9),
        lambda s: (math.prod(s),) if len(s) > 1 else (2, 2),
    ],
)
def test_gradients_of_a_wrong_shape(shape, path):
    p, opt = optimizer()
    own = get(p, path)
    wrong = shape(own.shape)
    grads = gradients()
    put(grads, path, np.ones(wrong, own.dtype))
    message = refused(
        opt, grads, ValueError, f"gradient of {path} has shape {re.escape(str(wrong))}"
    )
    assert f"expected an array of {own.dtype.name} with shape {own.shape}" in message


OVERLAPPING = {
    "the parameter": lambda p, slot: p,
    "a view of it": lambda p, slot: p[...],
    "the parameter, reversed": lambda p, slot: p[::-1] if p.ndim else p[...],
    "the first slot": lambda p, slot: slot("exp_avg"),
    "another slot, reversed": lambda p, slot: (
        slot("exp_avg_sq")[::-1] if p.ndim else slot("exp_avg_sq")
    ),
    "the last slot": lambda p, slot: slot("max_exp_avg_sq"),
    "one element of it, everywhere": lambda p, slot: (
        np.broadcast_to(p.ravel(order="K")[:1].reshape(()), p.shape)
        if p.ndim == 1
        else np.lib.stride_tricks.as_strided(p, p.shape, (0,) * p.ndim)
    ),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("overlap", OVERLAPPING.values(), ids=OVERLAPPING)
def test_gradients_that_overlap_parameters_or_slots(overlap, path):
    p, opt = optimizer()
    grads = gradients()
    put(grads, path, overlap(get(p, path), opt.state[path].__getitem__))
    refused(opt, grads, ValueError, f"gradient of {path} overlaps")


def test_a_gradient_that_overlaps_another_parameter_by_one_element():
    whole = np.ones(20)
    opt = fastopt.SGD({"a": whole[:5], "b": whole[10:15]}, lr=0.5)
    good = np.ones(5)
    for wrong in (whole[9:14], whole[14:19], whole[6:11], whole[:5], whole[4:9], whole[9:14][::-1]):
        refused(opt, {"a": wrong, "b": good}, ValueError, "gradient of a overlaps")
        refused(opt, {"a": good, "b": wrong}, ValueError, "gradient of b overlaps")
    opt.step({"a": whole[5:10], "b": whole[15:20]})
    np.testing.assert_array_equal(whole[:5], [0.5] * 5)


def test_the_last_of_many_is_bad():
    arrays = [np.ones(5, np.float32 if k % 2 else np.float64) for k in range(300)]
    opt = fastopt.Adam(arrays)
    grads = [np.ones_like(p) for p in arrays]
    opt.step(grads)
    refused(opt, [*grads[:-1], np.ones(6, np.float32)], ValueError, "gradient of 299 has shape")
    refused(opt, [*grads[:-1], np.ones(5)], TypeError, "gradient of 299 has dtype float64")
    refused(
        opt, [*[g[::-1] for g in grads[:-1]], np.ones(6)], TypeError, "gradient of 299 has dtype"
    )


def test_an_optimizer_goes_on_after_a_refusal():
    _, opt = optimizer()
    _, twin = optimizer()
    grads = gradients()
    put(grads, "last/0", np.ones(6))
    refused(opt, grads, ValueError, "last/0")
    for _ in range(2):
        opt.step(gradients())
        twin.step(gradients())
    assert bits(opt) == bits(twin)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: None, r"grads is None; expected a mapping with the keys 'layer1', 'layer2', 'last'"),
        (lambda g: g["layer1"]["W"], r"grads is a ndarray; expected a mapping"),
        (lambda g: list(g.values()), r"grads is a sequence of 3; expected a mapping"),
        (lambda g: [g], r"grads is a sequence of 1; expected a mapping"),
        (lambda g: {**g, "extra": None}, r"grads is a mapping with the keys .*'extra'; expected"),
        (lambda g: {k: v for k, v in g.items() if k != "last"}, r"grads is a mapping with the keys"),
        (lambda g: {**g, "last": g["last"] * 2}, r"grads\[last\] is a sequence of 2; expected a sequence of 1"),
        (lambda g: {**g, "last": []}, r"grads\[last\] is a sequence of 0"),
        (lambda g: {**g, "last": g["last"][0]}, r"grads\[last\] is a ndarray"),
        (lambda g: {**g, "last": {0: g["last"][0]}}, r"grads\[last\] is a mapping with the keys 0"),
        (lambda g: {**g, "layer1": g["layer1"]["W"]}, r"grads\[layer1\] is a ndarray.*'W', 'b'"),
        (lambda g: {**g, "layer1": {"W": g["layer1"]["W"]}}, r"grads\[layer1\] is a mapping with the keys 'W'"),
        (lambda g: {**g, "layer1": {"W": None, "c": None}}, r"grads\[layer1\] is a mapping with the keys 'W', 'c'"),
        (lambda g: "grads", r"grads is a str"),
        (lambda g: (x for x in g), r"grads is a generator"),
        (lambda g: 0, r"grads is a int"),
    ],
)  # fmt: skip
def test_gradients_of_a_wrong_structure(change, said):
    _, opt = optimizer()
    refused(opt, change(gradients()), ValueError, said)


class Layer(NamedTuple):
    W: object
    b: object


class Other(NamedTuple):
    b: object
    W: object


def test_gradients_as_named_tuples_with_other_names_are_refused():
    """Taken by position, W would get the gradient of b."""
    opt = fastopt.SGD(Layer(np.ones(2), np.ones(2)), lr=0.5)
    refused(opt, Other(b=np.ones(2), W=np.zeros(2)), ValueError, "grads")


@pytest.mark.parametrize(
    ("grads", "said"),
    [
        (None, "grads.* NoneType; expected .* an entry for each of 2 groups"),
        ([np.ones(2)], "grads.* 1; expected .* an entry for each of 2 groups"),
        ([np.ones(2)] * 3, "grads.* 3; expected"),
        (np.ones((2, 2)), "grads.* ndarray; expected"),
        ({"params": np.ones(2)}, "grads.* dict; expected"),
        (
            [np.ones(2), np.ones(2)],
            r"grads\[1\] is a ndarray; expected a mapping with the keys 'W'",
        ),
        ([np.ones(2), None], r"grads\[1\] is None"),
    ],
)
def test_gradients_of_groups(grads, said):
    opt = fastopt.SGD([{"params": np.ones(2)}, {"params": {"W": np.ones(2)}}], lr=0.5)
    refused(opt, grads, ValueError, said)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_every_class_is_unchanged_by_a_bad_gradient(cls):
    p = [np.ones(3), np.ones(4)]
    opt = make(cls, p)
    step(opt, [np.ones(3), np.ones(4)])
    if isinstance(opt, fastopt.NAG):
        opt.lookahead()
    refused(opt, [np.ones(3), np.ones(5)], ValueError, "gradient of 1 has shape")
    opt.step([np.ones(3), np.ones(4)], **inputs_of(cls, 1))
    assert opt.state[0]["step"] == 2


def test_a_formula_refused_for_one_dtype_changes_nothing_in_another():
    arrays = [np.ones(3), np.ones(3, np.float32)]
    opt = Literal(arrays)
    refused(opt, [np.ones(3), np.ones(3, np.float32)], TypeError, "pass constants through")


# ---- hyperparameters -----------------------------------------------------------------------------------

NUMBERS = [
    (cls, name)
    for cls in CLASSES
    for name, a in inspect.signature(cls.__init__).parameters.items()
    if name not in ("self", "params") and not isinstance(a.default, bool | tuple | str | None)
]
SWITCHES = [
    (cls, name)
    for cls in CLASSES
    for name, a in inspect.signature(cls.__init__).parameters.items()
    if isinstance(a.default, bool)
]
BETAS = [c for c in CLASSES if "betas" in inspect.signature(c.__init__).parameters]


def ids(values):
    return [f"{cls.__name__}-{name}" for cls, name in values]


def both_ways(cls, name, value, error):
    """At construction, in a group and by assignment; the message has the value."""
    said = f"{name} is .*expected"
    p = np.ones(3)
    with pytest.raises(error, match=said) as caught:
        make(cls, p, **{name: value})
    assert repr(value) in str(caught.value)
    with pytest.raises(error, match=said):
        make(cls, [{"params": p, name: value}])
    opt = make(cls, p)
    before = bits(opt)
    with pytest.raises(error, match=said):
        opt.param_groups[0][name] = value
    with pytest.raises(error, match=said):
        opt.param_groups[0].update({"lr": 0.25, name: value} if name != "lr" else {name: value})
    with pytest.raises(error, match=said):
        opt.add_param_group({"params": np.ones(2), name: value})
    assert bits(opt) == before
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize(("cls", "name"), NUMBERS, ids=ids(NUMBERS))
def test_numbers_that_are_not_finite(cls, name):
    for value in (math.nan, math.inf, -math.inf, np.float32("nan")):
        both_ways(cls, name, value, ValueError)


NO_NUMBERS = [
    None, "0.1", True, False, np.True_, 1j, [0.1], (0.1, 0.2), np.ones(1), np.ones(2), {}, Decimal(1), len,
]  # fmt: skip


@pytest.mark.parametrize(("cls", "name"), NUMBERS, ids=ids(NUMBERS))
def test_numbers_of_a_wrong_type(cls, name):
    for value in NO_NUMBERS:
        both_ways(cls, name, value, TypeError)


def test_a_number_too_large_for_a_float():
    both_ways(fastopt.Adam, "lr", 10**400, ValueError)


@pytest.mark.parametrize(
    "value", [np.array("a"), np.array(1j), np.array(True), np.array(None)], ids=repr
)
def test_arrays_without_axes_that_hold_no_real_number(value):
    both_ways(fastopt.Adam, "lr", value, TypeError)


@pytest.mark.parametrize(
    "value", [1, np.float32(0.5), np.int8(1), np.array(0.5), Fraction(1, 2)], ids=repr
)
def test_numbers_of_any_real_type_become_floats(value):
    opt = fastopt.Adam(np.ones(2), lr=value, betas=(0.5, np.float32(0.5)))
    assert type(opt.param_groups[0]["lr"]) is float
    assert opt.param_groups[0]["lr"] == float(value)
    assert opt.param_groups[0]["betas"] == (0.5, 0.5)
    opt.param_groups[0]["lr"] = value
    assert type(opt.param_groups[0]["lr"]) is float


@pytest.mark.parametrize(("cls", "name"), SWITCHES, ids=ids(SWITCHES))
def test_switches_are_true_or_false(cls, name):
    for value in (0, 1, None, "True", 1.0, np.ones(1, bool)):
        both_ways(cls, name, value, TypeError)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ((0.9,), ValueError),
        ((0.9, 0.9, 0.9), ValueError),
        ((), ValueError),
        ((1.0, 0.9), ValueError),
        ((0.9, 1.0), ValueError),
        ((-0.1, 0.9), ValueError),
        ((0.9, -0.1), ValueError),
        ((math.nan, 0.9), ValueError),
        ((0.9, math.inf), ValueError),
        (("0.9", 0.9), TypeError),
        ((0.9, None), TypeError),
        ((True, 0.9), TypeError),
        (0.9, TypeError),
        (None, TypeError),
        ("ab", TypeError),
    ],
    ids=repr,
)
@pytest.mark.parametrize("cls", BETAS, ids=lambda c: c.__name__)
def test_betas(cls, value, error):
    whole = value
    if isinstance(value, tuple):  # of a class with three betas, the third is right
        whole += (0.9,) * (len(inspect.signature(cls).parameters["betas"].default) - 2)
    with pytest.raises(error, match="betas is") as caught:
        make(cls, np.ones(3), betas=whole)
    bad = (
        [v for v in value if v != 0.9] if isinstance(value, tuple) and len(value) == 2 else [whole]
    )
    assert repr(bad[0]) in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (fastopt.Momentum, "momentum", 1.0),
        (fastopt.Momentum, "momentum", -0.1),
        (fastopt.NAG, "momentum", 1.0),
        (fastopt.Momentum, "form", "nesterov"),
        (fastopt.Momentum, "form", None),
        (fastopt.Momentum, "form", 0),
        (fastopt.Momentum, "form", ("ema",)),
        (fastopt.NormalizedGD, "eps", -1e-8),
        (fastopt.Adam, "eps_root", -1e-8),
        (fastopt.Adagrad, "eps_root", -1e-8),
        (fastopt.RMSprop, "eps_root", -1e-8),
        (fastopt.SGD, "momentum", -0.1),
    ],
)
def test_own_domains(cls, name, value):
    both_ways(cls, name, value, ValueError)


def test_a_form_that_is_an_array_is_refused_with_its_value():
    with pytest.raises(ValueError, match=r"form is array\(\[1, 2\]\)"):
        fastopt.Momentum(np.ones(2), lr=0.1, form=np.array([1, 2]))


def test_corrections_need_the_average():
    for form in ("heavy_ball", "velocity"):
        with pytest.raises(ValueError, match=f"bias_correction with form '{form}'"):
            fastopt.Momentum(np.ones(2), lr=0.1, form=form, bias_correction=True)
    opt = fastopt.Momentum(np.ones(2), lr=0.1, form="ema", bias_correction=True)
    with pytest.raises(ValueError, match="only form"):
        opt.param_groups[0]["form"] = "velocity"
    opt.param_groups[0].update(form="velocity", bias_correction=False)
    assert opt.param_groups[0]["form"] == "velocity"


@pytest.mark.parametrize("how", [{"momentum": 0.0}, {"momentum": 0.9, "dampening": 0.1}, {}])
def test_nesterov_needs_a_momentum_and_no_dampening(how):
    with pytest.raises(ValueError, match=r"nesterov with momentum .* and dampening") as caught:
        fastopt.SGD(np.ones(2), nesterov=True, **how)
    for value in how.values():
        assert repr(value) in str(caught.value)
    opt = fastopt.SGD(np.ones(2), **how)
    before = bits(opt)
    with pytest.raises(ValueError, match="nesterov"):
        opt.param_groups[0]["nesterov"] = True
    assert bits(opt) == before


def test_nesterov_keeps_its_momentum():
    opt = fastopt.SGD(np.ones(2), momentum=0.9, nesterov=True)
    with pytest.raises(ValueError, match=r"momentum 0\.0"):
        opt.param_groups[0]["momentum"] = 0
    with pytest.raises(ValueError, match=r"dampening 0\.5"):
        opt.param_groups[0]["dampening"] = 0.5
    opt.param_groups[0].update(nesterov=False, momentum=0, dampening=0.5)
    assert opt.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_unknown_arguments(cls):
    with pytest.raises(TypeError, match="nonsense"):
        make(cls, np.ones(2), nonsense=1)
    with pytest.raises(TypeError, match="params"):
        cls()


# ---- what comes from outside ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(state=None),
        lambda d: d.update(state=[1]),
        lambda d: d.update(param_groups=None),
        lambda d: d.update(param_groups=[3, 4]),
        lambda d: d["param_groups"][0].pop("params"),
        lambda d: d["param_groups"][0].update(params=None),
        lambda d: d["param_groups"][0].update(params=[[0]]),
        lambda d: d["param_groups"][1].update(params=[0]),
        lambda d: d["param_groups"][1].update(lr="fast"),
        lambda d: d["state"].update({1: 3}),
        lambda d: d["state"].update({1: [("step", 1)]}),
        lambda d: d["state"][1].update(step=10**30),
        lambda d: d["state"][1].update(step="many"),
        lambda d: d["state"][1].update(step=math.inf),
        lambda d: d["state"][1].update(exp_avg="x"),
        lambda d: d["state"][1].update(exp_avg=[[1], [2, 3]]),
        lambda d: d["state"][1].update(exp_avg=np.ones(4)),
        lambda d: d["state"][1].update(exp_avg=1.0),
    ],
)
def test_state_dicts_that_do_not_fit_change_nothing(spoil):
    opt = fastopt.Adam([{"params": np.ones(3)}, {"params": np.ones(3)}], lr=0.5)
    opt.step([np.ones(3), np.ones(3)])
    saved = opt.state_dict()
    saved["param_groups"][0]["lr"] = 0.25
    spoil(saved)
    before = bits(opt)
    with pytest.raises(ValueError, match=r"load_state_dict|lr is"):
        opt.load_state_dict(saved)
    assert bits(opt) == before


class StartsWithTwo(fastopt.Optimizer):
    """Its slot's start fits parameters of two elements only."""

    slots = {"start": fastopt.Slot(initial=lambda h, p: np.ones(2))}

    def __init__(self, params, lr=0.5):
        super().__init__(params, lr=lr)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"],)

    @staticmethod
    def update(c, p, g, s):
        (lr,) = c
        return p - lr * g, s


def test_a_group_that_cannot_start_is_not_added():
    p = np.ones(2)
    opt = StartsWithTwo([{"params": p}])
    with pytest.raises(ValueError, match="shape"):
        opt.add_param_group({"params": np.ones(3)})
    assert len(opt.param_groups) == len(opt.state) == 1
    opt.step([np.ones(2)])
    np.testing.assert_array_equal(p, [0.5, 0.5])


# ---- everything that torch rejects ------------------------------------------------------------------------

TORCH = sorted({c.cls.__name__ for c in CASES if c.torch})
CANDIDATES = [
    -1.0, -1, -1e-12, -0.5, 0.0, -0.0, 0, 0.5, 1.0, 1, 1.0000001, 1.5, 2.0, 1e300,
    math.nan, math.inf, -math.inf, np.float32(-1), np.float64(1.5), np.int64(-2),
]  # fmt: skip


def torch_cases(name):
    """Keyword arguments to try: each number by itself, pairs of betas, and pairs of switches."""
    arguments = dict(
        itertools.islice(inspect.signature(getattr(fastopt, name)).parameters.items(), 1, None)
    )
    for key, argument in arguments.items():
        default = argument.default
        if isinstance(default, tuple):
            for v in CANDIDATES:
                yield {key: (v, default[1])}, v
                yield {key: (default[0], v)}, v
        elif not isinstance(default, bool):
            for v in CANDIDATES:
                yield {key: v}, v
    if "nesterov" in arguments:
        for momentum, dampening in itertools.product(
            [0, 0.0, -0.5, 0.9, 2.0], [0, 0.0, -0.1, 0.1, 1]
        ):
            how = {"nesterov": True, "momentum": momentum, "dampening": dampening}
            yield how, None if momentum >= 0 else momentum


@pytest.mark.parametrize("name", TORCH)
def test_what_torch_rejects_is_rejected_with_the_value(name):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    rejected = 0
    for how, value in torch_cases(name):
        if isinstance(how.get("betas"), tuple) and not all(type(v) is float for v in how["betas"]):
            continue  # torch's rule that betas be Python floats has a test of its own
        known = {
            k: v
            for k, v in how.items()
            if k in inspect.signature(getattr(torch.optim, name)).parameters
        }
        if known != how:
            continue
        try:
            getattr(torch.optim, name)([torch.ones(2, dtype=torch.float64)], **how)
        except ValueError:
            rejected += 1
            with pytest.raises(ValueError, match="expected") as caught:
                getattr(fastopt, name)(np.ones(2), **how)
            if value is not None:
                assert repr(value) in str(caught.value), how
    assert rejected > 10


@pytest.mark.parametrize("name", TORCH)
def test_what_torch_takes_is_taken_if_it_is_finite(name):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    for how, _ in torch_cases(name):
        if not set(how) <= set(inspect.signature(getattr(torch.optim, name)).parameters):
            continue
        values = [v for h in how.values() for v in (h if isinstance(h, tuple) else (h,))]
        try:
            getattr(torch.optim, name)([torch.ones(2, dtype=torch.float64)], **how)
        except ValueError:
            continue
        if all(v is None or math.isfinite(v) for v in values):
            getattr(fastopt, name)(np.ones(2), **how)


@pytest.mark.parametrize("betas", [(0, 0.9), (0.9, 0), (0, 0)])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_whole_numbers_as_betas_are_rejected_as_torch_does(name, betas):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    with pytest.raises(ValueError, match="floats"):
        getattr(torch.optim, name)([torch.ones(2)], betas=betas)
    with pytest.raises(ValueError, match="betas is"):
        getattr(fastopt, name)(np.ones(2), betas=betas)
