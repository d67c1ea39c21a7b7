"""The drifting layers in front of a world: rain, snow, petals, sparks, bubbles, mist.

Each one is a tile, painted once per scene and shifted over time. Most pixels of most tiles are empty; only the
others are touched, which costs next to nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .land import Strip, noise
from .palette import Colour, Palette, mix

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from .scene import Scene

__all__ = ["Drift", "drifts_of", "mist_of"]


class Drift:
    """A tile of the picture's size that repeats in both directions."""

    def __init__(self, mask: Image.Image, colour: Colour, speed: tuple[float, float], sway: float = 0.0) -> None:
        """Take the coverage and colour of a tile, its speed to the right and down in px/s, and its sway in px."""
        coverage = np.asarray(mask)
        self._rows, self._columns = np.nonzero(coverage)
        self._size = coverage.shape
        share = coverage[self._rows, self._columns].astype(np.uint16)[:, None]
        self._keep = 256 - share
        self._add = share * np.array(colour, np.uint16)
        self._speed = speed
        self._sway = sway

    def put(self, pixels: NDArray[np.uint8], moment: float) -> None:
        """Draw the drift as it is at ``moment`` s into ``pixels``, shape (H, W, 3)."""
        height, width = self._size
        right = round(self._speed[0] * moment + self._sway * math.sin(moment * 1.1))
        down = round(self._speed[1] * moment)
        at = (self._rows + down) % height * width + (self._columns + right) % width
        flat = pixels.reshape(-1, 3)
        flat[at] = (flat[at] * self._keep + self._add) >> 8


def drifts_of(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Drift]:
    """Return the drifts in front of ``scene``, far to near."""
    drifts: list[Drift] = []
    if scene.place == "underwater":
        drifts.append(
            Drift(
                mask=_dots(size, rng, 26, (1.5, 5.0), ring=True), colour=(214, 246, 250), speed=(0, -42), sway=10
            )
        )
    match scene.weather:
        case "rain":
            cool = mix((196, 212, 232), palette.horizon, 0.4)
            for count, length, strength, fall in ((130, 15, 90, 620), (70, 26, 130, 900)):
                drifts.append(
                    Drift(
                        mask=_streaks(size, rng, count, length, strength), colour=cool, speed=(-fall * 0.22, fall)
                    )
                )
        case "snow":
            for count, span, fall in ((150, (0.8, 1.6), 34), (70, (1.6, 3.2), 62)):
                drifts.append(
                    Drift(mask=_dots(size, rng, count, span), colour=(248, 250, 255), speed=(9, fall), sway=12)
                )
        case "petals":
            petal = mix((250, 176, 196), palette.glow, 0.25)
            drifts.append(Drift(mask=_leaves(size, rng, 34, 3.6), colour=petal, speed=(-46, 52), sway=16))
            drifts.append(
                Drift(
                    mask=_leaves(size, rng, 16, 5.6),
                    colour=mix(petal, (255, 120, 90), 0.3),
                    speed=(-74, 84),
                    sway=22,
                )
            )
        case "sparks":
            drifts.append(Drift(mask=_glows(size, rng, 44, 2.2), colour=(255, 226, 140), speed=(6, -18), sway=14))
            drifts.append(
                Drift(
                    mask=_glows(size, rng, 18, 4.0),
                    colour=mix((255, 190, 90), palette.glow, 0.4),
                    speed=(-9, -30),
                    sway=20,
                )
            )
    return drifts


def mist_of(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> Strip | None:
    """Return the mist in front of ``scene``, or None if there is no fog."""
    if scene.weather != "fog":
        return None
    width, height = size[0] * 2, size[1]
    low = np.linspace(-0.2, 0.9, height, dtype=np.float32)[:, None].clip(0)
    mask = Image.fromarray(
        (np.clip(noise(rng, width, height, cells=6) * 1.3 - 0.2, 0, 1) * low * 210).astype(np.uint8)
    )
    light = mix(palette.horizon, mix((255, 255, 255), palette.glow, 0.3), 0.25)
    return Strip(image=Image.new("RGB", mask.size, light), mask=mask, top=0, speed=1.5)


def _dots(
    size: tuple[int, int], rng: Generator, count: int, span: tuple[float, float], *, ring: bool = False
) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    draw = ImageDraw.Draw(mask)
    for _ in range(count):
        radius = float(rng.uniform(*span)) * 2
        x, y = float(rng.uniform(radius, mask.width - radius)), float(rng.uniform(radius, mask.height - radius))
        box = (x - radius, y - radius, x + radius, y + radius)
        level = int(rng.uniform(130, 235))
        if ring:
            draw.ellipse(box, fill=50, outline=level, width=2)
        else:
            draw.ellipse(box, fill=level)
    return mask.resize(size, Image.Resampling.BOX)


def _streaks(size: tuple[int, int], rng: Generator, count: int, length: float, strength: int) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    draw = ImageDraw.Draw(mask)
    for _ in range(count):
        x, y = float(rng.uniform(0, mask.width)), float(rng.uniform(0, mask.height - length * 2))
        draw.line((x, y, x - length * 0.44, y + length * 2), fill=int(strength * rng.uniform(0.6, 1.2)), width=2)
    return mask.resize(size, Image.Resampling.BOX)


def _leaves(size: tuple[int, int], rng: Generator, count: int, radius: float) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    draw = ImageDraw.Draw(mask)
    for _ in range(count):
        x, y = float(rng.uniform(12, mask.width - 12)), float(rng.uniform(12, mask.height - 12))
        angle, broad = float(rng.uniform(0, math.pi)), float(rng.uniform(0.35, 0.7))
        outline = []
        for step in range(14):
            turn = step * 2 * math.pi / 14
            u, v = math.cos(turn) * radius * 2, math.sin(turn) * radius * 2 * broad
            outline.append(
                (x + u * math.cos(angle) - v * math.sin(angle), y + u * math.sin(angle) + v * math.cos(angle))
            )
        draw.polygon(outline, fill=int(rng.uniform(170, 240)))
    return mask.resize(size, Image.Resampling.BOX)


def _glows(size: tuple[int, int], rng: Generator, count: int, radius: float) -> Image.Image:
    core = _dots(size, rng, count, (radius * 0.5, radius))
    halo = np.asarray(core.filter(ImageFilter.GaussianBlur(radius * 2))).astype(np.float32) * 2.2
    return Image.fromarray(np.clip(np.maximum(halo, np.asarray(core)), 0, 255).astype(np.uint8))
