"""Exponentially weighted averages of something real."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from matplotlib.figure import Figure

from fastopt.smoothing import ema
from fastopt.study.figures import style


def seattle(year: int = 2012) -> tuple[np.ndarray, np.ndarray]:
    """The highest temperatures of all days of a year in Seattle, from the package vega_datasets.

    Parameters
    ----------
    year : int
        2012 to 2015.

    Returns
    -------
    days : array of datetime64[D], shape (365 or 366,)
    temperatures : array of float64, shape (365 or 366,)
        In degrees Celsius.

    Raises
    ------
    ValueError
        For another year.

    Examples
    --------
    >>> from fastopt.study.figures.averages import seattle
    >>> days, temperatures = seattle(2012)
    >>> print(len(days), days[0], temperatures[0])
    366 2012-01-01 12.8
    """
    table = files("vega_datasets").joinpath("_data", "seattle-weather.csv").read_text("utf-8")
    rows = [
        (row["date"].replace("/", "-"), row["temp_max"])
        for row in csv.DictReader(table.splitlines())
    ]
    chosen = [(day, float(t)) for day, t in rows if day.startswith(f"{year}-")]
    if not chosen:
        raise ValueError(f"year is {year!r}; the data has {rows[0][0][:4]} to {rows[-1][0][:4]}")
    days, temperatures = zip(*chosen, strict=True)
    return np.array(days, "datetime64[D]"), np.array(temperatures)


def temperatures(betas: Sequence[float] = (0.5, 0.9, 0.98), year: int = 2012) -> Figure:
    """Exponentially weighted averages of a year of daily temperatures, with and without bias correction.

    Parameters
    ----------
    betas : sequence of float
        The weights of the past.
    year : int
        2012 to 2015.

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    The averages are those of `fastopt.smoothing.ema` from a start at zero. Dashes: without bias correction.
    The data are in the package vega_datasets (extra ``plot``).

    Examples
    --------
    >>> from fastopt.study import figures
    >>> figure = figures.temperatures(betas=(0.9,))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['one day', 'beta 0.9: about 10 days', 'without bias correction']
    """
    days, degrees = seattle(year)
    betas = style.several("betas", betas)
    figure, (axes,) = style.figure(size=(8.5, 4.4))
    axes.plot(days, degrees, "o", color="#999999", markersize=2.5, label="one day")
    for beta, shade in zip(betas, style.shades(len(betas)), strict=True):
        corrected = ema(degrees, beta, init="zero", bias_correction=True)
        axes.plot(
            days, corrected, color=shade, linewidth=2, path_effects=style.halo(),
            label=f"beta {beta:g}: about {1 / (1 - beta):.0f} days",
        )  # fmt: skip
        axes.plot(days, ema(degrees, beta, init="zero"), "--", color=shade, linewidth=1.2)
    axes.plot([], [], "--", color="#444444", linewidth=1.2, label="without bias correction")
    style.course(axes, f"highest temperature of each day, Seattle {year}", "°C", x="")
    axes.legend(frameon=False)
    return figure
