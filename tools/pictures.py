"""The command `python -m tools.pictures`, which makes the pictures of the README: a contact sheet and a plot.

Both come from runs on this machine: the sheet from `odyssey-proto demo`, the plot from the two clients that
`tools.bench.streaming` compares. No check compares them with what is committed, because no two runs are the same.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs
from PIL import Image, ImageDraw

from odyssey_proto.cli import _demo_stream
from tools.bench import streaming

__all__ = ["Panel", "main", "plot"]

_FOLDER: Final = Path(__file__).resolve().parent / "docs" / "pictures"
_SHEET_SIZE: Final = (990, 465)
_SECONDS: Final = 10.0
_SLOW_CONSUMER_S: Final = 0.1

_SCALE: Final = 2  # drawn larger and made smaller, so that lines are smooth
_WIDTH: Final = 990
_HEIGHT: Final = 300
_MARGINS: Final = (64, 40, 16, 44)  # left, top, right, bottom of a panel, in px
_PAPER: Final = "#ffffff"
_INK: Final = "#30343c"
_GRID: Final = "#dfe2e8"
_COLOURS: Final = {"this client": "#1668c7", "plain client": "#d2601a"}


@attrs.frozen(kw_only=True)
class Panel:
    """One half of the plot: the age of each frame, by client."""

    title: str
    """What is shown."""
    unit: str
    """Unit of the ages."""
    most: float
    """The largest age drawn, in ``unit``."""
    ages: dict[str, list[float]]
    """Client -> the age of each of its frames, in ``unit``."""


def main() -> int:
    """Write both pictures and return the exit status."""
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        summary = _demo_stream.run(Path(folder), seconds=_SECONDS)
        with Image.open(summary.contact_sheet) as sheet:
            small = sheet.convert("RGB").resize(_SHEET_SIZE, Image.Resampling.LANCZOS)
    small.save(_FOLDER / "contact-sheet.jpg", quality=80, optimize=True)
    picture = plot([_quick(), _slow()])
    picture.quantize(32).save(_FOLDER / "latency.png", optimize=True)
    for path in sorted(_FOLDER.iterdir()):
        print(f"{path.stat().st_size:7} bytes  {path}")
    return 0


def _quick() -> Panel:
    with streaming.projector("h264", short=False) as show:
        found = show.in_turns(("ours", "plain"), 1, seconds=_SECONDS)
    return Panel(
        title="each frame used at once: its age as an RGB array, ms",
        unit="ms",
        most=80,
        ages=_by_name({name: runs[0][0]["latencies_ms"] for name, runs in found.items()}),
    )


def _slow() -> Panel:
    with streaming.projector("h264", short=False) as show, ThreadPoolExecutor() as side_by_side:
        futures = {
            name: side_by_side.submit(show.run, client=name, pause=_SLOW_CONSUMER_S, seconds=_SECONDS)
            for name in ("ours", "plain")
        }
        found: dict[str, Any] = {name: future.result()[0]["latencies_ms"] for name, future in futures.items()}
    return Panel(
        title="100 ms of work for each frame: its age, s",
        unit="s",
        most=6,
        ages=_by_name({name: [age / 1000 for age in ages] for name, ages in found.items()}),
    )


def _by_name(ages: dict[str, list[float]]) -> dict[str, list[float]]:
    return dict(zip(_COLOURS, (ages["ours"], ages["plain"]), strict=True))


def plot(panels: list[Panel]) -> Image.Image:
    """Return a picture of the panels, side by side. An age above a panel's ``most`` is drawn at its upper edge."""
    whole = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), _PAPER)
    pen = ImageDraw.Draw(whole)
    width = _WIDTH // len(panels)
    for number, panel in enumerate(panels):
        _draw(pen, panel, left=number * width, width=width)
    return whole.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)


def _draw(pen: ImageDraw.ImageDraw, panel: Panel, *, left: int, width: int) -> None:
    x0, y0 = left + _MARGINS[0], _MARGINS[1]
    x1, y1 = left + width - _MARGINS[2], _HEIGHT - _MARGINS[3]
    _write(pen, (x0, 12), panel.title, 14)
    for step in range(5):
        y = y1 - (y1 - y0) * step / 4
        pen.line(_scaled(x0, y, x1, y), fill=_GRID, width=_SCALE)
        _write(pen, (x0 - 8, y), f"{panel.most * step / 4:g}", 13, anchor="rm")
    for second in range(0, int(_SECONDS) + 1, 2):
        x = x0 + (x1 - x0) * second / _SECONDS
        _write(pen, (x, y1 + 14), f"{second} s" if second else "0", 13, anchor="mm")
    for number, (name, ages) in enumerate(panel.ages.items()):
        colour = _COLOURS[name]
        for place, age in enumerate(ages):
            x = x0 + (x1 - x0) * place / len(ages)
            y = y1 - (y1 - y0) * min(age / panel.most, 1.0)
            pen.ellipse(_scaled(x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=colour)
        median = sorted(ages)[len(ages) // 2]
        label = f"{name}, median {median:.{0 if panel.unit == 'ms' else 2}f} {panel.unit}"
        x, y = x0 + number * (x1 - x0) / 2, y1 + 33
        pen.ellipse(_scaled(x, y - 4, x + 8, y + 4), fill=colour)
        _write(pen, (x + 12, y), label, 13, fill=colour, anchor="lm")


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    *,
    fill: str = _INK,
    anchor: str = "la",
) -> None:
    x, y = place
    pen.text((x * _SCALE, y * _SCALE), text, fill=fill, font_size=size * _SCALE, anchor=anchor)


def _scaled(*values: float) -> list[float]:
    return [value * _SCALE for value in values]


if __name__ == "__main__":
    sys.exit(main())
