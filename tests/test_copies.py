"""Pickled and copied optimizers go on with the same bits, and share what was shared."""

from __future__ import annotations

import copy
import pickle
import weakref

import numpy as np
import pytest
from forms import FORMS
from own_optimizers import Own
from references import CASES, CLASSES, make, step

import fastopt

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
COPIES = {
    "deepcopy": copy.deepcopy,
    **{f"pickle{p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in PROTOCOLS},
}
every_copy = pytest.mark.parametrize("twin", COPIES.values(), ids=COPIES)


CHOSEN = (
    "list",
    "tuple",
    "dict",
    "nested",
    "namedtuple",
    "frozen dataclass",
    "dataclass with slots",
)
every_form = pytest.mark.parametrize(
    ("form", "gradients"),
    [
        *((FORMS[name][0], FORMS[name][0]) for name in CHOSEN),
        (
            lambda a, b: [{"params": a, "lr": 0.5}, {"params": {"x": b}, "amsgrad": True}],
            lambda a, b: [a, {"x": b}],
        ),
    ],
    ids=[*CHOSEN, "groups"],
)


def arrays():
    return np.linspace(-1, 1, 12).reshape(3, 4), np.asfortranarray(np.ones((2, 3), np.float32))


def gradient(p, t):
    return np.random.default_rng(t).normal(size=p.shape).astype(p.dtype)


def parameters(opt):
    return [p for group in opt.param_groups for p in group["params"]]


def bits(opt):
    values = [{k: v for k, v in group.items() if k != "params"} for group in opt.param_groups]
    return repr((values, [p.tobytes() for p in parameters(opt)])) + repr(
        [(k, n, np.asarray(v).tobytes()) for k, own in opt.state.items() for n, v in own.items()]
    )


@every_copy
@every_form
def test_every_form_goes_on_with_the_same_bits(form, gradients, twin):
    opt = fastopt.Adam(form(*arrays()))
    opt.step(gradients(*(gradient(p, 0) for p in parameters(opt))))
    other = twin(opt)
    assert type(other) is type(opt)
    assert bits(other) == bits(opt)
    assert repr(other) == repr(opt)
    for mine, theirs in zip(parameters(opt), parameters(other), strict=True):
        assert not np.shares_memory(mine, theirs)
        assert mine.flags.f_contiguous == theirs.flags.f_contiguous
    for t in (1, 2):
        for o in (opt, other):
            o.step(gradients(*(gradient(p, t) for p in parameters(o))))
    assert bits(other) == bits(opt)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_goes_on_with_the_same_bits(case):
    opt = case.cls([np.linspace(-1, 1, 9, dtype=np.float32)], **case.hyperparameters)
    for t in range(3):
        step(opt, [gradient(parameters(opt)[0], t)])
    others = [copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))]
    for t in range(3, 6):
        for o in (opt, *others):
            step(o, [gradient(parameters(o)[0], t)])
    for other in others:
        assert bits(other) == bits(opt)
        assert other.state[0]["step"] == 6


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_before_the_first_step(cls):
    opt = make(cls, np.ones(3))
    other = copy.deepcopy(opt)
    assert bits(other) == bits(opt)
    for o in (opt, other):
        step(o, np.arange(3.0))
    assert bits(other) == bits(opt)


@every_copy
@every_form
def test_arrays_copied_together_with_their_optimizer_stay_its_own(form, gradients, twin):
    a, b = arrays()
    opt = fastopt.Adam(form(a, b))
    opt.step(gradients(np.ones((3, 4)), np.ones((2, 3), np.float32)))
    for whole in ((a, b, opt), (opt, a, b)):
        parts = twin(whole)
        other = next(x for x in parts if isinstance(x, fastopt.Adam))
        c, d = (x for x in parts if isinstance(x, np.ndarray))
        assert parameters(other)[0] is c
        assert parameters(other)[1] is d
        other.step(gradients(np.ones((3, 4)), np.ones((2, 3), np.float32)))
        assert not np.array_equal(c, a)


@every_copy
def test_a_model_that_holds_its_optimizer(twin):
    model = {"weights": {"W": np.ones(3)}}
    model["opt"] = fastopt.SGD(model["weights"], lr=0.5)
    other = twin(model)
    other["opt"].step({"W": np.ones(3)})
    np.testing.assert_array_equal(other["weights"]["W"], [0.5] * 3)
    np.testing.assert_array_equal(model["weights"]["W"], [1.0] * 3)


@every_copy
def test_two_optimizers_of_the_same_array_stay_so(twin):
    p = np.ones(3)
    first, second = twin((fastopt.SGD(p, lr=0.25), fastopt.SGD(p, lr=0.5)))
    first.step(np.ones(3))
    second.step(np.ones(3))
    np.testing.assert_array_equal(parameters(first)[0], [0.25] * 3)


def test_a_shallow_copy_has_its_own_state_over_the_same_parameters():
    p = np.ones(3)
    opt = fastopt.Adam(p)
    opt.step(np.ones(3))
    other = copy.copy(opt)
    assert parameters(other)[0] is p
    other.step(np.ones(3))
    assert (opt.state[0]["step"], other.state[0]["step"]) == (1, 2)


@every_copy
def test_names_and_gradients_after_a_group_was_added(twin):
    opt = fastopt.Adam({"W": np.ones(2), "b": np.ones(3)})
    opt.step({"W": np.ones(2), "b": np.ones(3)})
    opt.add_param_group({"params": np.ones(4), "lr": 0.5})
    grads = [{"W": np.ones(2), "b": None}, np.ones(4)]
    opt.step(grads)
    other = twin(opt)
    assert other.state_dict()["param_groups"][0]["param_names"] == ["W", "b"]
    assert other.state_dict()["param_groups"][1]["param_names"] == ["1"]
    assert [other.state[name]["step"] for name in ("W", "b", "1")] == [2, 1, 1]
    for o in (opt, other):
        o.step(grads)
    assert bits(other) == bits(opt)


@every_copy
def test_changed_hyperparameters_and_variants_are_kept(twin):
    opt = fastopt.SGD(np.ones(3), lr=0.5)
    opt.param_groups[0].update(lr=0.25, momentum=0.5, maximize=True)
    opt.step(np.ones(3))
    other = twin(opt)
    assert dict(other.param_groups[0])["lr"] == 0.25
    np.testing.assert_array_equal(other.state[0]["momentum_buffer"], [-1.0] * 3)
    other.param_groups[0]["momentum"] = 0
    assert "momentum_buffer" not in other.state[0]
    assert "momentum_buffer" in opt.state[0]


@every_copy
def test_a_copy_can_be_saved_loaded_and_given_groups(twin):
    opt = fastopt.Adam({"W": np.ones(3)})
    opt.step({"W": np.ones(3)})
    other = twin(opt)
    other.load_state_dict(opt.state_dict())
    other.param_groups[0]["lr"] = 0.5
    with pytest.raises(ValueError, match=r"lr is -1\.0"):
        other.param_groups[0]["lr"] = -1.0
    other.add_param_group({"params": np.ones(2)})
    other.step([{"W": np.ones(3)}, np.ones(2)])
    assert [other.state[k]["step"] for k in other.state] == [2, 1]
    assert len(opt.param_groups) == 1


@every_copy
def test_between_look_ahead_and_step(twin):
    opt = fastopt.NAG([np.linspace(-1, 1, 5)], lr=0.1)
    step(opt, [np.ones(5)])
    opt.lookahead()
    other = twin(opt)
    with pytest.raises(RuntimeError, match="already ahead"):
        other.lookahead()
    for o in (opt, other):
        o.step([np.arange(5.0)])
        step(o, [np.arange(5.0)])
    assert bits(other) == bits(opt)


@every_copy
def test_after_jit_step(twin):
    opt = fastopt.Adam(np.ones(3))
    kernel, state = opt.jit_step()
    kernel(parameters(opt)[0], np.ones(3), state)
    other = twin(opt)
    assert bits(other) == bits(opt)
    other.step(np.ones(3))
    assert (opt.state[0]["step"], other.state[0]["step"]) == (1, 2)
    other.add_param_group({"params": np.ones(2)})


@every_copy
def test_odd_shapes_and_values(twin):
    arrays = [
        np.array(1.0),
        np.zeros(0),
        np.full((2, 0, 3), 1, np.float32),
        np.array([np.nan, np.inf, -0.0]),
    ]
    opt = fastopt.Adam(arrays)
    grads = [
        np.array(1.0),
        np.zeros(0),
        np.zeros((2, 0, 3), np.float32),
        np.array([np.nan, 1.0, -0.0]),
    ]
    opt.step(grads)
    other = twin(opt)
    assert bits(other) == bits(opt)
    assert [p.shape for p in parameters(other)] == [p.shape for p in arrays]
    other.step(grads)


@every_copy
def test_a_group_by_itself_becomes_a_plain_dict(twin):
    opt = fastopt.SGD(np.ones(3), lr=0.5)
    group = twin(opt.param_groups[0])
    assert type(group) is dict
    assert group["lr"] == 0.5
    group["lr"] = 7
    assert opt.param_groups[0]["lr"] == 0.5


@every_copy
def test_state_dicts_are_plain_data(twin):
    opt = fastopt.Adam({"W": np.ones(3)}, amsgrad=True)
    opt.step({"W": np.ones(3)})
    saved = twin(opt.state_dict())
    other = fastopt.Adam({"W": parameters(opt)[0].copy()})
    other.load_state_dict(saved)
    for o in (opt, other):
        o.step({"W": np.arange(3.0)})
    assert bits(other) == bits(opt)


@every_copy
def test_an_optimizer_of_ones_own(twin):
    opt = Own({"W": np.linspace(1, 2, 5)}, betas=(0.5, 0.99))
    opt.step({"W": np.ones(5)})
    other = twin(opt)
    assert other.note == ["mine"]
    assert other.state["W"]["product"] == 0.5
    for o in (opt, other):
        o.step({"W": np.arange(5.0)})
    assert bits(other) == bits(opt)
    assert other.state["W"]["product"] == 0.25


def test_a_pickle_holds_no_gradient_and_no_kernel():
    opt = fastopt.Adam(np.ones(1000))
    opt.step(np.full(1000, 0.123456789))
    data = pickle.dumps(opt)
    assert np.float64(0.123456789).tobytes() not in data
    assert len(data) < 3 * 8000 + 4000


def test_an_optimizer_that_is_dropped_frees_its_memory(collect):
    p = np.ones(1000)
    opt = fastopt.Adam(p)
    opt.step(np.ones(1000))
    kept = [weakref.ref(opt), weakref.ref(opt.state[0]["exp_avg"].base)]
    del opt
    collect()
    assert [r() for r in kept] == [None, None]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_flat_buffer_and_its_optimizer_stay_together(duplicate):
    buffer = fastopt.FlatBuffer.like({"W": np.ones((2, 2)), "b": np.ones(1)})
    twin, opt = duplicate((buffer, fastopt.SGD(buffer.flat, lr=0.5)))
    opt.step(np.ones(5))
    np.testing.assert_array_equal(twin.views["W"], [[-0.5, -0.5], [-0.5, -0.5]])
    assert not buffer.flat.any()


def test_a_dropped_optimizer_is_freed_at_once():
    opt = fastopt.Adam(np.ones(3))
    group, gone = opt.param_groups[0], weakref.ref(opt)
    del opt
    assert gone() is None
    with pytest.raises(RuntimeError, match="is gone"):
        group["lr"] = 0.5
