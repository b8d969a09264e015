"""The command line. Its libraries are the extra ``cli``; ``fastopt demo`` needs the extra ``demo``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``fastopt``."""
    try:
        from fastopt.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("fastopt"):
            raise
        sys.exit(f"fastopt: {missing.name} is not installed; pip install 'fastopt[cli]'")
    app()
