"""``fastopt playground``: optimizers on surfaces, in the browser."""

from __future__ import annotations

import typer

from fastopt.study.playground import server


def run(port: int | None, browser: bool) -> None:
    """Serve until interrupted."""
    server.serve(port, browser, ready=lambda address: typer.echo(f"{address}  (Ctrl+C ends it)"))
