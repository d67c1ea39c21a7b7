"""A pen for small figures: draws smooth curves at a larger scale, together with a mask.

The figures themselves are in `creatures` and `things`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .palette import Colour

__all__ = ["Pen", "Point"]

Point: TypeAlias = tuple[float, float]
"""A point in units of the figure's square. The figure stands on y = 1; its middle is at x = 0.5."""

_FINE: Final = 3
"""Scale at which figures are drawn, for smooth edges."""
_STEPS: Final = 7
"""Straight segments of a curve between two of its points."""
_SHARES: Final = np.linspace(0, 1, _STEPS, endpoint=False)[:, None]
_BASIS: Final = 0.5 * np.hstack(
    [
        -_SHARES + 2 * _SHARES**2 - _SHARES**3,
        2 - 5 * _SHARES**2 + 3 * _SHARES**3,
        _SHARES + 4 * _SHARES**2 - 3 * _SHARES**3,
        -(_SHARES**2) + _SHARES**3,
    ]
)
"""Weights of four successive points in each step of a Catmull-Rom curve, shape (steps, 4)."""


class Pen:
    """Draws one phase of one figure, which faces left."""

    def __init__(self, size: int, colour: Colour, rim: Colour) -> None:
        self._size = size
        self._edge = size * _FINE
        self._canvas = Image.new("RGBA", (self._edge, self._edge))
        self._brush = ImageDraw.Draw(self._canvas)
        self.colour, self.rim = colour, rim

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour | None = None) -> None:
        """Fill an ellipse around (x, y)."""
        edge = self._edge
        box = ((x - rx) * edge, (y - ry) * edge, (x + rx) * edge, (y + ry) * edge)
        self._brush.ellipse(box, fill=(*(fill or self.colour), 255))

    def polygon(self, *points: Point, fill: Colour | None = None) -> None:
        """Fill the polygon with corners at ``points``."""
        self._fill(np.array(points), fill)

    def blob(self, *points: Point, fill: Colour | None = None) -> None:
        """Fill a smooth closed curve through ``points``."""
        corners = np.array(points)
        self._fill(_smooth(np.vstack([corners[-1], corners, corners[:2]])), fill)

    def stroke(self, *points: Point, width: float, end: float | None = None, fill: Colour | None = None) -> None:
        """Draw a smooth line through ``points``, with round ends; its width goes from ``width`` to ``end``."""
        corners = np.array(points)
        path = np.vstack([_smooth(np.vstack([corners[0], corners, corners[-1]])), corners[-1]])
        radii = np.linspace(width, width if end is None else end, len(path))[:, None] / 2
        along = np.gradient(path, axis=0)
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
        across = along[:, ::-1] * (-1, 1) * radii
        self._fill(np.vstack([path + across, (path - across)[::-1]]), fill)
        for (x, y), (radius,) in ((path[0], radii[0]), (path[-1], radii[-1])):
            self.ellipse(x, y, radius, radius, fill)

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
        """Fill a rectangle with corners of radius ``round_``."""
        edge = self._edge
        corners = (left * edge, top * edge, right * edge, bottom * edge)
        self._brush.rounded_rectangle(corners, radius=round_ * edge, fill=(*(fill or self.colour), 255))

    def _fill(self, points: NDArray[np.floating[Any]], fill: Colour | None) -> None:
        self._brush.polygon((points * self._edge).ravel().tolist(), fill=(*(fill or self.colour), 255))

    def finished(self, *, mirrored: bool) -> tuple[Image.Image, Image.Image]:
        """Return colours and mask at the final size, with light from the upper left."""
        size = self._size
        small = self._canvas.resize((size, size), Image.Resampling.BOX)
        if mirrored:
            small = ImageOps.mirror(small)
        mask = small.getchannel("A")
        paint = np.asarray(small)[..., :3].astype(np.float32)
        coverage = np.asarray(mask.filter(ImageFilter.GaussianBlur(size / 34))).astype(np.float32) / 255
        shifted = np.roll(coverage, (round(size / 30), round(size / 40)), axis=(0, 1))
        light = np.clip(coverage - shifted, 0, 1)[..., None]
        paint += (np.array(self.rim, np.float32) - paint) * light * 0.75
        paint *= 1 - 0.22 * np.clip(shifted - coverage, 0, 1)[..., None]
        paint *= np.linspace(1.06, 0.84, size, dtype=np.float32)[:, None, None]
        return Image.fromarray(np.clip(paint, 0, 255).astype(np.uint8)), mask


def _smooth(points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return a Catmull-Rom curve through all ``points`` but the first and the last, shape (n, 2)."""
    fours = np.lib.stride_tricks.sliding_window_view(points, 4, axis=0)
    curve: NDArray[np.floating[Any]] = np.einsum("sp,icp->isc", _BASIS, fours)
    return curve.reshape(-1, 2)
