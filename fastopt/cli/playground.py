"""``fastopt playground``: optimizers on surfaces, in the browser."""

from __future__ import annotations

import importlib.util

import typer


def run(port: int | None, browser: bool) -> None:
    """Serve until interrupted."""
    for name in ("bokeh", "matplotlib", "sympy"):
        if importlib.util.find_spec(name) is None:
            wanted = "pip install 'fastopt[playground]'"
            typer.echo(f"fastopt playground: {name} is not installed; {wanted}", err=True)
            raise typer.Exit(1)
    from fastopt.study.playground import server

    try:
        server.serve(port, browser, ready=lambda address: typer.echo(f"{address}  (Ctrl+C ends it)"))
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
