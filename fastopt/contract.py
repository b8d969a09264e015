"""What every optimizer must do, whoever wrote it: `fastopt.check`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba.core import event

from fastopt.optimizer import Optimizer

Check = Callable[[type[Optimizer], dict[str, Any]], None]
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
            test(optimizer, values)
        except Exception as error:
            about = (test.__doc__ or test.__name__).strip().splitlines()[0]
            failed.append(f"{test.__name__}: {about} {type(error).__name__}: {error}")
    if failed:
        raise AssertionError(
            f"{optimizer.__name__} fails {len(failed)} of {len(CHECKS)} checks:\n"
            + "\n".join(failed)
        )


def _required(optimizer: type[Optimizer]) -> dict[str, Any]:
    arguments = list(inspect.signature(optimizer.__init__).parameters.values())[2:]
    return {a.name: 0.01 for a in arguments if a.default is a.empty and a.kind is not a.VAR_KEYWORD}


# ---- the checks -----------------------------------------------------------------------------------


def compiles(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """A step compiles and runs, in float32 and float64."""
    for dtype in (np.float32, np.float64):
        p = np.ones(3, dtype)
        _steps(cls(p, **h), [p], 1)


def decreases(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """500 steps on a bowl lower it by a tenth at least."""
    for dtype in (np.float32, np.float64):
        curvature: Any = np.linspace(0.5, 2.0, 33).astype(dtype)
        p: Any = np.linspace(-0.5, 0.5, 33).astype(dtype)
        before = float(curvature @ (p * p))
        opt = cls(p, **h)
        for _ in range(500):
            _step(opt, curvature * p, value=0.5 * float(curvature @ (p * p)))
        after = float(curvature @ (p * p))
        assert after < 0.9 * before, f"from {before:.4g} to {after:.4g} in {dtype.__name__}"


def keeps_arrays(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """Parameters are updated in place, slots have their shape and dtype, gradients are only read."""
    for dtype in (np.float32, np.float64):
        p = np.asfortranarray(np.ones((5, 7), dtype))
        g = np.full((5, 7), 0.5, dtype)
        g.flags.writeable = False
        opt = cls(p, **h)
        for _ in range(2):  # the first may only look (ADOPT's)
            _step(opt, g)
        assert opt.param_groups[0]["params"][0] is p
        assert not np.all(p == 1), "the parameter did not change"
        lines = {"row": (5, 1), "column": (1, 7)}
        for name, slot in opt.state[0].items():
            if isinstance(slot, np.ndarray):
                shape = lines.get(cls.slots[name].shape, p.shape)
                assert (slot.shape, slot.dtype) == (shape, p.dtype), name


def compiles_once(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """Steps after the first compile nothing, whatever lr, arrays and sizes."""
    p, matrix = np.ones(100, np.float32), np.ones((2, 2), np.float32)
    opt = cls(p, **h)
    _steps(opt, [p], 1)
    _steps(
        cls([matrix], **h), [matrix], 1
    )  # rules with slots of rows have a kernel of their own for it
    with event.install_recorder("numba:compile") as recorder:
        opt.param_groups[0]["lr"] *= 0.5
        _steps(opt, [p], 2)
        q = np.ones((3, 5), np.float32)
        _steps(cls([q], **h), [q], 2)
        compilations = [record for _, record in recorder.buffer if record.is_start]
    assert not compilations, f"{len(compilations)} compilations"


def same_bits(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """The same bits for 1, 2 and 3 shares and, without sums, as one array or as a list, at lengths around tiles."""
    for dtype in (np.float32, np.float64):
        total = sum(LENGTHS)
        first: dict[bool, list[Any]] = {}
        for flat, shares in ((False, 1), (False, 2), (False, 3), (True, 1), (True, 2)):
            whole = np.random.default_rng(0).normal(size=total).astype(dtype)
            ends = np.cumsum(LENGTHS)[:-1]
            arrays = [whole] if flat else np.split(whole, ends)
            opt = cls(arrays[0] if flat else arrays, **h)
            opt._runner.force_shares(shares)
            _steps(opt, arrays, 5)
            slots = [
                np.concatenate([opt.state[k][name] for k in opt.state])
                for name in opt.state[0]
                if isinstance(opt.state[0][name], np.ndarray)
            ]
            result = [np.concatenate(arrays), *slots]
            expected = first.setdefault(flat and bool(cls.measures), result)
            for mine, theirs in zip(expected, result, strict=True):
                assert _same(mine, theirs), f"{dtype.__name__}: parameters or slots differ"


def not_a_number(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """A NaN in the gradient reaches its parameter, and no other that no sum joins with it."""
    scopes = {measure.scope for measure in cls.measures}
    p, q = np.ones(40, np.float32), np.ones(40, np.float32)
    g = np.ones(40, np.float32)
    g[[3, 39]] = np.nan
    opt = cls([p, q], **h)
    _step(opt, [g, np.ones(40, np.float32)])
    assert np.isnan(p[np.isnan(g)]).all()
    if "tensor" not in scopes and "all" not in scopes:
        assert not np.isnan(p[~np.isnan(g)]).any()
    if "all" not in scopes:
        assert not np.isnan(q).any()


def leaves_alone(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """None leaves a parameter, its slots, its own numbers and its step count alone."""
    p, q = np.ones(5), np.ones(6)
    opt = cls({"p": p, "q": q}, **h)
    _step(opt, {"p": np.ones(5), "q": np.ones(6)})
    before, state = q.copy(), copy.deepcopy(dict(opt.state["q"]))
    _step(opt, {"p": np.ones(5), "q": None})
    assert np.allclose(q, before, rtol=0, atol=1e-15)
    assert opt.state["p"]["step"] == 2
    for name, value in opt.state["q"].items():
        assert name in cls.shared or _same(value, state[name]), name


def continues(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """A saved and loaded, and a copied, optimizer go on with the same bits; the layout is torch's."""
    p = np.linspace(-1, 1, 37)
    opt = cls([p], **h)
    _steps(opt, [p], 4)
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
        _steps(o, [array], 4, seed=7)
    assert _same(p, q), "after save and load"
    assert _same(p, r), "after deepcopy"


def hyperparameters_matter(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """Every hyperparameter, changed, changes a bit of the parameters or slots within 50 steps."""
    arguments = list(inspect.signature(cls.__init__).parameters.values())[2:]
    defaults = {a.name: a.default for a in arguments if a.default is not a.empty}
    values = {**defaults, **h}
    changes = [(n, new) for n in values for new in _changed(values[n], cls.choices.get(n, ()))]
    # alone, and beside each other change: some matter only together (dampening and momentum); from the values
    # given and from the defaults: some exclude each other (dampening and nesterov)
    starts = [values, {**values, **defaults}]
    bases: list[dict[str, Any]] = [{}, *({n: new[0]} for n, new in changes)]
    unmoved = []
    for name, new in changes:
        alternatives = (
            _result(cls, {**start, **b}, name, value)
            for value in new
            for start in starts
            for b in bases
            if name not in b
        )
        if not any(alternatives):
            unmoved.append(f"{name}={new[0]!r}")
    assert not unmoved, "nothing depends on " + ", ".join(unmoved)


def descends_or_ascends(cls: type[Optimizer], h: dict[str, Any]) -> None:
    """maximize=True with gradients of the other sign gives the same bits."""
    p, q = np.linspace(-1, 1, 19), np.linspace(-1, 1, 19)
    down, up = cls(p, **h), cls(q, **h)
    up.param_groups[0]["maximize"] = not up.param_groups[0]["maximize"]
    for t in range(5):
        g = np.cos(np.arange(19.0) + t)
        _step(down, g)
        _step(up, -g, value=-2.0)
    assert _same(p, q)


CHECKS: tuple[Check, ...] = (
    compiles,
    decreases,
    keeps_arrays,
    compiles_once,
    same_bits,
    not_a_number,
    leaves_alone,
    continues,
    hyperparameters_matter,
    descends_or_ascends,
)


def _step(opt: Any, grads: Any, value: float = 2.0) -> None:
    """A step with what the class asks for besides: a look-ahead, inputs, which are all taken for the function's value."""
    if hasattr(opt, "lookahead"):
        opt.lookahead()
    opt.step(grads, **dict.fromkeys(opt.inputs, value))


def _steps(opt: Optimizer, arrays: list[np.ndarray], count: int, seed: int = 3) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        total = rng.normal(size=sum(a.size for a in arrays))
        grads, start = [], 0
        for a in arrays:
            grads.append(total[start : start + a.size].reshape(a.shape).astype(a.dtype))
            start += a.size
        _step(opt, grads[0] if opt._forest.structures[0].single else grads)


def _same(a: Any, b: Any) -> bool:
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


def _changed(value: Any, choices: tuple[str, ...]) -> Iterator[list[Any]]:
    """Values to try instead, any of which may show; for a tuple, of each of its numbers."""
    if isinstance(value, bool):
        yield [not value]
    elif isinstance(value, str):
        yield from ([choice] for choice in choices if choice != value)
    elif isinstance(value, tuple):
        for i, v in enumerate(value):
            yield [(*value[:i], new, *value[i + 1 :]) for new in _numbers(v)]
    else:
        yield _numbers(value)


def _numbers(value: float) -> list[float]:
    # a limit that 50 steps do not come near, or a number of steps, shows only when it is small
    return [value / 2 if value else 0.1, 0.001, 5.0]


def _result(cls: type[Optimizer], values: dict[str, Any], name: str, value: Any) -> bool:
    """Whether name=value changes a run with these values; False where they do not go together."""
    outcomes = []
    for h in (values, {**values, name: value}):
        p = np.linspace(-1, 1, 11)
        try:
            opt = cls(p, **h)
        except ValueError:
            return False
        _steps(opt, [p], 50)
        state = [(n, np.asarray(v).tobytes()) for n, v in opt.state[0].items()]
        outcomes.append((p.tobytes(), state))
    return outcomes[0] != outcomes[1]
