"""Colours, in light and in dark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Look:
    """The colours of one theme; those of widgets and the page are in ``page.css``."""

    text: str
    muted: str
    grid: str
    paper: str
    outline: str
    contour: str
    valley: str
    height: str
    nowhere: str
    runs: tuple[str, ...]
    slots: tuple[str, ...]

    def heights(self) -> list[str]:
        """The colours of a surface, from its lowest to its highest."""
        return ramp(self.valley, self.height)


LIGHT = Look(
    text="#1f2630",
    muted="#5b6675",
    grid="#e3e8ee",
    paper="#ffffff",
    outline="#c9d1db",
    contour="#8ea3bd",
    valley="#c3d3e8",
    height="#fbfcfe",
    nowhere="#e6e6e6",
    runs=("#1f6fd0", "#d9650a", "#12854c", "#c2257d", "#7445d6", "#cc1f2d", "#08808c", "#8a6a00"),
    slots=("#1f6fd0", "#6ea8ec", "#d9650a", "#f2a566", "#12854c", "#63bd90", "#7445d6", "#ae90ec",
           "#c2257d", "#e285b8", "#08808c", "#6fb9c1"),
)  # fmt: skip

DARK = Look(
    text="#e6ebf2",
    muted="#9aa7b8",
    grid="#2a3444",
    paper="#161c26",
    outline="#3a4658",
    contour="#5a6d8a",
    valley="#0d131c",
    height="#34445e",
    nowhere="#3a3a3a",
    runs=("#5aa9ff", "#ff9f43", "#3ddc97", "#ff72b6", "#b899ff", "#ff6b6b", "#4dd4e4", "#e8c547"),
    slots=("#5aa9ff", "#a9d2ff", "#ff9f43", "#ffcf9e", "#3ddc97", "#a3f0cd", "#b899ff", "#dccdff",
           "#ff72b6", "#ffb8da", "#4dd4e4", "#a8ecf4"),
)  # fmt: skip

LOOKS = {"light": LIGHT, "dark": DARK}


def ramp(low: str, high: str, count: int = 256) -> list[str]:
    """Colours from one to another."""
    a, b = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (low, high))
    return [
        "#" + "".join(f"{v:02x}" for v in (a + (b - a) * t).round().astype(int))
        for t in np.linspace(0, 1, count)
    ]


def mixed(colour: str, paper: str, share: float) -> str:
    """A colour thinned with that of the paper."""
    return ramp(paper, colour, 101)[round(100 * share)]
