"""Optimizers named in a line of text: what is understood, and that nothing is evaluated."""

from __future__ import annotations

import pytest

import fastopt
from fastopt.study import methods


def test_names_and_hyperparameters():
    text = (
        "SGD(lr=0.05), Adam(betas=(0.9, 0.99)),\nMomentum(form='ema', bias_correction=True),COCOB"
    )
    parsed = methods.parse(text, lr=0.1)
    assert [(m.optimizer, m.hyperparameters) for m in parsed] == [
        (fastopt.SGD, {"lr": 0.05}),
        (fastopt.Adam, {"lr": 0.1, "betas": (0.9, 0.99)}),
        (fastopt.Momentum, {"lr": 0.1, "form": "ema", "bias_correction": True}),
        (fastopt.COCOB, {} if "lr" not in methods.parameters(fastopt.COCOB) else {"lr": 0.1}),
    ]
    assert [m.label for m in parsed[:2]] == ["SGD(lr=0.05)", "Adam(betas=(0.9, 0.99))"]
    assert methods.parse(parsed) == parsed
    (boxed,) = methods.parse("SGD(lr=1, bounds=(-1, 1), ema_decay=0.9)")  # what any optimizer takes
    assert boxed.hyperparameters == {"lr": 1, "bounds": (-1, 1), "ema_decay": 0.9}


def test_every_optimizer_can_be_named():
    parsed = methods.parse(",".join(fastopt.optimizers.__all__), lr=0.1)
    assert [m.name for m in parsed] == list(fastopt.optimizers.__all__)


@pytest.mark.parametrize("text", [
    "Adam(lr=__import__('os').system('true'))", "Adam(lr=open('x'))", "Adam(lr=1+x)", "Adam(1)", "Adam(*(1,))",
    "Adam(**{'lr': 1})", "Adam(lr=1, lr=2)", "Adam(lr=1)(2)", "os.system('true')", "(SGD, Adam)", "[SGD]", "SGD][0",
    "SGD], [Adam", "SGD for SGD in SGD", "SGD if SGD else SGD", "lambda: SGD", "SGD,,Adam", "SGD Adam", "SGD)", "\0",
    "Adam(lr=" + "(" * 500, "-" * 20_000 + "SGD", "SGD:=1", "f'{SGD}'", "*SGD", "'SGD'", "1", "SGD.step",
])  # fmt: skip
def test_nothing_is_evaluated(text):
    with pytest.raises(ValueError, match="is not a list of optimizers"):
        methods.parse(text, lr=0.1)


@pytest.mark.parametrize(("text", "error", "message"), [
    ("", ValueError, "none in"),
    ("Adamm", ValueError, "no optimizer Adamm; there are"),
    ("__import__", ValueError, "no optimizer __import__"),
    ("Adam(foo=1)", TypeError, "Adam has no hyperparameter foo; it has lr"),
    ("Momentum", TypeError, "Momentum needs lr"),
    ("Adam(params=1)", TypeError, "no hyperparameter params"),
])  # fmt: skip
def test_says_what_is_wrong(text, error, message):
    with pytest.raises(error, match=message):
        methods.parse(text)
