"""A playground in a process of its own, and Debian's Chromium to open it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BINARIES = ("chromium", "chromedriver")


@pytest.fixture(scope="session")
def address():
    """Of a server that runs as a user would run it."""
    pytest.importorskip("bokeh", reason="Bokeh is not installed (extra: playground)")
    command = [sys.executable, "-W", "error", "-m", "fastopt", "playground", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        said = server.stdout.readline()
        assert said.startswith("http://127.0.0.1:"), said + server.stdout.read()
        yield said.split()[0]
        server.terminate()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Where screenshots go: FASTOPT_SCREENSHOTS, else a temporary folder."""
    folder = Path(os.environ.get("FASTOPT_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """Chromium without a window."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed (extra: browser)"
    )
    places = [shutil.which(name) for name in BINARIES]
    for name, place in zip(BINARIES, places, strict=True):
        if place is None:
            pytest.skip(f"{name} is not installed (Debian: chromium, chromium-driver)")
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = places[0]
    for argument in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
        f"user-data-dir={folder / 'profile'}", "window-size=1280,800",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(places[1]))
    made.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    made.downloads = folder
    yield made
    made.quit()
