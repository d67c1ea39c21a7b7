"""A pen for small figures: smooth curves, drawn larger than they will be, with a mask of what was drawn.

What is drawn with it is in `creatures` and `things`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .palette import Colour

__all__ = ["Pen", "Point"]

Point: TypeAlias = tuple[float, float]
"""In units of the figure's square: it stands on y = 1, its middle is at x = 0.5."""

_FINE: Final = 3
"""Drawn so many times larger, for smooth edges."""
_STEPS: Final = 7
"""Straight pieces of a curve between two of its points."""


class Pen:
    """Draws one phase of one figure, which faces left."""

    def __init__(self, size: int, colour: Colour, rim: Colour) -> None:
        self._edge = size * _FINE
        self.mask = Image.new("L", (self._edge, self._edge))
        self.paint = Image.new("RGB", (self._edge, self._edge), colour)
        self._cover, self._brush = ImageDraw.Draw(self.mask), ImageDraw.Draw(self.paint)
        self.colour, self.rim = colour, rim

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._edge, y * self._edge) for x, y in points]

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour | None = None) -> None:
        box = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._cover.ellipse(box, fill=255)
        self._brush.ellipse(box, fill=fill or self.colour)

    def polygon(self, *points: Point, fill: Colour | None = None) -> None:
        self._cover.polygon(self._at(points), fill=255)
        self._brush.polygon(self._at(points), fill=fill or self.colour)

    def blob(self, *points: Point, fill: Colour | None = None) -> None:
        """Fill a smooth closed curve through ``points``."""
        self.polygon(*_smooth(points, closed=True), fill=fill)

    def stroke(self, *points: Point, width: float, end: float | None = None, fill: Colour | None = None) -> None:
        """Draw a smooth line through ``points`` that goes from ``width`` to ``end``."""
        path = _smooth(points, closed=False) if len(points) > 2 else list(points)
        last = width if end is None else end
        for index, (x, y) in enumerate(path):
            radius = (width + (last - width) * index / max(1, len(path) - 1)) / 2
            self.ellipse(x, y, radius, radius, fill)
            if index:
                # Between two round joints a quadrilateral that touches both.
                (fx, fy), before = (
                    path[index - 1],
                    (width + (last - width) * (index - 1) / max(1, len(path) - 1)) / 2,
                )
                length = math.hypot(x - fx, y - fy) or 1.0
                nx, ny = (fy - y) / length, (x - fx) / length
                self.polygon(
                    (fx + nx * before, fy + ny * before),
                    (x + nx * radius, y + ny * radius),
                    (x - nx * radius, y - ny * radius),
                    (fx - nx * before, fy - ny * before),
                    fill=fill,
                )

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        round_: float = 0.0,
        fill: Colour | None = None,
    ) -> None:
        corners = self._at([(left, top), (right, bottom)])
        flat = (*corners[0], *corners[1])
        self._cover.rounded_rectangle(flat, radius=round_ * self._edge, fill=255)
        self._brush.rounded_rectangle(flat, radius=round_ * self._edge, fill=fill or self.colour)

    def finished(self, size: int, *, mirrored: bool) -> tuple[Image.Image, Image.Image]:
        """Return colours and mask at their real size, shaded from the upper left."""
        mask = self.mask.resize((size, size), Image.Resampling.BOX)
        colours = self.paint.resize((size, size), Image.Resampling.BOX)
        if mirrored:
            mask, colours = ImageOps.mirror(mask), ImageOps.mirror(colours)
        paint = np.asarray(colours).astype(np.float32)
        coverage = np.asarray(mask.filter(ImageFilter.GaussianBlur(size / 34))).astype(np.float32) / 255
        shifted = np.roll(coverage, (round(size / 30), round(size / 40)), axis=(0, 1))
        light = np.clip(coverage - shifted, 0, 1)[..., None]
        paint += (np.array(self.rim, np.float32) - paint) * light * 0.75
        paint *= 1 - 0.22 * np.clip(shifted - coverage, 0, 1)[..., None]
        paint *= np.linspace(1.06, 0.84, size, dtype=np.float32)[:, None, None]
        return Image.fromarray(np.clip(paint, 0, 255).astype(np.uint8)), mask


def _smooth(points: Sequence[Point], *, closed: bool) -> list[Point]:
    """Return a Catmull-Rom curve through ``points``."""
    count = len(points)
    path: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(max(index + shift, 0), count - 1)] for shift in (-1, 0, 1, 2))
        for step in range(_STEPS):
            t = step / _STEPS
            path.append(
                tuple(  # type: ignore[arg-type]  # two coordinates
                    0.5
                    * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t**3)
                    for p, q, r, s in zip(a, b, c, d, strict=True)
                )
            )
    return path if closed else [*path, points[-1]]
