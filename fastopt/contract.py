"""What every optimizer must do, whoever wrote it: `fastopt.check`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import event

from fastopt.optimizer import Optimizer
from fastopt.touched import takes_rows
from fastopt.trials import other_values, same, shaped, shows, take_step, take_steps

Dtype = type[np.float32] | type[np.float64]
Check = Callable[[type[Optimizer], dict[str, Any], Dtype], None]
DTYPES: tuple[Dtype, ...] = (np.float32, np.float64)
LENGTHS = (0, 1, 7, 8, 9, 15, 16, 17, 33, 4095, 4096, 4097)


def check(optimizer: type[Optimizer], **hyperparameters: Any) -> None:
    """Run the contract tests on an optimizer and say what fails, like scikit-learn's check_estimator.

    Parameters
    ----------
    optimizer : subclass of Optimizer
    **hyperparameters
        Values to check it with; what has no default and is not given is taken to be 0.01. Inputs of a step are
        given the value of the function.

    Raises
    ------
    AssertionError
        With a line for each check that failed.
    TypeError
        If it is no subclass of Optimizer.

    Examples
    --------
    >>> fastopt.check(fastopt.SGD, lr=0.05)
    """
    if not (isinstance(optimizer, type) and issubclass(optimizer, Optimizer)):
        raise TypeError(f"check: {optimizer!r} is no subclass of fastopt.Optimizer")
    if not __debug__:
        raise RuntimeError(
            "check: Python runs with -O, which leaves out the assertions it is made of"
        )
    values = {**_required(optimizer), **hyperparameters}
    failed: list[str] = []
    for test in CHECKS:
        if failed and failed[0].startswith(compiles.__name__):
            break  # nothing else can succeed
        try:
            for dtype in DTYPES:
                test(optimizer, values, dtype)
        except Exception as error:
            about = (test.__doc__ or test.__name__).strip().splitlines()[0]
            failed.append(
                f"{test.__name__} in {dtype.__name__}: {about} {type(error).__name__}: {error}"
            )
    if failed:
        raise AssertionError(
            f"{optimizer.__name__} fails {len(failed)} of {len(CHECKS)} checks:\n"
            + "\n".join(failed)
        )


def _required(optimizer: type[Optimizer]) -> dict[str, Any]:
    arguments = list(inspect.signature(optimizer.__init__).parameters.values())[2:]
    return {a.name: 0.01 for a in arguments if a.default is a.empty and a.kind is not a.VAR_KEYWORD}


# ---- the checks -----------------------------------------------------------------------------------


def compiles(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """A step compiles and runs."""
    p = shaped(cls, np.ones(3, dtype))
    take_steps(cls(p, **h), [p], 1)


def decreases(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """500 steps on a bowl lower it by a tenth at least."""
    curvature: Any = shaped(cls, np.linspace(0.5, 2.0, 33).astype(dtype))
    p: Any = shaped(cls, np.linspace(-0.5, 0.5, 33).astype(dtype))
    before = float(np.sum(curvature * (p * p)))
    opt = cls(p, **h)
    for _ in range(500):
        take_step(opt, curvature * p, value=0.5 * float(np.sum(curvature * (p * p))))
    after = float(np.sum(curvature * (p * p)))
    assert after < 0.9 * before, f"from {before:.4g} to {after:.4g}"


def keeps_arrays(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """Parameters are updated in place, slots have their shape and dtype, gradients are only read."""
    p = np.asfortranarray(np.ones((5, 7), dtype))
    g = np.full((5, 7), 0.5, dtype)
    g.flags.writeable = False
    opt = cls(p, **h)
    for _ in range(6):  # the first few may only look
        take_step(opt, g)
    assert opt.param_groups[0]["params"][0] is p
    assert not np.all(p == 1), "the parameter did not change"
    lines = {"row": (5, 1), "column": (1, 7)}
    for name, slot in opt.state[0].items():
        if isinstance(slot, np.ndarray):
            declared = opt._workspace.declared.slots.get(name)
            shape = lines.get("" if declared is None else declared.shape, p.shape)
            assert (slot.shape, slot.dtype) == (shape, p.dtype), name


def compiles_once(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """Steps after the first compile nothing, whatever lr, arrays and sizes."""
    p, matrix = shaped(cls, np.ones(100, dtype)), np.ones((2, 2), dtype)
    opt = cls(p, **h)
    take_steps(opt, [p], 1)
    take_steps(
        cls([matrix], **h), [matrix], 1
    )  # rules with slots of rows have a kernel of their own for it
    with event.install_recorder("numba:compile") as recorder:
        opt.param_groups[0]["lr"] *= 0.5
        take_steps(opt, [p], 2)
        q = np.ones((3, 5), dtype)
        take_steps(cls([q], **h), [q], 2)
        compilations = [record for _, record in recorder.buffer if record.is_start]
    assert not compilations, f"{len(compilations)} compilations"


def same_bits(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """The same bits as one array or, without sums and noise, as a list, at lengths around tiles."""
    whole, parts = (_in_shares(cls, h, dtype, flat, 1) for flat in (True, False))
    apart = bool(cls.measures) or any(slot.shape == "normal" for slot in cls.slots.values())
    assert apart or whole == parts, "parameters or slots differ"


def same_bits_in_shares(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """The same bits by one thread or in two or three shares, at lengths around tiles."""
    for flat in (True, False):
        alone, *shared = (_in_shares(cls, h, dtype, flat, shares) for shares in (1, 2, 3))
        assert shared == [alone, alone], "parameters or slots differ"


def _in_shares(
    cls: type[Optimizer], h: dict[str, Any], dtype: Dtype, flat: bool, shares: int
) -> list[bytes]:
    """Parameters and slots after five steps."""
    whole = np.random.default_rng(0).normal(size=sum(LENGTHS)).astype(dtype)
    pieces = [whole] if flat else np.split(whole, np.cumsum(LENGTHS)[:-1])
    arrays = [shaped(cls, piece) for piece in pieces]
    opt = cls(arrays[0] if flat else arrays, **h)
    opt._force_shares(shares)
    take_steps(opt, arrays, 5)
    slots = [name for name, value in opt.state[0].items() if isinstance(value, np.ndarray)]
    return [
        whole.tobytes(),
        *(b"".join(own[name].tobytes() for own in opt.state.values()) for name in slots),
    ]


def not_a_number(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """A NaN in the gradient reaches its parameter, and no other that no sum joins with it."""
    scopes = {measure.scope for measure in cls.measures}
    p, q, g = (shaped(cls, np.ones(40, dtype)) for _ in range(3))
    g.flat[[3, 39]] = np.nan
    opt = cls([p, q], **h)
    take_step(opt, [g, np.ones_like(q)])
    assert np.isnan(p[np.isnan(g)]).all()
    if "tensor" not in scopes and "all" not in scopes:
        assert not np.isnan(p[~np.isnan(g)]).any()
    if "all" not in scopes:
        assert not np.isnan(q).any()


def leaves_alone(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """None leaves a parameter, its slots, its own numbers and its step count alone."""
    p, q = shaped(cls, np.ones(5, dtype)), shaped(cls, np.ones(6, dtype))
    opt = cls({"p": p, "q": q}, **h)
    take_step(opt, {"p": np.ones_like(p), "q": np.ones_like(q)})
    before, state = q.copy(), copy.deepcopy(dict(opt.state["q"]))
    take_step(opt, {"p": np.ones_like(p), "q": None})
    assert np.allclose(q, before, rtol=0, atol=8 * np.finfo(dtype).eps)
    assert opt.state["p"]["step"] == 2
    for name, value in opt.state["q"].items():
        assert name in cls.shared or same(value, state[name]), name


def continues(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """A saved and loaded, and a copied, optimizer go on with the same bits; the layout is torch's."""
    p = shaped(cls, np.linspace(-1, 1, 37, dtype=dtype))
    opt = cls([p], **h)
    take_steps(opt, [p], 4)
    saved, q = opt.state_dict(), p.copy()
    assert set(saved) == {"state", "param_groups"}
    assert saved["param_groups"][0]["params"] == [0]
    assert saved["state"][0]["step"] == 4
    other = cls([q], **h)
    other.load_state_dict(saved)
    twin = copy.deepcopy(opt)
    (r,) = twin.param_groups[0]["params"]
    assert r is not p
    for o, array in ((opt, p), (other, q), (twin, r)):
        take_steps(o, [array], 4, seed=7)
    assert same(p, q), "after save and load"
    assert same(p, r), "after deepcopy"


def hyperparameters_matter(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """Every hyperparameter, changed, changes a bit of the parameters or slots within 50 steps."""
    arguments = list(inspect.signature(cls.__init__).parameters.values())[2:]
    defaults = {a.name: a.default for a in arguments if a.default is not a.empty}
    values = {**defaults, **h}
    changes = [(n, new) for n in values for new in other_values(values[n], cls.choices.get(n, ()))]
    # alone, and beside each other change: some matter only together (dampening and momentum); from the values
    # given and from the defaults: some exclude each other (dampening and nesterov)
    starts = [values, {**values, **defaults}]
    bases: list[dict[str, Any]] = [{}, *({n: new[0]} for n, new in changes)]
    unmoved = []
    for name, new in changes:
        alternatives = (
            shows(cls, {**start, **b}, name, value, dtype)
            for value in new
            for start in starts
            for b in bases
            if name not in b
        )
        if not any(alternatives):
            unmoved.append(f"{name}={new[0]!r}")
    assert not unmoved, "nothing depends on " + ", ".join(unmoved)


def steps_rows(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """A step of all rows, in any order, gives the bits of a step; one of some leaves the others alone."""
    if not takes_rows(cls):
        return
    p = np.linspace(-1, 1, 35, dtype=dtype).reshape(7, 5)
    q = p.copy()
    by_rows, whole = cls(p, **h), cls(q, **h)
    order = np.array([3, 6, 0, 1, 5, 2, 4])
    for t in range(3):
        g = np.cos(np.arange(35) + t).astype(dtype).reshape(7, 5)
        by_rows.step_rows(order, g[order])
        whole.step(g)
    assert same(p, q), "parameters"
    for name, value in whole.state[0].items():
        assert same(value, by_rows.state[0][name]), name
    by_rows.step_rows([1, 4], np.ones((2, 5), dtype))
    others = [0, 2, 3, 5, 6]
    assert same(p[others], q[others]), "rows that were not named changed"


def descends_or_ascends(cls: type[Optimizer], h: dict[str, Any], dtype: Dtype) -> None:
    """maximize=True with gradients of the other sign gives the same bits."""
    p, q = (shaped(cls, np.linspace(-1, 1, 19, dtype=dtype)) for _ in range(2))
    down, up = cls(p, **h), cls(q, **h)
    up.param_groups[0]["maximize"] = not up.param_groups[0]["maximize"]
    for t in range(5):
        g: Any = np.cos(np.arange(19) + t).astype(dtype).reshape(p.shape)
        take_step(down, g)
        take_step(up, -g, value=-2.0)
    assert same(p, q)


CHECKS: tuple[Check, ...] = (
    compiles,
    decreases,
    keeps_arrays,
    compiles_once,
    same_bits,
    same_bits_in_shares,
    not_a_number,
    leaves_alone,
    continues,
    hyperparameters_matter,
    steps_rows,
    descends_or_ascends,
)
