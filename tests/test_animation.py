"""Animations: what moves in them, the formats, and the commands ``compare`` and ``figure``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import fastopt
from fastopt.study import trace

animation, movies, style = (
    pytest.importorskip(f"fastopt.study.{name}", reason="a library is not installed (extra: plot)")
    for name in ("animation", "movies", "figures.style")
)
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra: plot)")
testing = pytest.importorskip(
    "typer.testing", reason="the command line's libraries are not installed (extra: cli)"
)


def made(view="contour", steps=30, **options):
    return animation.compare("quadratic", "SGD,Adam", lr=0.03, steps=steps, view=view, **options)


def opened(path, frame=0):
    """A picture's size, number of frames, and one of them as an array."""
    with Image.open(path) as picture:
        count = getattr(picture, "n_frames", 1)
        picture.seek(frame % count)
        return picture.size, count, np.asarray(picture.convert("RGB"))


def said(*arguments, code=0):
    from fastopt.cli.app import app

    done = testing.CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("view", ["contour", "surface"])
def test_frames_show_the_traces(view):
    film = made(view)
    for number, _ in enumerate(film.frames(dpi=20)):
        for line, name in zip(film._lines, ("SGD", "Adam"), strict=True):
            points = trace(getattr(fastopt, name), "quadratic", steps=30, lr=0.03).points
            drawn = line.get_data_3d()[:2] if view == "surface" else line.get_data()
            np.testing.assert_array_equal(np.column_stack(drawn), points[: number + 1])
    assert number + 1 == len(film) == 31


@pytest.mark.parametrize("view", ["contour", "surface"])
def test_frames_are_pictures_that_change(view):
    frames = list(made(view, start=(-3.0, 3.0)).frames(dpi=40))
    assert {(f.shape, f.dtype) for f in frames} == {((240, 320, 3), np.dtype(np.uint8))}
    assert (frames[0] != frames[-1]).any(axis=2).sum() > 200
    for name in ("SGD", "Adam"):  # in the last, there is a line in the colour of each
        color = np.array([int(style.color(name)[i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(frames[-1].astype(int) - color).max(axis=2) < 16).sum() > 20, name


def test_long_runs_have_few_frames():
    film = made(steps=1000)
    assert len(film) == animation.FRAMES
    assert film.steps_shown[0] == 0
    assert film.steps_shown[-1] == 1000


def test_formats(tmp_path):
    film = made(steps=12)
    for suffix in ("gif", "html", "png"):
        film.save(tmp_path / f"film.{suffix}", dpi=40, fps=10)
    assert opened(tmp_path / "film.gif")[:2] == ((320, 240), 13)
    page = (tmp_path / "film.html").read_text("utf-8")
    assert page.count('"data:image/webp;base64,') == 13
    assert not re.search(r"(src|href)\s*=\s*[\"']?http", page)  # needs no network
    assert "<title>quadratic: SGD, Adam</title>" in page
    assert opened(tmp_path / "film.png")[0] == (320, 240)


def test_colours_of_a_gif_are_those_of_the_lines(tmp_path):
    film = made(steps=12, start=(-3.0, 3.0))
    film.save(tmp_path / "film.gif", dpi=60)
    kept = opened(tmp_path / "film.gif", -1)[2].astype(int)
    *_, drawn = film.frames(dpi=60)
    assert np.abs(kept - drawn).max(axis=2).mean() < 3
    blue = np.abs(drawn.astype(int) - (0, 0x72, 0xB2)).max(axis=2) < 8
    assert np.abs(kept - drawn)[blue].max() < 24


def test_a_title_is_no_markup(tmp_path):
    frame = np.zeros((2, 2, 3), np.uint8)
    movies.page([frame], tmp_path / "page.html", 10, "<script>alert(1)</script>")
    assert "<script>alert" not in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_video(tmp_path):
    made(steps=12).save(tmp_path / "film.mp4", dpi=41, fps=10)  # 41: an odd number of rows
    decoded = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", tmp_path / "film.mp4", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert len(decoded) == 13 * 246 * 328
    with pytest.raises(RuntimeError, match="ffmpeg failed"):
        made(steps=12).save(tmp_path / "absent" / "film.mp4", dpi=40)


def test_no_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"ffmpeg is not found; install it, or write \.gif"):
        made(steps=1).save(tmp_path / "film.mp4")
    assert "ffmpeg is not found" in said("compare", "--out", str(tmp_path / "f.mp4"), code=2)


@pytest.mark.parametrize(("options", "message"), [
    ({"view": "side"}, "view is 'side'"),
    ({"steps": 0}, "steps is 0"),
    ({"start": (1.0, 2.0, 3.0)}, "start"),
    ({"start": (np.nan, 0.0)}, "start"),
])  # fmt: skip
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_divergence_is_no_failure():
    film = animation.compare("rosenbrock", "SGD,Momentum", lr=10.0, steps=50, view="surface")
    assert len(list(film.frames(dpi=30))) == 51


# ---- commands ------------------------------------------------------------------------------------


def test_compare(tmp_path):
    out = tmp_path / "film.gif"
    text = said(
        "compare", "saddle", "--optimizers", "SGD(lr=0.05),Adam(betas=(0.9,0.99))", "--steps", "9",
        "--start=-1,0.5", "--dpi", "40", "--out", str(out),
    )  # fmt: skip
    x, y = trace(fastopt.SGD, "saddle", (-1.0, 0.5), 9, lr=0.05).points[-1]
    assert f"SGD(lr=0.05): ({x:.4g}, {y:.4g})" in text
    assert "Adam(betas=(0.9, 0.99)): (" in text
    assert opened(out)[1] == 10


@pytest.mark.parametrize(("arguments", "message"), [
    (("--out", "film.avi"), "expected a name that ends with .gif, .mp4, .html, .png"),
    (("nonsense",), "is no expression"),
    (("--optimizers", "Adamm"), "no optimizer Adamm"),
    (("--optimizers", "Muon"), "matrices only"),
    (("--optimizers", "Adam(lr=-1)"), "lr"),
    (("--start", "1"), "expected a point such as -1.5,2"),
    (("--start", "a,b"), "expected a point such as -1.5,2"),
    (("--optimizers", "SGD,Adam", "--out", "absent/film.gif", "--steps", "2", "--dpi", "20"), "absent"),
])  # fmt: skip
def test_compare_refuses(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in said("compare", *arguments, code=2)
    assert not list(tmp_path.iterdir())


def test_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "acceleration.png" in said("figure", "acceleration", "--resolution", "5", "--dpi=30")
    assert opened("acceleration.png")[0] == (174, 138)
    said(
        "figure", "nesterov", "--steps=5", "--start", "-3,2", "--momentum", "0.5", "--out", "n.svg"
    )
    said(
        "figure", "temperatures", "--betas", "0.5", "--out", "one.png"
    )  # one number is a sequence of one
    assert "rate_map" in said("figure", "--help")
    listed = said("figure")
    assert "temperatures" in listed
    assert "Exponentially weighted averages of a year" in listed


@pytest.mark.parametrize(("arguments", "message"), [
    (("nothing",), "no figure nothing; there are momentum_updates"),
    (("acceleration", "--rate", "1"), "no option --rate; acceleration takes --momentum"),
    (("acceleration", "--momentum"), "--momentum has no value"),
    (("acceleration", "stray"), "no option stray"),
    (("acceleration", "--momentum", "2"), "momentum"),
    (("acceleration", "--momentum", "__import__('os')"), "momentum"),
])  # fmt: skip
def test_figure_refuses(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in said("figure", *arguments, code=2)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for command in ("compare", "figure"):
        assert "pip install 'fastopt[plot]'" in said(command, code=1)


def test_an_expression_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    assert "sympy is not installed; pip install 'fastopt[study]'" in said("compare", "x**2", code=1)
