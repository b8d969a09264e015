"""Objectives: values, derivatives, minima, noise, and expressions that are read and never run."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from fastopt.study import expressions, objectives, trace_many
from fastopt.study.program import Program

sympy = pytest.importorskip("sympy")
KNOWN = [objectives.get(name) for name in objectives.names()]
SOME = np.random.default_rng(1).uniform(-1.9, 1.9, (40, 2))

each = pytest.mark.parametrize("objective", KNOWN, ids=lambda o: o.name)


def by_sympy(objective, *variables):
    """The formula, or its derivative, at the points."""
    x, y = sympy.symbols("x y", real=True)
    tree = sympy.sympify(objective.formula, locals={"x": x, "y": y, "e": sympy.E})
    for name in variables:
        tree = sympy.diff(tree, {"x": x, "y": y}[name])
    return sympy.lambdify((x, y), tree, "numpy")(*SOME.T) * np.ones(len(SOME))


@each
def test_values_and_derivatives_are_those_of_the_formula(objective):
    np.testing.assert_allclose(objective.value(SOME), by_sympy(objective), rtol=1e-11, atol=1e-11)
    for what, order in (("gradient", 1), ("curvature", 2)):
        found = getattr(objective, what)(SOME)
        for k, name in enumerate("xy"):
            expected = by_sympy(objective, *[name] * order)
            np.testing.assert_allclose(found[:, k], expected, rtol=1e-9, atol=1e-9)


@each
def test_minima_are_minima_the_deepest_first(objective):
    minima, values = objective.minima, objective.value(objective.minima)
    assert (np.diff(values) >= -1e-9).all()
    if not len(minima):
        assert objective.name == "saddle"
        return
    steepest = np.abs(objective.gradient(SOME)).max()
    assert np.abs(objective.gradient(minima)).max() < 1e-9 * steepest
    around = [minima + 1e-3 * np.array(d) for d in itertools.product((-1, 0, 1), repeat=2)]
    assert all((objective.value(near) >= values).all() for near in around)
    (x0, x1), (y0, y1) = objective.bounds
    assert (minima >= [x0, y0]).all()
    assert (minima <= [x1, y1]).all()


@pytest.mark.parametrize(
    "objective",
    [
        pytest.param(o, marks=() if o.name in ("rosenbrock", "ackley") else pytest.mark.full)
        for o in KNOWN
    ],
    ids=lambda o: o.name,
)
def test_dtype_and_shape_are_kept(objective):
    single = SOME.astype(np.float32)
    grid = single.reshape(4, 10, 2)
    assert objective.value(grid).dtype == objective.gradient(grid).dtype == np.float32
    assert objective.value(grid).shape == (4, 10)
    assert objective.gradient(grid).shape == (4, 10, 2)
    scale = np.abs(objective.value(SOME)).max()
    np.testing.assert_allclose(objective.value(single), objective.value(SOME), atol=1e-5 * scale)
    assert (objective.gradient(SOME[::-1])[::-1] == objective.gradient(SOME)).all()
    assert objective.gradient(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "points", [1.0, [1.0], [1.0, 2.0, 3.0], np.zeros((2, 3)), np.zeros(2, complex), ["a", "b"], [None, 1]]
)  # fmt: skip
def test_what_is_no_point_is_refused(points):
    with pytest.raises((TypeError, ValueError), match="points"):
        objectives.quadratic.value(points)


def test_only_the_nearest_hole_holds_gradient_descent():
    """The average of gradients rolls through it where it remembers enough of them."""
    hill = objectives.hill
    from fastopt import SGD, Momentum

    (plain,) = trace_many(SGD, hill, steps=2000, keep="last", lr=hill.lr).last
    assert np.allclose(plain, hill.minima[1], atol=1e-3)
    betas = np.round(np.arange(0.5, 0.99, 0.01), 2)
    ends = trace_many(
        Momentum, hill, steps=2000, keep="last",
        momentum=betas, form="ema", bias_correction=True, lr=hill.lr,
    ).last[:, 0]  # fmt: skip
    through = np.abs(ends - hill.minima[0, 0]) < 0.01
    assert (through == (betas >= 0.91)).all()
    assert np.allclose(ends[~through], hill.minima[1, 0], atol=1e-3)


def test_numbers_of_an_objective_of_ones_own():
    own = objectives.Objective(
        "mine", "x**2 + y**2", minima=[(0, 0)], start=[1, 2], noise=1, seed=2
    )
    assert own.minima.shape == (1, 2)
    assert own.minima.dtype == own.start.dtype == np.float64
    assert own.lowest == 0
    assert (own.gradient([1, 1]) == own.noisy(1.0, 2.0).gradient([1, 1])).all()
    with pytest.raises(ValueError, match="read-only"):
        own.start[0] = 3


# ---- noise ------------------------------------------------------------------------------------------


def test_noise_follows_from_seed_and_step():
    quiet, noisy = objectives.booth, objectives.booth.noisy(0.3, seed=5)
    drawn = np.array(
        [noisy.gradient(np.zeros(2), t) - quiet.gradient(np.zeros(2)) for t in range(1, 2001)]
    )
    assert np.abs(drawn.mean(axis=0)).max() < 0.03
    assert np.abs(drawn.std(axis=0) - 0.3).max() < 0.03
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.1
    assert len({tuple(d) for d in drawn.round(12)}) == 2000
    assert (noisy.value(SOME) == quiet.value(SOME)).all()
    everywhere = noisy.gradient(SOME, 7) - quiet.gradient(SOME)
    assert np.allclose(everywhere, drawn[6], atol=1e-12), "one mini-batch"
    other = objectives.booth.noisy(0.3, seed=6)
    assert (other.gradient(np.zeros(2), 1) != noisy.gradient(np.zeros(2), 1)).all()


@pytest.mark.parametrize(("scale", "seed"), [(-1, 0), (np.nan, 0), (np.inf, 0), (1, np.nan), ("1", 0), (True, 0)])  # fmt: skip
def test_noise_that_is_none_is_refused(scale, seed):
    with pytest.raises((TypeError, ValueError), match="noisy"):
        objectives.quadratic.noisy(scale, seed)


# ---- expressions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x", "3", "-x**2 + +y", "sin(x)*cos(y) + 0.1*x**2", "exp(-(x**2 + y**2)/2)", "abs(x) + sqrt(y**2 + 1)",
        "(x + 2)**0.5 + 2**y + (x**2 + 1)**y", "log(x + 3) - tanh(y)/cosh(x)", "x**-3 + y**2.5 + (y + 3)**2.5",
        "atan(x) + asin(x/4) + acos(y/4) + sinh(y) + tan(x/4)", "1e-3*x + pi*y - e", ".5*x + 2.*y",
    ],
)  # fmt: skip
def test_expressions_are_what_numpy_makes_of_them(text):
    names = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "abs", "pi", "e")
    known = {n: getattr(np, n) for n in names}
    known |= {"atan": np.arctan, "asin": np.arcsin, "acos": np.arccos}
    parsed = objectives.parse(text)

    def value(points):
        with np.errstate(all="ignore"):
            return eval(text, known | {"x": points[:, 0], "y": points[:, 1]}) * np.ones(len(points))

    np.testing.assert_allclose(parsed.value(SOME), value(SOME), rtol=1e-12, atol=1e-14)
    h = 1e-6
    for k, shift in enumerate(np.eye(2) * h):
        slope = (value(SOME + shift) - value(SOME - shift)) / (2 * h)
        sure = np.isfinite(slope) & (np.abs(slope) < 1e4)
        np.testing.assert_allclose(
            parsed.gradient(SOME)[sure, k], slope[sure], rtol=1e-4, atol=1e-6
        )


HOSTILE = [
    "", "   ", "__import__('os').system('true')", "().__class__.__bases__", "x.real", "x[0]", "x if y else 1",
    "lambda: 1", "[x for x in (1,)]", "{x}", "x; y", "x\ny", "x = 1", "(x := 1)", "'x'", "f'{x}'", "b'x'", "x, y",
    "1j*x", "0x10", "1_000", "1e999", "1" * 400, "9**9**9**9", "x**9**9", "x**1e9", "2**2**99", "1/0", "log(0)",
    "sqrt(-1)", "exp(1000)", "x**y**", "sin", "sin()", "sin(x, y)", "sin(*x)", "sin(x=1)", "sin(sin)", "pi()", "eval(x)",
    "exec(x)", "open(x)", "lambdify(x)", "Symbol(x)", "diff(x, x)", "\uff58 + 1", "\u0445 + 1", "x\u00b2 + y", "x ** \uff12", "\u221e", "x\x00",
    "x^2", "2x", "x y", "x == y", "x < y", "x and y", "not x", "x % y", "x // y", "x @ y", "~x", "x << 2", "x & y",
    "z", "_", "True", "None", "...", "#", "x # y", "x\\\n+1", "*x", "**x", "@x", "print(x)", "x!", "await x", "yield x",
    "(" * 300 + "x" + ")" * 300, "-" * 500 + "x", "+".join("x" * 400), "sin(" * 90 + "x" + ")" * 90, "x*" * 499 + "x",
    "x" * 100_000, "(" * 100_000, "9" * 100_000, "x**32" + "**32" * 5,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: repr(t[:24]))
def test_what_is_no_expression_is_an_error_at_once(text, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("text was run")

    monkeypatch.setattr("builtins.eval", refuse)
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        objectives.parse(text)
    assert time.perf_counter() - started < 5, "stuck"


@pytest.mark.parametrize("text", ["x/0", "abs(x**y)", "abs(asin(x))"])
def test_what_has_no_derivative_is_told(text):
    with pytest.raises(ValueError, match="no derivative by known functions; SymPy finds"):
        objectives.parse(text)


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"], object()])
def test_what_is_no_text_is_refused(text):
    with pytest.raises((TypeError, ValueError)):
        objectives.parse(text)
    with pytest.raises(TypeError, match="objective"):
        objectives.get(text)


def test_the_largest_expressions_are_read_and_differentiated_in_a_moment():
    """Nothing that the limits let through keeps a server busy."""
    nested = "x*y"
    for name in itertools.islice(itertools.cycle(("sin", "exp", "tanh", "cos")), 17):
        nested = f"{name}({nested}*x)"
    many = "*".join(f"sin(x + {k}*y)" for k in range(50))
    tower = "x**y**x**y**x**y**x**y"
    for text in (nested, many, tower):
        started = time.perf_counter()
        program = Program()
        place = expressions.read(text, program)
        expressions.derivatives(program, place)
        assert time.perf_counter() - started < 10


def test_compiled_code_holds_numbers_and_known_functions_only():
    """What is handed to the compiler is written by fastopt, whatever was typed."""
    program = Program()
    place = expressions.read("sin(x)**2*exp(-y) + 0.1", program)
    results = expressions.derivatives(program, place)
    lines, numbers = program.lines(results)
    known = {"x", "y", "return", *expressions.FUNCTIONS, "sign", "pow"}
    for line in lines:
        for word in line.replace("(", " ").replace(")", " ").replace(",", " ").split():
            assert word in {*known, "=", "+", "-", "*", "/"} or word.lstrip("-").startswith("v"), (
                line
            )
    assert all(isinstance(v, float) for v in numbers.values())
