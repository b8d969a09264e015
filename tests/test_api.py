"""The public interface: signatures, groups, state, what a step tells and what it keeps."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
import weakref

import numpy as np
import pytest
from references import CASES, CLASSES, EVERY_CLASS, cases_of, is_noisy, make, step

import fastopt

TORCH = sorted({c.cls.__name__ for c in CASES if c.torch})
FLAGS = {"foreach", "fused", "capturable", "differentiable"}


def arguments(cls):
    return dict(list(inspect.signature(cls).parameters.items())[1:])


# ---- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TORCH)
def test_arguments_and_defaults_are_torchs(name):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    mine, theirs = arguments(getattr(fastopt, name)), arguments(getattr(torch.optim, name))
    for key, argument in theirs.items():
        if key not in FLAGS:
            assert mine[key].default == argument.default, key


@pytest.mark.parametrize("name", TORCH)
def test_positions_are_torchs_up_to_the_execution_flags(name):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

    def positional(cls):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [key for key, argument in arguments(cls).items() if argument.kind is kind]

    theirs = positional(getattr(torch.optim, name))
    first_flag = min((i for i, key in enumerate(theirs) if key in FLAGS), default=len(theirs))
    assert positional(getattr(fastopt, name)) == theirs[:first_flag]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_every_argument_is_in_the_groups_and_given_values_arrive(cls):
    opt = make(cls, np.ones(3))
    group = opt.param_groups[0]
    assert set(arguments(cls)) <= set(group)
    for key, argument in arguments(cls).items():
        if argument.default is not argument.empty:
            plain = cls(np.ones(3), lr=0.5).param_groups[0]
            if key != "lr":
                assert plain[key] == argument.default
                assert type(plain[key]) is type(argument.default)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_positional_arguments_are_those_of_the_same_names(cls):
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    keys = [k for k, a in arguments(cls).items() if a.kind is kind]
    own, values = cases_of(cls)[0].hyperparameters, []
    for key in keys:
        default = arguments(cls)[key].default
        if isinstance(default, bool):
            values.append(default)
        elif key in own:
            values.append(own[key])
        elif isinstance(default, tuple):
            values.append(tuple(v * 0.984375 for v in default))
        elif isinstance(default, str):
            values.append(cls.choices[key][-1])
        else:
            value = 0.015625 * (len(values) + 1)
            values.append(-value if isinstance(default, float) and default < 0 else value)
    group = cls(np.ones(3), *values).param_groups[0]
    assert [group[key] for key in keys] == values


def test_public_names():
    for name in (
        "Optimizer",
        "StepInfo",
        "Slot",
        "FlatBuffer",
        "check",
        "set_num_threads",
        "get_num_threads",
    ):
        assert name in fastopt.__all__
        assert hasattr(fastopt, name)
    assert len(fastopt.__all__) == len(set(fastopt.__all__))
    assert all(hasattr(fastopt, name) for name in fastopt.__all__)


@pytest.mark.parametrize("cls", EVERY_CLASS, ids=lambda c: c.__name__)
def test_docstrings_state_formula_conventions_and_source(cls):
    text = inspect.getdoc(cls)
    for part in ("Parameters", "Conventions:", "References", "Examples", ".. math::"):
        assert part in text, part
    for key in arguments(cls):
        assert key in text, key


def test_the_base_class_by_itself_has_no_formula():
    with pytest.raises(NotImplementedError, match="must define coefficients"):
        fastopt.Optimizer(np.ones(3))


# ---- groups -----------------------------------------------------------------------------------------


def test_groups_have_hyperparameters_of_their_own():
    a, b, c = np.zeros(2), np.zeros(3), np.zeros(1)
    opt = fastopt.SGD(
        [{"params": a, "lr": 1.0}, {"params": {"b": b}, "maximize": True}, {"params": [c]}], lr=0.5
    )
    opt.step([np.ones(2), {"b": np.ones(3)}, [np.ones(1)]])
    assert (a[0], b[0], c[0]) == (-1.0, 0.5, -0.5)
    assert [g["lr"] for g in opt.param_groups] == [1.0, 0.5, 0.5]
    assert [g["maximize"] for g in opt.param_groups] == [False, True, False]


def test_the_callers_group_is_not_kept():
    group = {"params": np.zeros(2), "lr": 1.0}
    opt = fastopt.SGD([group])
    group["lr"] = 7.0
    assert opt.param_groups[0]["lr"] == 1.0
    opt.param_groups[0]["lr"] = 0.5
    assert group["lr"] == 7.0


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_assigned_values_hold_from_the_next_step_on(cls):
    """As in an optimizer that had them from the start, for the same state."""
    p, q = np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)
    values = {"lr": 0.25, "weight_decay": 0.5}
    values = {name: value for name, value in values.items() if name in arguments(cls)}
    opt, plain = make(cls, p), make(cls, q, **values)
    for name, value in values.items():
        opt.param_groups[0][name] = value
    for t in range(3):
        step(opt, np.arange(7.0) + t)
        step(plain, np.arange(7.0) + t)
    assert p.tobytes() == q.tobytes()


@pytest.mark.parametrize(
    "assign",
    [
        lambda g: g.__setitem__("lr", 0.25),
        lambda g: g.update(lr=0.25),
        lambda g: g.update({"lr": 0.25}),
        lambda g: g.update([("lr", 0.25)]),
        lambda g: g.__ior__({"lr": 0.25}),
        lambda g: g.update(lr=np.float32(0.25)),
    ],
)
def test_every_way_of_assignment(assign):
    p = np.zeros(2)
    opt = fastopt.SGD(p, lr=1.0)
    assign(opt.param_groups[0])
    opt.step(np.ones(2))
    np.testing.assert_array_equal(p, [-0.25, -0.25])
    assert type(opt.param_groups[0]["lr"]) is float


def test_in_place_operators():
    opt = fastopt.SGD(np.zeros(2), lr=1.0)
    opt.param_groups[0]["lr"] *= 0.5
    opt.param_groups[0] |= {"momentum": 0.5}
    assert (opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]) == (0.5, 0.5)
    opt.step(np.ones(2))
    assert "momentum_buffer" in opt.state[0]


@pytest.mark.parametrize("key", ["lrr", "params", "step", "", None, 3])
def test_unknown_keys_are_refused(key):
    opt = fastopt.SGD(np.ones(2), lr=0.5)
    group = opt.param_groups[0]
    before = dict(group)
    with pytest.raises(ValueError, match=r"cannot assign .*; assignable are .*lr") as caught:
        group[key] = 0.5
    assert repr(key) in str(caught.value)
    with pytest.raises(ValueError, match="cannot assign"):
        group.update({"lr": 0.25, key: 0.5})
    if key != "params":
        with pytest.raises(ValueError, match="cannot assign"):
            group.setdefault(key, 0.5)
    assert dict(group) == before


@pytest.mark.parametrize(
    "remove",
    [
        lambda g: g.__delitem__("lr"),
        lambda g: g.pop("lr"),
        lambda g: g.popitem(),
        lambda g: g.clear(),
    ],
)
def test_keys_stay(remove):
    opt = fastopt.SGD(np.ones(2), lr=0.5)
    with pytest.raises(TypeError, match="keys of a group are fixed"):
        remove(opt.param_groups[0])
    opt.step(np.ones(2))


def test_several_values_are_assigned_all_or_none():
    opt = fastopt.SGD(np.ones(2), lr=0.5)
    with pytest.raises(ValueError, match=r"momentum is -1\.0"):
        opt.param_groups[0].update(lr=0.25, momentum=-1.0)
    assert opt.param_groups[0]["lr"] == 0.5
    p = np.ones(2)
    opt = fastopt.SGD(p, lr=0.5)
    opt.param_groups[0].update(nesterov=True, momentum=0.5)  # only together
    opt.step(np.ones(2))
    np.testing.assert_array_equal(p, [0.25, 0.25])


def test_param_groups_is_not_replaced():
    opt = fastopt.SGD(np.ones(2), lr=0.5)
    with pytest.raises(AttributeError):
        opt.param_groups = []


@pytest.mark.parametrize(
    "tamper",
    [
        lambda groups: groups.append({"params": [np.ones(2)]}),
        lambda groups: groups.clear(),
        lambda groups: groups.__setitem__(0, {"params": [np.ones(2)], "lr": 7.0}),
        lambda groups: groups[0]["params"].append(np.ones(2)),
        lambda groups: groups[0]["params"].clear(),
    ],
)
def test_what_happens_to_the_lists_does_not_reach_the_optimizer(tamper):
    p = np.ones(2)
    opt = fastopt.SGD([{"params": p}], lr=0.5)
    with contextlib.suppress(TypeError, AttributeError):  # refused: as good
        tamper(opt.param_groups)
    opt.step([np.ones(2)])
    np.testing.assert_array_equal(p, [0.5, 0.5])
    assert opt.state_dict()["param_groups"][0]["params"] == [0]
    assert opt.param_groups[0]["lr"] == 0.5
    assert opt.param_groups[0]["params"][0] is p


def test_add_param_group():
    a, b = np.zeros(2), np.zeros((2, 2), np.float32)
    opt = fastopt.Adam({"a": a}, lr=0.5, amsgrad=True)
    opt.step({"a": np.ones(2)})
    before = {n: np.copy(v) for n, v in opt.state["a"].items()}
    views = opt.state["a"]["exp_avg"]
    opt.add_param_group({"params": {"b": b}, "lr": 0.25})
    assert {n: v.tobytes() for n, v in before.items()} == {
        n: np.asarray(v).tobytes() for n, v in opt.state["a"].items()
    }
    assert opt.param_groups[1]["amsgrad"] is True
    assert opt.param_groups[1]["lr"] == 0.25
    opt.step([{"a": None}, {"b": np.ones((2, 2), np.float32)}])
    assert [opt.state[k]["step"] for k in ("a", "1/b")] == [1, 1]
    np.testing.assert_allclose(b, -0.25, rtol=1e-6)
    opt.step([{"a": np.ones(2)}, {"b": None}])
    assert np.shares_memory(views, opt.state["a"]["exp_avg"]), "views handed out stay true"
    np.testing.assert_array_equal(views, opt.state["a"]["exp_avg"])
    assert opt.state["a"]["step"] == 2


def test_values_of_one_group_leave_the_others():
    a, b = np.zeros(2), np.zeros(2)
    opt = fastopt.SGD([{"params": a}, {"params": b}], lr=1.0)
    opt.param_groups[1]["lr"] = 0.25
    opt.step([np.ones(2), np.ones(2)])
    assert (a[0], b[0]) == (-1.0, -0.25)
    opt.param_groups[0]["momentum"] = 0.5
    assert "momentum_buffer" in opt.state[0]
    assert "momentum_buffer" not in opt.state[1]


# ---- variants ------------------------------------------------------------------------------------------


def test_momentum_comes_and_goes():
    p = np.zeros(1)
    opt = fastopt.SGD(p, lr=1.0)
    positions = []
    for momentum in (0, 0, 0.5, 0.5, 0, 0.5):
        opt.param_groups[0]["momentum"] = momentum
        assert ("momentum_buffer" in opt.state[0]) == bool(momentum)
        opt.step(np.ones(1))
        positions.append(float(p[0]))
    # the buffer is empty when momentum comes: steps of 1, 1, 1, 1.5, 1, 1
    assert positions == [-1.0, -2.0, -3.0, -4.5, -5.5, -6.5]
    assert opt.state[0]["step"] == 6


def test_slots_of_before_are_kept_when_another_comes():
    rng = np.random.default_rng(0)
    p, q = np.ones(5), np.ones(5)
    opt, plain = fastopt.Adam(p, lr=0.1), fastopt.Adam(q, lr=0.1)
    grads = rng.normal(size=(3, 5))
    for g in grads[:2]:
        opt.step(g)
        plain.step(g)
    opt.param_groups[0]["amsgrad"] = True
    np.testing.assert_array_equal(opt.state[0]["max_exp_avg_sq"], np.zeros(5))
    for name in ("exp_avg", "exp_avg_sq"):
        np.testing.assert_array_equal(opt.state[0][name], plain.state[0][name])
    opt.step(grads[2])
    plain.step(grads[2])
    np.testing.assert_array_equal(p, q)  # the largest so far is the present one
    np.testing.assert_array_equal(opt.state[0]["max_exp_avg_sq"], opt.state[0]["exp_avg_sq"])
    opt.param_groups[0]["amsgrad"] = False
    assert "max_exp_avg_sq" not in opt.state[0]
    opt.step(grads[0])
    plain.step(grads[0])
    np.testing.assert_array_equal(p, q)


def test_an_assignment_that_keeps_the_slots_rebuilds_nothing():
    """Schedules assign lr before every step."""
    for cls in (fastopt.SGD, fastopt.Adam):
        opt = cls([np.ones(2)] + [np.ones(3) for _ in range(50)], lr=0.5)
        opt.step([None] * 51)
        tables = list(opt._workspace.tables)
        opt.param_groups[0]["lr"] = 0.25
        assert all(a is b for a, b in zip(tables, opt._workspace.tables, strict=True)), cls


# ---- state ------------------------------------------------------------------------------------------------


def test_state_by_position_and_by_name():
    opt = fastopt.Adam({"layer1": {"W": np.ones((2, 3)), "b": np.ones(3, np.float32)}})
    opt.step({"layer1": {"W": np.ones((2, 3)), "b": None}})
    assert len(opt.state) == 2
    assert list(opt.state) == [0, 1]
    assert list(opt.state[0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert len(opt.state[0]) == 3
    assert np.shares_memory(opt.state[0]["exp_avg"], opt.state["layer1/W"]["exp_avg"])
    assert opt.state["layer1/W"]["step"] == opt.state[np.int64(0)]["step"] == 1
    assert type(opt.state[0]["step"]) is int
    assert opt.state["layer1/b"]["step"] == 0
    assert opt.state[1]["exp_avg"].dtype == np.float32
    assert opt.state[1].get("max_exp_avg_sq") is None
    assert "exp_avg" in opt.state[1]
    assert "layer1/W" in opt.state
    assert 1 in opt.state


def test_the_only_array_is_called_params():
    opt = fastopt.Adam(np.ones(2))
    opt.step(np.ones(2))
    assert opt.state["params"]["step"] == 1


@pytest.mark.parametrize(
    "key", [2, -1, "W", "layer1", "", None, 1.5, 0.0, (0,), True, np.ones(2)], ids=repr
)
def test_keys_that_are_not_there(key):
    opt = fastopt.Adam({"layer1": {"W": np.ones(2), "b": np.ones(3)}})
    with pytest.raises(KeyError, match="no parameter"):
        opt.state[key]
    if not isinstance(key, np.ndarray):
        assert key not in opt.state
        assert opt.state.get(key) is None


def test_slots_that_are_not_there():
    opt = fastopt.Adam(np.ones(2))
    with pytest.raises(KeyError, match="max_exp_avg_sq"):
        opt.state[0]["max_exp_avg_sq"]


def test_an_added_group_gets_names_of_its_own():
    opt = fastopt.SGD([np.ones(2), np.ones(3)], lr=0.5, momentum=0.5)
    opt.add_param_group({"params": np.ones(4)})
    opt.add_param_group({"params": {"W": np.ones(5)}})
    names = [name for group in opt.state_dict()["param_groups"] for name in group["param_names"]]
    assert names == ["0", "1", "group1", "2/W"]
    assert opt.state["group1"]["momentum_buffer"].size == 4


@pytest.mark.parametrize(
    "params",
    [{"a/b": np.ones(2), "a": {"b": np.ones(3)}}, {0: np.ones(4), "0": np.ones(5)}],
)
def test_two_parameters_of_one_name_are_refused(params):
    """Their state and messages about them could not be told apart."""
    with pytest.raises(ValueError, match="two parameters are called"):
        fastopt.SGD(params, lr=0.5)


@pytest.mark.parametrize("order", ["C", "F"])
def test_slots_are_views_in_the_parameters_order(order):
    p = np.asfortranarray(np.ones((3, 4))) if order == "F" else np.ones((3, 4))
    opt = fastopt.Adam(p, betas=(0.5, 0.5))
    m = opt.state[0]["exp_avg"]
    assert m.shape == (3, 4)
    assert m.flags.f_contiguous == p.flags.f_contiguous
    g = np.arange(12.0).reshape(3, 4)
    opt.step(g)
    np.testing.assert_array_equal(m, g / 2)
    m[1, 2] = 100.0
    assert opt.state[0]["exp_avg"][1, 2] == 100.0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_slots_have_torchs_names(case):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    if not case.torch:
        return
    t = torch.ones(3, requires_grad=True)
    t.grad = torch.ones(3)
    peer = getattr(torch.optim, case.cls.__name__)([t], **case.hyperparameters)
    peer.step()
    opt = case.cls(np.ones(3), **case.hyperparameters)
    theirs = {k for k, v in peer.state[t].items() if v is not None}
    assert set(opt.state[0]) - {"step"} == theirs - {"step"}


def test_state_reads_as_a_dict():
    opt = fastopt.SGD({"W": np.ones(2)}, lr=0.5, momentum=0.5)
    assert repr(opt.state) == "{0: {'step': 0, 'momentum_buffer': array([0., 0.])}}"
    assert repr(opt.state[0]) == "{'step': 0, 'momentum_buffer': array([0., 0.])}"


# ---- what a step tells and keeps ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_step_info(cls):
    info = step(make(cls, np.ones(3)), np.ones(3))
    assert isinstance(info, fastopt.StepInfo)
    assert info.skipped is False
    assert info.grad_norm is None
    assert repr(info) == "StepInfo(skipped=False, grad_norm=None)"


def test_repr_names_class_groups_and_values():
    opt = fastopt.Adam(
        [{"params": [np.ones(1000), np.ones(500)], "lr": 0.5}, {"params": np.ones(2)}]
    )
    text = repr(opt)
    assert text.startswith("Adam (")
    assert "group 0: 2 arrays, 1,500 numbers" in text
    assert "group 1: 1 arrays, 2 numbers" in text
    assert "lr=0.5" in text
    assert "betas=(0.9, 0.999)" in text
    assert "array(" not in text


def test_the_same_gradient_array_with_other_values():
    p, g = np.zeros(3), np.ones(3)
    opt = fastopt.SGD(p, lr=1.0)
    for value in (1.0, 2.0, -4.0):
        g[:] = value
        opt.step(g)
    np.testing.assert_array_equal(p, [1.0] * 3)


def test_the_same_list_with_other_arrays():
    p, q = np.zeros(3), np.zeros(2)
    grads = [np.ones(3), np.ones(2)]
    opt = fastopt.SGD([p, q], lr=1.0)
    opt.step(grads)
    grads[0] = np.full(3, 2.0)
    grads[1] = None
    opt.step(grads)
    grads[0], grads[1] = None, np.full(2, 4.0)
    opt.step(grads)
    assert (p[0], q[0]) == (-3.0, -5.0)


def test_the_same_array_given_another_shape_and_back():
    p, g = np.zeros((2, 3)), np.ones((2, 3))
    opt = fastopt.SGD(p, lr=1.0)
    opt.step(g)
    flat = g.reshape(6)
    with pytest.raises(ValueError, match=r"shape \(6,\)"):
        opt.step(flat)
    opt.step(flat.reshape(2, 3))
    np.testing.assert_array_equal(p, np.full((2, 3), -2.0))


@pytest.mark.parametrize("wrap", [lambda g: g, lambda g: [g], lambda g: {"W": g}])
@pytest.mark.parametrize("make_gradient", [lambda: np.ones((50, 2)), lambda: np.ones((2, 50)).T])
def test_gradients_are_freed_after_the_step(wrap, make_gradient):
    opt = fastopt.Adam(wrap(np.ones((50, 2))))
    g = make_gradient()
    freed = weakref.ref(g)
    opt.step(wrap(g))
    assert sys.getrefcount(g) == 2
    del g
    assert freed() is None


def test_gradients_are_freed_after_a_refusal(collect):
    opt = fastopt.Adam([np.ones(50), np.ones(3)])
    g = np.ones(50)
    freed = weakref.ref(g)
    with pytest.raises(ValueError, match="gradient of 1"):
        opt.step([g, np.ones(4)])
    del g
    collect()
    assert freed() is None


def test_many_short_lived_gradients():
    """New arrays that may lie where the last ones lay, of every kind that is accepted."""
    p, q = np.zeros(6), np.zeros(6)
    opt, plain = fastopt.Adam(p), fastopt.Adam(q)
    kept = np.empty(6)
    for t in range(300):
        kept[:] = np.cos(np.arange(6) + t)
        new = [kept.copy(), np.repeat(kept, 2)[::2], kept[::-1].copy()[::-1], None][t % 4]
        opt.step(new)
        plain.step(None if new is None else kept)
    np.testing.assert_array_equal(p, q)
    assert opt.state[0]["step"] == 225


def test_parameters_are_held_while_the_optimizer_lives(collect):
    p = np.ones(100)
    opt = fastopt.SGD(p, lr=0.5)
    held = weakref.ref(p)
    del p
    collect()
    assert held() is not None
    opt.step(np.ones(100))
    np.testing.assert_array_equal(held(), np.full(100, 0.5))


# one gradient is nothing to another tensor
ALONE = [
    c for c in CLASSES if not (c.shared or is_noisy(c) or any(m.scope == "all" for m in c.measures))
]


@pytest.mark.parametrize("cls", ALONE, ids=lambda c: c.__name__)
def test_none_leaves_step_counts_and_slots(cls):
    p, q, one = np.ones(3), np.ones(4), np.ones(4)
    opt, alone = make(cls, [p, q]), make(cls, [one])
    for t in range(5):
        step(opt, [np.full(3, 1.0 + t), None if t % 2 else np.full(4, 2.0 + t)])
        if not t % 2:
            step(alone, [np.full(4, 2.0 + t)])
    assert [opt.state[k]["step"] for k in opt.state] == [5, 3]
    if cls is fastopt.NAG:  # moved ahead and back, to within rounding
        np.testing.assert_allclose(q, one, rtol=0, atol=1e-14)
    else:
        np.testing.assert_array_equal(q, one)
    for name, value in opt.state[1].items():
        np.testing.assert_allclose(
            value, alone.state[0][name], rtol=0, atol=1e-14 * (cls is fastopt.NAG)
        )


def test_all_none_is_a_step_of_nothing():
    p = np.ones(3)
    opt = fastopt.Adam([p])
    assert opt.step([None]) == fastopt.StepInfo()
    assert opt.state[0]["step"] == 0
    np.testing.assert_array_equal(p, [1] * 3)


def test_not_a_number_reaches_its_parameter_only():
    p = [np.ones(3), np.ones(3)]
    opt = fastopt.SGD(p, lr=0.5)
    opt.step([np.array([1.0, np.nan, 1.0]), np.ones(3)])
    np.testing.assert_array_equal(p[0], [0.5, np.nan, 0.5])
    np.testing.assert_array_equal(p[1], [0.5] * 3)


@pytest.mark.parametrize(
    "how", [{}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}], ids=str
)
def test_an_infinite_gradient_moves_infinitely_far_as_in_torch(how):
    p = np.ones(2)
    fastopt.SGD(p, lr=0.5, **how).step(np.array([np.inf, -np.inf]))
    np.testing.assert_array_equal(p, [-np.inf, np.inf])


def test_nag_is_told_in_which_order():
    p = np.ones(3)
    opt = fastopt.NAG(p, lr=0.5)
    with pytest.raises(RuntimeError, match=r"step: call lookahead\(\) first"):
        opt.step(np.ones(3))
    opt.lookahead()
    with pytest.raises(RuntimeError, match="already ahead"):
        opt.lookahead()
    for call in (opt.state_dict, lambda: opt.load_state_dict({})):
        with pytest.raises(RuntimeError, match="the parameters are ahead"):
            call()
    opt.step(np.ones(3))
    assert opt.state_dict()["state"][0]["step"] == 1


def test_nag_keeps_its_momentum_while_it_is_ahead():
    p, q = np.array([1.0, 2.0]), np.ones(2)
    opt = fastopt.NAG([p, q], lr=0.125, momentum=0.5)
    step(opt, [np.ones(2), np.ones(2)])
    before = p.copy()
    opt.lookahead()
    with pytest.raises(RuntimeError, match="the parameters are ahead"):
        opt.param_groups[0]["momentum"] = 0.25
    opt.param_groups[0]["lr"] = 0.25
    opt.step([None, np.ones(2)])
    np.testing.assert_array_equal(p, before)


# ---- threads --------------------------------------------------------------------------------------------------


def test_thread_count_from_one_to_numbas():
    most = fastopt.get_num_threads()
    for n in range(1, most + 1):
        fastopt.set_num_threads(n)
        assert fastopt.get_num_threads() == n


@pytest.mark.parametrize("n", [0, -1, 10**6])
def test_thread_counts_out_of_range(n):
    before = fastopt.get_num_threads()
    with pytest.raises(ValueError, match=f"n is {n}; expected 1 to"):
        fastopt.set_num_threads(n)
    assert fastopt.get_num_threads() == before


@pytest.mark.parametrize("n", [True, 1.0, "1", None, [1], np.float64(1)], ids=repr)
def test_thread_counts_of_a_wrong_type(n):
    with pytest.raises(TypeError, match="expected an int") as caught:
        fastopt.set_num_threads(n)
    assert repr(n) in str(caught.value)


class Waiting(dict):
    """Gradients that keep their step from going on until they are told."""

    def __init__(self, *args):
        super().__init__(*args)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __getitem__(self, key):
        self.reached.set()
        self.go_on.wait(10)
        return super().__getitem__(key)


def while_stepping(opt, grads, meanwhile):
    """Call `meanwhile` while another thread is in the middle of a step."""
    grads = Waiting(grads)
    other = threading.Thread(target=opt.step, args=(grads,))
    other.start()
    try:
        assert grads.reached.wait(10)
        meanwhile()
    finally:
        grads.go_on.set()
        other.join()


@pytest.mark.parametrize(
    "call",
    [
        lambda opt: opt.step({"W": np.ones(3)}),
        lambda opt: opt.add_param_group({"params": np.ones(2)}),
        lambda opt: opt.load_state_dict(opt.state_dict()),
        lambda opt: opt.param_groups[0].update(momentum=0.0),
        lambda opt: opt.param_groups[0].update(lr=7.0),
    ],
    ids=["step", "add_param_group", "load_state_dict", "change of variant", "lr"],
)
def test_what_two_threads_may_not_do_at_once(call):
    """A change of variant frees slots: under a step of another thread that would be freed memory."""
    p = np.ones(3)
    opt = fastopt.SGD({"W": p}, lr=0.5, momentum=0.5)

    def meanwhile():
        with pytest.raises(RuntimeError, match="another thread is using this optimizer"):
            call(opt)

    while_stepping(opt, {"W": np.ones(3)}, meanwhile)
    np.testing.assert_array_equal(p, [0.5] * 3)
    assert opt.param_groups[0]["lr"] == 0.5
    assert opt.param_groups[0]["momentum"] == 0.5
    assert opt.state[0]["step"] == 1
    assert len(opt.param_groups) == 1
    np.testing.assert_array_equal(opt.state[0]["momentum_buffer"], [1] * 3)


def test_a_step_within_a_step_is_refused():
    p = np.ones(3)
    opt = fastopt.SGD({"W": p}, lr=0.5)

    class Recursive(dict):
        def __getitem__(self, key):
            opt.step({"W": np.ones(3)})
            return super().__getitem__(key)

    with pytest.raises(RuntimeError, match="using this optimizer"):
        opt.step(Recursive(W=np.ones(3)))
    np.testing.assert_array_equal(p, [1] * 3)
    opt.step({"W": np.ones(3)})
    assert opt.state[0]["step"] == 1
