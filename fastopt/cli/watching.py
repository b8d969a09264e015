"""The commands that show optimizers at work: ``playground``, ``compare`` and ``figure``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class View(str, Enum):
    """How an animation looks at its objective."""

    contour = "contour"
    surface = "surface"


def playground(
    port: Annotated[
        int | None, typer.Option(help="Where the server listens; a free port if left out.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
) -> None:
    """Watch optimizers on surfaces in the browser, with a slider for every hyperparameter.

    Serves on this machine only, until it is interrupted. Needs the extra "playground".
    """
    _require("playground", "playground", "bokeh", "matplotlib", "sympy")
    from fastopt.cli import playground

    with _refusing():
        playground.run(port, browser)


def compare(
    objective: Annotated[
        str, typer.Argument(help="A name, such as saddle, or an expression in x and y.")
    ] = "saddle",
    optimizers: Annotated[
        str, typer.Option(help="With hyperparameters as in 'SGD(lr=0.05),Adam(betas=(0.9,0.99))'.")
    ] = "SGD,Momentum,NAG,Adagrad,RMSprop,Adadelta,Adam",
    lr: Annotated[float, typer.Option(help="Learning rate of those that are given none.")] = 0.01,
    steps: Annotated[int, typer.Option(min=1, help="Of each optimizer.")] = 200,
    start: Annotated[
        str | None, typer.Option(help="Where all start, such as -1.5,2; else the objective's own.")
    ] = None,
    view: Annotated[View, typer.Option(help="From above, or in three dimensions.")] = View.contour,
    fps: Annotated[int, typer.Option(min=1, max=50, help="Pictures a second.")] = 20,
    dpi: Annotated[int, typer.Option(min=20, max=600, help="Pixels an inch, of 8 x 6.")] = 100,
    out: Annotated[Path, typer.Option(help="A .gif, .mp4, .html or .png.")] = Path("compare.gif"),
) -> None:
    """Animate optimizers side by side, all from the same start. Needs the extra "plot".

    A video (.mp4) needs ffmpeg; a page (.html) has a player in it; a .png shows the last step.
    """
    _require("compare", "plot", "matplotlib", "PIL")
    from fastopt.cli import compare

    with _refusing():
        compare.run(objective, optimizers, lr, steps, start, view.value, out, fps, dpi)


class WithFigures(TyperCommand):
    """A command whose help ends with the names of all figures, loaded only when it is read."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Add the names to the help."""
        from fastopt.study.figures import PLACES

        self.epilog = f"The figures: {', '.join(PLACES)}."
        super().format_help(ctx, formatter)


def figure(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Which; without a name, all are listed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .png, .svg or .pdf; else NAME.png.")] = None,
    dpi: Annotated[int, typer.Option(min=20, max=600, help="Pixels an inch.")] = 120,
) -> None:
    """Draw one of the figures of the gallery. Needs the extra "plot".

    Further options are the figure's own, such as --objective beale --start 1,1 --steps 100; a wrong one is
    answered with the list.
    """
    _require("figure", "plot", "matplotlib")
    from fastopt.cli import figure

    if name is None:
        typer.echo(figure.overview())
        return
    with _refusing():
        target = out or Path(f"{name}.png")
        figure.run(name, context.args, target, dpi)
        typer.echo(f"{name}: {target}")


def _require(command: str, extra: str, *modules: str) -> None:
    """End with what to install if a library is missing."""
    import importlib.util

    for module in modules:
        if importlib.util.find_spec(module) is None:
            typer.echo(
                f"fastopt {command}: {module} is not installed; pip install 'fastopt[{extra}]'",
                err=True,
            )
            raise typer.Exit(1)


@contextmanager
def _refusing() -> Iterator[None]:
    """Errors about what was asked for are answers, not tracebacks."""
    try:
        yield
    except ModuleNotFoundError as missing:
        extra = {"sympy": "study"}.get(missing.name or "", "plot")
        typer.echo(
            f"fastopt: {missing.name} is not installed; pip install 'fastopt[{extra}]'", err=True
        )
        raise typer.Exit(1) from None
    except (ValueError, TypeError, RuntimeError, OSError, MemoryError) as refused:
        raise typer.BadParameter(str(refused)) from None
