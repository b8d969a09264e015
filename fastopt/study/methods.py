"""Which optimizers to look at, with which hyperparameters: from a line of text such as ``SGD(lr=0.05),Adam``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import fastopt
from fastopt.hyperparameters import OPTIONS

#: The optimizers of the classic texts.
CLASSIC = "SGD,Momentum,NAG,Adagrad,RMSprop,Adadelta,Adam"


@dataclass(frozen=True)
class Method:
    """An optimizer class, its hyperparameters, and the name to show."""

    optimizer: Any
    hyperparameters: dict[str, Any]
    label: str

    @property
    def name(self) -> str:
        """The name of the class."""
        return str(self.optimizer.__name__)


def parse(methods: str | Iterable[Method], lr: float | None = None) -> list[Method]:
    """The optimizers that a text names.

    Parameters
    ----------
    methods : str or sequence of Method
        Names of optimizers, with commas between them. Hyperparameters stand in parentheses, as in a call;
        their values are numbers, strings, True, False, None, and tuples of these. Nothing is evaluated.
        What is parsed already is returned as it is.
    lr : float, optional
        The learning rate of those that are given none and know one.

    Returns
    -------
    list of Method

    Raises
    ------
    ValueError
        For text of another form, or a name that is no optimizer of fastopt.
    TypeError
        For a hyperparameter that the optimizer doesn't have, or lacks.

    Examples
    --------
    >>> from fastopt.study import methods
    >>> for method in methods.parse("SGD, Adam(betas=(0.9, 0.99))", lr=0.1):
    ...     print(method.label, method.hyperparameters)
    SGD {'lr': 0.1}
    Adam(betas=(0.9, 0.99)) {'lr': 0.1, 'betas': (0.9, 0.99)}
    """
    if not isinstance(methods, str):
        return list(methods)
    try:
        tree = ast.parse(f"[{methods}\n]", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if not isinstance(tree, ast.List):
        raise _wrong(methods)
    if not tree.elts:
        raise ValueError(f"optimizers: none in {methods!r}; expected names such as SGD,Adam")
    return [_method(node, methods, lr) for node in tree.elts]


def _method(node: ast.expr, text: str, lr: float | None) -> Method:
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    if not isinstance(call.func, ast.Name) or call.args:
        raise _wrong(text)
    name, given = call.func.id, {}
    if name not in fastopt.optimizers.__all__:
        raise ValueError(
            f"optimizers: no optimizer {name}; there are {', '.join(fastopt.optimizers.__all__)}"
        )
    for keyword in call.keywords:
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise _wrong(text) from None
        if keyword.arg is None or keyword.arg in given:  # ** of something, or twice
            raise _wrong(text)
        given[keyword.arg] = value
    return method(getattr(fastopt, name), given, lr)


def method(optimizer: Any, hyperparameters: dict[str, Any], lr: float | None = None) -> Method:
    """A method from a class; `lr` is used if `hyperparameters` have none and the class knows one."""
    name = optimizer.__name__
    known = parameters(optimizer)
    general = {} if lr is None or "lr" not in known else {"lr": lr}
    chosen = general | hyperparameters
    for unknown in chosen.keys() - known.keys() - OPTIONS.keys():
        raise TypeError(f"{name} has no hyperparameter {unknown}; it has {', '.join(known)}")
    for missing in (n for n, p in known.items() if p.default is p.empty and n not in chosen):
        raise TypeError(f"{name} needs {missing}: {name}({missing}=...)")
    inside = ", ".join(f"{n}={v!r}" for n, v in hyperparameters.items())
    return Method(optimizer, chosen, f"{name}({inside})" if inside else name)


def parameters(optimizer: Any) -> dict[str, inspect.Parameter]:
    """The hyperparameters of a class, as its constructor takes them."""
    return dict(list(inspect.signature(optimizer.__init__).parameters.items())[2:])


def _wrong(text: str) -> ValueError:
    shown = text if len(text) <= 200 else text[:200] + "..."
    return ValueError(
        f"optimizers: {shown!r} is not a list of optimizers; expected names, with hyperparameters as in "
        '"SGD(lr=0.05),Adam(betas=(0.9, 0.99))"'
    )
