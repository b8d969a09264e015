"""Expressions in x and y: read strictly, differentiated by SymPy, written out for the compiler.

What is read is never run as Python: text is cut into tokens that are numbers, operators and known names, and
becomes a `fastopt.study.program.Program`, a list of operations on numbers. SymPy's own readers evaluate text, and are not used; what SymPy
prints is read by the same strict reader.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastopt.study.program import BINARY, LARGEST_POWER, Program

#: The functions of expressions, by the names that the compiler knows them by.
FUNCTIONS = {
    **{n: n for n in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{n: n for n in ("exp", "log", "sqrt", "abs")},
}
CONSTANTS = {"pi": math.pi, "e": math.e}

#: What SymPy's derivatives have besides.
_OF_DERIVATIVES = {"Abs": "abs", "sign": "sign"}

_LONGEST, _DEEPEST, _MOST = 1000, 80, 400  # characters, nested operations, operations
_LARGEST = 1e12

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*)|\*\*|[-+*/()])",
    re.ASCII,
)
_OPERATORS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def read(text: str, program: Program) -> int:
    """Read an expression of the user's into a program; its place.

    Raises
    ------
    ValueError
        For anything but numbers, x, y, ``+ - * / **``, parentheses, and the known functions and constants; for what is
        too long, too deep or too large.
    """
    if not isinstance(text, str):
        raise ValueError(f"an expression is text; got {type(text).__name__}")
    if len(text) > _LONGEST:
        raise ValueError(
            f"an expression of {len(text)} characters; expected at most {_LONGEST}: {text[:40]!r}..."
        )
    try:
        _check_tokens(text)
        places = {"x": program.add("x"), "y": program.add("y")}
        return _Reader(program, places, FUNCTIONS, limited=True).read(text)
    except ValueError as error:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise ValueError(f"{shown!r} is no expression in x and y: {error}") from None


def _check_tokens(text: str) -> None:
    at, known = 0, {"x", "y", *FUNCTIONS, *CONSTANTS}
    end = len(text.rstrip())
    if end == 0:
        raise ValueError("it is empty")
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            rest = text[at:].lstrip()
            hint = "; powers are written **" if rest.startswith("^") else ""
            hint = "; products are written 2*x" if rest[0].isdigit() else hint
            raise ValueError(f"unexpected {rest[:10]!r}{hint}")
        name, number = token["name"], token["number"]
        if name is not None and name not in known:
            raise ValueError(f"unknown name {name!r}; known are {', '.join(sorted(known))}")
        if number is not None and not (
            float(number) == 0 or 1 / _LARGEST <= float(number) <= _LARGEST
        ):
            raise ValueError(
                f"the number {number[:30]}; expected 0, or one from {1 / _LARGEST:g} to {_LARGEST:g}"
            )
        at = token.end()


class _Reader:
    """Turns the syntax tree of one expression into operations."""

    def __init__(
        self,
        program: Program,
        places: Mapping[str, int],
        functions: Mapping[str, str],
        limited: bool,
    ) -> None:
        self.program, self.places, self.functions = program, places, functions
        self.limited = limited
        self.count = 0

    def read(self, text: str) -> int:
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, MemoryError, RecursionError, ValueError) as error:
            raise ValueError(getattr(error, "msg", None) or "it is too deep") from None
        return self.place(tree.body, 0)

    def place(self, node: ast.expr, depth: int) -> int:
        self.count += 1
        if self.limited and (depth > _DEEPEST or self.count > _MOST):
            raise ValueError(f"more than {_DEEPEST} nested or {_MOST} operations")
        program = self.program
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return program.add("number", _finite(node.value))
        if isinstance(node, ast.Name):
            if node.id in self.places:
                return self.places[node.id]
            if node.id in CONSTANTS:
                return program.add("number", CONSTANTS[node.id])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            own = self.place(node.operand, depth + 1)
            return own if isinstance(node.op, ast.UAdd) else program.add("-", own)
        if isinstance(node, ast.BinOp):
            left, right = self.place(node.left, depth + 1), self.place(node.right, depth + 1)
            if isinstance(node.op, ast.Pow):
                return self._power(left, right)
            if type(node.op) in _OPERATORS:
                return program.add(_OPERATORS[type(node.op)], left, right)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in self.functions
        ):
            if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
                raise ValueError(f"{node.func.id} takes one argument, in parentheses")
            return program.add(self.functions[node.func.id], self.place(node.args[0], depth + 1))
        raise ValueError(f"{type(node).__name__} where a number, x, y or an operation is expected")

    def _power(self, base: int, exponent: int) -> int:
        n = self.program.number(exponent)
        if self.limited and n is not None and abs(n) > LARGEST_POWER:
            raise ValueError(f"the power {n:g}; expected at most {LARGEST_POWER}")
        return self.program.power(base, exponent)


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number beyond all floats")
    return number


# ---- derivatives ----------------------------------------------------------------------------------


def derivatives(program: Program, value: int, order: int = 1) -> tuple[int, int]:
    """The places of the first derivatives by x and by y, or of the second ones; by SymPy.

    Raises
    ------
    ValueError
        Where they need more than the known functions.
    ModuleNotFoundError
        Without SymPy.
    """
    try:
        import sympy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'derivatives of expressions need SymPy: pip install "fastopt[study]"', name=error.name
        ) from error
    symbols = {name: sympy.Symbol(name, real=True) for name in ("x", "y")}
    places = {"x": program.add("x"), "y": program.add("y")}
    found: list[Any] = []
    for place, (name, *operands) in enumerate(program.operations[: value + 1]):
        if name in symbols:
            found.append(symbols[name])
        elif name == "number":
            own = _exact(sympy, operands[0])
            if own is None:
                own = sympy.Symbol(f"k{place}", real=True, zero=False)
                places[own.name] = place
            found.append(own)
        else:
            found.append(_in_sympy(sympy, name, [found[i] for i in operands]))
    wanted = [sympy.diff(found[value], symbols[n], order) for n in ("x", "y")]
    # of an absolute value's corner nothing is seen: there it has no second derivative
    wanted = [
        expression.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0)) for expression in wanted
    ]
    parts, results = sympy.cse(wanted, symbols=sympy.numbered_symbols("t"))
    functions = {**FUNCTIONS, **_OF_DERIVATIVES}
    reader = _Reader(program, places, functions, limited=False)
    try:
        for symbol, expression in parts:
            places[symbol.name] = reader.read(sympy.sstr(expression))
        by_x, by_y = (reader.read(sympy.sstr(expression)) for expression in results)
    except ValueError as error:  # such as that of abs(x**y), which may be complex
        shown = ", ".join(map(sympy.sstr, wanted))[:60]
        raise ValueError(f"no derivative by known functions; SymPy finds {shown!r}") from error
    return by_x, by_y


def _exact(sympy: Any, number: float) -> Any:
    """A number that SymPy may compute with: whole, or of few binary digits. Others are symbols to it."""
    scaled = number * 1024
    if scaled % 1 == 0 and abs(scaled) < 1 << 30:
        return sympy.Rational(int(scaled), 1024)
    return None


def _in_sympy(sympy: Any, name: str, operands: Sequence[Any]) -> Any:
    if name == "-" and len(operands) == 1:
        return -operands[0]
    if name == "pow":
        return operands[0] ** operands[1]
    if name in BINARY:
        return BINARY[name](*operands)
    return getattr(sympy, {"abs": "Abs"}.get(name, name))(*operands)
