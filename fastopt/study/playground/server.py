"""The local server: one playground for each browser tab."""

from __future__ import annotations

import errno
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.models import CustomJS, UIElement
from bokeh.server.server import Server
from jinja2 import Environment, FileSystemLoader

from fastopt.study.playground.app import Playground
from fastopt.study.playground.courses import MOST_POINTS

ADDRESS = "127.0.0.1"
#: Where it listens if nothing else does.
PORT = 5006
HERE = Path(__file__).parent

#: Ports that browsers refuse, above those that need rights: https://fetch.spec.whatwg.org/#port-blocking.
REFUSED = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)  # fmt: skip


def check_port(port: int) -> int:
    """The port, or ValueError that says which can be had.

    Examples
    --------
    >>> from fastopt.study.playground.server import check_port
    >>> check_port(6000)
    Traceback (most recent call last):
    ValueError: port is 6000, which browsers refuse; expected another from 1024 to 65535
    """
    if port in REFUSED:
        raise ValueError(
            f"port is {port}, which browsers refuse; expected another from 1024 to 65535"
        )
    if not 1024 <= port <= 65535:
        raise ValueError(f"port is {port}; expected a number from 1024 to 65535")
    return port


def free_port() -> int:
    """`PORT` if it is free, else one that the system gives and browsers take."""
    for wanted in (PORT, *[0] * 50):
        with socket.socket() as s:
            try:
                s.bind((ADDRESS, wanted))
            except OSError:
                continue
            port = int(s.getsockname()[1])
        if port not in REFUSED:
            return port
    raise OSError(errno.EADDRINUSE, "no free port that browsers take")


def document(doc: Document) -> None:
    """Fill the document of a new browser tab."""
    request = doc.session_context.request if doc.session_context else None
    playground = Playground(doc, request.arguments if request else {})
    plots = playground.drawing.plots
    doc.title = "fastopt playground"
    loader = Environment(loader=FileSystemLoader(HERE), autoescape=False)
    doc.template = loader.get_template("page.html")
    doc.template_variables.update(
        page_css=(HERE / "page.css").read_text(), page_js=(HERE / "page.js").read_text(),
        names_js=(HERE / "names.js").read_text(),
    )  # fmt: skip
    roots = [*playground.sidebar.roots(), plots.surface, plots.rate_map, plots.errors, plots.slots]
    sheet = playground.sidebar.sheet
    for root in roots:
        for model in root.select({"type": UIElement}):
            if sheet not in model.stylesheets:
                model.stylesheets = [sheet, *model.stylesheets]
        doc.add_root(root)
    plots.surface.tags = [playground.page, plots.courses]  # what no root refers to stays here
    models = {
        "page": playground.page, "courses": plots.courses, "shown": plots.shown, "kept": plots.kept, "heads": plots.heads,
        "renderers": plots.paths, "panel": playground.sidebar.panel,
    }  # fmt: skip
    names = ", ".join(models)
    doc.js_on_event(
        DocumentReady,
        CustomJS(args=models, code=f"playground.start({{{names}, points: {MOST_POINTS}}})"),
    )


def serve(
    port: int | None = None, browser: bool = True, ready: Callable[[str], Any] = print
) -> None:
    """Serve playgrounds on this machine until interrupted.

    Parameters
    ----------
    port : int, optional
        A free one if left out.
    browser : bool
        Whether to open it.
    ready : callable
        Given the address once it can be opened.

    Raises
    ------
    ValueError
        For a port that browsers refuse.
    OSError
        If the port is taken.
    """
    chosen = free_port() if port is None else check_port(port)
    server = Server(
        {"/": Application(FunctionHandler(document))},
        port=chosen, address=ADDRESS,
        allow_websocket_origin=[f"{ADDRESS}:{chosen}", f"localhost:{chosen}"],
        unused_session_lifetime_milliseconds=60_000,
    )  # fmt: skip
    server.start()
    address = f"http://{ADDRESS}:{chosen}/"
    ready(address)
    if browser:
        server.io_loop.add_callback(webbrowser.open, address)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
