"""Functions of a point in the plane to watch optimizers on.

Each has value, gradient and curvature in compiled code, the part of the plane to look at, its minima and a point to
start from:

>>> from fastopt.study import objectives
>>> bowl = objectives.quadratic
>>> bowl.formula, bowl.value([1.0, 1.0]), bowl.gradient([1.0, 1.0])
('3*x**2 + 10*y**2', np.float64(13.0), array([ 6., 20.]))
>>> objectives.get("himmelblau").minima[0]
array([3., 2.])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.study import expressions
from fastopt.study.objective import Bounds, Objective, Pair
from fastopt.study.program import Program


def names() -> list[str]:
    """The names of the known objectives.

    Examples
    --------
    >>> from fastopt.study import objectives
    >>> objectives.names()[:3]
    ['quadratic', 'saddle', 'rosenbrock']
    """
    return list(_KNOWN)


def get(objective: str | Objective) -> Objective:
    """The objective of a name, an expression in x and y, or an objective itself.

    Raises
    ------
    ValueError
        If text is neither a name nor an expression.
    TypeError
        If it is neither text nor an `Objective`.
    """
    if isinstance(objective, Objective):
        return objective
    if not isinstance(objective, str):
        raise TypeError(
            f"objective is {objective!r}; expected a name, an expression in x and y, or an Objective"
        )
    return _KNOWN[objective] if objective in _KNOWN else parse(objective)


def parse(text: str) -> Objective:
    """An objective from an expression in x and y, such as ``"sin(x) + y**2"``; derivatives by SymPy.

    Text is never run as Python: it may hold numbers, x, y, ``+ - * / **``, parentheses, pi, e, and the functions sin,
    cos, tan, asin, acos, atan, sinh, cosh, tanh, exp, log, sqrt and abs.

    Raises
    ------
    ValueError
        For anything else, and for what is too long, too deep or too large.
    ModuleNotFoundError
        Without SymPy, which the extra ``study`` installs.

    Examples
    --------
    >>> from fastopt.study import objectives
    >>> wave = objectives.parse("sin(x) + y**2")
    >>> wave.value([0.0, 1.0]), wave.gradient([0.0, 1.0])
    (np.float64(1.0), array([1., 2.]))
    >>> objectives.parse("x.real")
    Traceback (most recent call last):
    ValueError: 'x.real' is no expression in x and y: unexpected '.real'
    """
    program = Program()
    place = expressions.read(text, program)
    expressions.derivatives(program, place)  # so that one without is refused here
    return Objective(text.strip(), text.strip())


def _known(
    name: str, formula: str, first: Pair, second: Pair, bounds: Bounds, minima: Sequence[Any],
    start: tuple[float, float], lr: float,
) -> Objective:  # fmt: skip
    points = np.reshape(minima, (-1, 2))
    return Objective(name, formula, bounds, points, np.array(start), lr, first=first, second=second)


quadratic = _known(
    "quadratic", "3*x**2 + 10*y**2",
    ("6*x", "20*y"), ("6", "20"),
    ((-4, 4), (-4, 4)), [(0, 0)], (-3.5, 2.5), 0.02,
)  # fmt: skip

saddle = _known(
    "saddle", "x**2 - y**2",
    ("2*x", "-2*y"), ("2", "-2"),
    ((-2, 2), (-2, 2)), [], (-1.5, 0.01), 0.05,
)  # fmt: skip

rosenbrock = _known(
    "rosenbrock", "(1 - x)**2 + 100*(y - x**2)**2",
    ("2*(x - 1) - 400*x*(y - x**2)", "200*(y - x**2)"), ("2 - 400*y + 1200*x**2", "200"),
    ((-2, 2), (-1, 3)), [(1, 1)], (-1.5, 2), 5e-4,
)  # fmt: skip

_A, _B, _C = "(1.5 - x + x*y)", "(2.25 - x + x*y**2)", "(2.625 - x + x*y**3)"
beale = _known(
    "beale", f"{_A}**2 + {_B}**2 + {_C}**2",
    (
        f"2*(y - 1)*{_A} + 2*(y**2 - 1)*{_B} + 2*(y**3 - 1)*{_C}",
        f"2*x*{_A} + 4*x*y*{_B} + 6*x*y**2*{_C}",
    ),
    (
        "2*(y - 1)**2 + 2*(y**2 - 1)**2 + 2*(y**3 - 1)**2",
        f"2*x**2 + 8*x**2*y**2 + 4*x*{_B} + 18*x**2*y**4 + 12*x*y*{_C}",
    ),
    ((-4.5, 4.5), (-4.5, 4.5)), [(3, 0.5)], (1, 1.5), 0.005,
)  # fmt: skip

_A, _B = "(x**2 + y - 11)", "(x + y**2 - 7)"
himmelblau = _known(
    "himmelblau", f"{_A}**2 + {_B}**2",
    (f"4*x*{_A} + 2*{_B}", f"2*{_A} + 4*y*{_B}"), ("12*x**2 + 4*y - 42", "4*x + 12*y**2 - 26"),
    ((-6, 6), (-6, 6)),
    [
        (3, 2), (-2.805118086952745, 3.131312518250573), (-3.7793102533777469, -3.2831859912861694),
        (3.5844283403304917, -1.8481265269644034),
    ],
    (0, -5), 0.005,
)  # fmt: skip

# of 2 x + 20 pi sin(2 pi x), one near each whole number
_AXIS = [0.0, 0.994958637652, 1.989912233709, 2.984855701039, 3.979783860301, 4.974691390895]
rastrigin = _known(
    "rastrigin", "20 + x**2 + y**2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)",
    ("2*x + 20*pi*sin(2*pi*x)", "2*y + 20*pi*sin(2*pi*y)"),
    ("2 + 40*pi**2*cos(2*pi*x)", "2 + 40*pi**2*cos(2*pi*y)"),
    ((-5.12, 5.12), (-5.12, 5.12)),
    sorted(
        ((x, y) for x in {*_AXIS, *(-v for v in _AXIS)} for y in {*_AXIS, *(-v for v in _AXIS)}),
        key=lambda p: (p[0] ** 2 + p[1] ** 2, p),
    ),
    (-3.4, 2.6), 0.002,
)  # fmt: skip

# at the very peak the slope is taken as 0, by the smallest number that is added to the radius
_R, _E = "sqrt(0.5*(x**2 + y**2))", "exp(0.5*(cos(2*pi*x) + cos(2*pi*y)))"
_A = f"exp(-0.2*{_R})/({_R} + 1e-12)"
ackley = _known(
    "ackley", f"20 + e - 20*exp(-0.2*{_R}) - {_E}",
    (f"2*x*{_A} + pi*sin(2*pi*x)*{_E}", f"2*y*{_A} + pi*sin(2*pi*y)*{_E}"),
    (
        f"{_A}*(2 - x**2*(0.2 + 1/({_R} + 1e-12))/({_R} + 1e-12)) + pi**2*(2*cos(2*pi*x) - sin(2*pi*x)**2)*{_E}",
        f"{_A}*(2 - y**2*(0.2 + 1/({_R} + 1e-12))/({_R} + 1e-12)) + pi**2*(2*cos(2*pi*y) - sin(2*pi*y)**2)*{_E}",
    ),
    ((-5, 5), (-5, 5)), [(0, 0)], (-3.2, 2.7), 0.02,
)  # fmt: skip

_A, _B = "(x + 2*y - 7)", "(2*x + y - 5)"
booth = _known(
    "booth", f"{_A}**2 + {_B}**2",
    (f"2*{_A} + 4*{_B}", f"4*{_A} + 2*{_B}"), ("10", "10"),
    ((-10, 10), (-10, 10)), [(1, 3)], (-8, 6), 0.02,
)  # fmt: skip

_S, _U = "(x + y)", "(2*x - 3*y)"
_A = f"(1 + ({_S} + 1)**2*(19 - 14*{_S} + 3*{_S}**2))"
_B = f"(30 + {_U}**2*(18 - 16*{_U} + 3*{_U}**2))"
_A1, _B1 = f"12*({_S} + 1)*({_S} - 1)*({_S} - 2)", f"12*{_U}*({_U} - 1)*({_U} - 3)"
_A2, _B2 = f"12*(3*{_S}**2 - 4*{_S} - 1)", f"12*(3*{_U}**2 - 8*{_U} + 3)"
goldstein_price = _known(
    "goldstein_price", f"{_A}*{_B}",
    (f"{_A1}*{_B} + 2*{_A}*{_B1}", f"{_A1}*{_B} - 3*{_A}*{_B1}"),
    (
        f"{_A2}*{_B} + 4*{_A1}*{_B1} + 4*{_A}*{_B2}",
        f"{_A2}*{_B} - 6*{_A1}*{_B1} + 9*{_A}*{_B2}",
    ),
    ((-2, 2), (-2, 2)), [(0, -1), (-0.6, -0.4), (1.8, 0.2), (1.2, 0.8)], (-1.5, 1), 1e-6,
)  # fmt: skip

_X = 1.747552345830289
three_hump_camel = _known(
    "three_hump_camel", "2*x**2 - 1.05*x**4 + x**6/6 + x*y + y**2",
    ("4*x - 4.2*x**3 + x**5 + y", "x + 2*y"), ("4 - 12.6*x**2 + 5*x**4", "2"),
    ((-3, 3), (-3, 3)), [(0, 0), (-_X, _X / 2), (_X, -_X / 2)], (-2.2, -2), 0.02,
)  # fmt: skip

_L, _H = -2.9035340277711774, 2.746802770990837
styblinski_tang = _known(
    "styblinski_tang", "(x**4 - 16*x**2 + 5*x + y**4 - 16*y**2 + 5*y)/2",
    ("2*x**3 - 16*x + 2.5", "2*y**3 - 16*y + 2.5"), ("6*x**2 - 16", "6*y**2 - 16"),
    ((-5, 5), (-5, 5)), [(_L, _L), (_L, _H), (_H, _L), (_H, _H)], (0, 4.5), 0.01,
)  # fmt: skip

# A slope with a small hole half way down, and the deep valley at its foot. Gradient descent from the top stays in the
# hole; the corrected average of gradients, with beta above about 0.91, leaves it again.
_A, _B = "exp(-10*x**2)", "exp(-0.5*(x - 3)**2)"
hill = _known(
    "hill", f"0.1*(x - 3)**2 - 0.4*{_A} - {_B} + 0.5*y**2",
    (f"0.2*(x - 3) + 8*x*{_A} + (x - 3)*{_B}", "y"),
    (f"0.2 + (8 - 160*x**2)*{_A} + (1 - (x - 3)**2)*{_B}", "1"),
    ((-4, 5), (-3, 3)), [(3, 0), (0.08377125750507249, 0)], (-3, 1.5), 0.05,
)  # fmt: skip

_KNOWN = {
    o.name: o
    for o in (
        quadratic, saddle, rosenbrock, beale, himmelblau, rastrigin, ackley, booth,
        goldstein_price, three_hump_camel, styblinski_tang, hill,
    )
}  # fmt: skip
