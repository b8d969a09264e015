"""Pictures in a row, written as a GIF, a video, or a page with a player."""

from __future__ import annotations

import base64
import html
import io
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".gif", ".mp4", ".html", ".png")


def writer(out: Path) -> Any:
    """The function that writes the format that this name asks for.

    Raises
    ------
    ValueError
        For another suffix.
    RuntimeError
        If a video is asked for and ffmpeg is not there.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"out is {str(out)!r}; expected a name that ends with {', '.join(SUFFIXES)}"
        )
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise RuntimeError(
            f"out is {str(out)!r}, and ffmpeg is not found; install it, or write .gif or .html"
        )
    return {".gif": gif, ".mp4": mp4, ".html": page, ".png": last}[suffix]


def gif(frames: Iterable[np.ndarray], out: Path, fps: int, title: str) -> None:
    """An endless GIF; the last picture stays for a second. Frames are uint8 (height, width, 3)."""
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    palette = _palette(np.asarray(pictures[-1]))  # one for all: colours must not flicker
    small = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    times = [round(1000 / fps)] * (len(small) - 1) + [1000]
    small[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=small[1:],
        duration=times,
        loop=0,
        optimize=True,
    )


def _palette(frame: np.ndarray, grays: int = 52) -> Any:
    """A picture with 256 colours for a GIF: greys, and those of the lines, which are few pixels among many."""
    from PIL import Image

    gray = np.linspace(0, 255, grays).round().astype(np.uint8)[:, None].repeat(3, axis=1)
    pixels = frame.reshape(-1, 3)
    bright = np.unique(pixels[np.ptp(pixels.astype(int), axis=1) > 24], axis=0)
    colors = np.zeros((0, 3), np.uint8)
    if len(bright):
        found = Image.fromarray(bright[None]).quantize(256 - grays)
        colors = np.array(found.getpalette(), np.uint8).reshape(-1, 3)[: 256 - grays]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.vstack([gray, colors]).tobytes())
    return palette


def mp4(frames: Iterable[np.ndarray], out: Path, fps: int, title: str) -> None:
    """An H.264 video, by ffmpeg."""
    process: subprocess.Popen[bytes] | None = None
    try:
        for frame in frames:
            even = np.ascontiguousarray(frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])
            process = process or _ffmpeg(even.shape[1], even.shape[0], fps, out)
            assert process.stdin is not None
            process.stdin.write(even.tobytes())
    except BrokenPipeError:
        pass  # ffmpeg says why
    if process is not None:
        _, said = process.communicate()
        if process.returncode:
            raise RuntimeError(f"ffmpeg failed: {said.decode(errors='replace').strip()}")


def _ffmpeg(width: int, height: int, fps: int, out: Path) -> subprocess.Popen[bytes]:
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps)]
    coded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *raw, "-i", "-", *coded, f"file:{out}"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def page(frames: Iterable[np.ndarray], out: Path, fps: int, title: str) -> None:
    """One HTML file with all pictures in it and a player that needs no network."""
    pictures = (_encoded(frame, "WebP", quality=85) for frame in frames)
    coded = (base64.b64encode(picture).decode("ascii") for picture in pictures)
    sources = ",\n".join(f'"data:image/webp;base64,{picture}"' for picture in coded)
    text = PLAYER.replace("TITLE", html.escape(title)).replace("DELAY", str(round(1000 / fps)))
    out.write_text(text.replace("FRAMES", sources), "utf-8")


def last(frames: Iterable[np.ndarray], out: Path, fps: int, title: str) -> None:
    """The last picture only."""
    *_, frame = frames
    out.write_bytes(_encoded(frame, "PNG", optimize=True))


def _encoded(frame: np.ndarray, kind: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, kind, **options)
    return buffer.getvalue()


PLAYER = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
  body { font: 16px system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; color-scheme: light dark }
  h1 { font-size: 1.1rem }
  img { display: block; max-width: 100%; width: 60rem; max-height: calc(100vh - 9rem); object-fit: contain; margin: auto }
  form { display: flex; gap: 1rem; align-items: center }
  input { flex: 1 }
  button { font: inherit; min-width: 5rem; padding: .3rem .6rem }
  output { min-width: 4ch; text-align: right }
</style>
<h1>TITLE</h1>
<img id="picture" alt="Trajectories of the optimizers">
<form>
  <button type="button" id="play" aria-pressed="false">Play</button>
  <input type="range" id="place" min="0" value="0" aria-label="frame">
  <output id="number"></output>
</form>
<script>
const frames = [
FRAMES
];
const [picture, play, place, number] = ["picture", "play", "place", "number"].map(id => document.getElementById(id));
let timer = null;
place.max = frames.length - 1;
function show() { picture.src = frames[place.value]; number.value = `${+place.value + 1} / ${frames.length}`; }
function toggle() {
  if (timer) { clearInterval(timer); timer = null; } else {
    if (place.value === place.max) place.value = 0;
    timer = setInterval(() => { place.value++; show(); if (place.value === place.max) toggle(); }, DELAY);
  }
  play.textContent = timer ? "Pause" : "Play";
  play.ariaPressed = timer !== null;
}
play.onclick = toggle;
place.oninput = show;
show();
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) toggle();
</script>
</html>
"""
