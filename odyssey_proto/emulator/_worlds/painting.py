"""Composes a scene from its parts, which are painted once; after that, a picture takes a few ms.

Pictures are composed at half size, and one library call scales them up and converts them to YUV, which halves the
resolution of colours anyway. Only the caption is drawn at full size.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.random import default_rng
from PIL import Image, ImageDraw, ImageFont

from .air import Drift, drifts_of, mist_of
from .land import Strip, clouds, paint_sky, strips_of
from .palette import mix, palette_of
from .subjects import figure_of

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from .scene import Actor, Scene
    from .subjects import Figure

__all__ = ["Painting"]

_PAN: Final = 26.0
"""Speed of the camera, in px/s."""
_LEAST: Final = (256, 176)
"""Minimum width and height at which a scene is painted, in px; smaller pictures are scaled down."""
_HASTE: Final = {"run": 3.2, "walk": 1.6, "fly": 2.0}
_LETTER: Final = 25
"""Height of the caption's letters, in px."""
_PAN_TO: Final = {"left": -1.6, "right": 1.6}
_FIGURE: Final = 0.46
"""Size of the figure in the middle, as a share of the smaller edge."""
_STANDS: Final = ((0.5, 1.0), (0.22, 0.8), (0.78, 0.8), (0.36, 0.64), (0.64, 0.64), (0.08, 0.55))
"""Where an actor stands across the picture, and its size: the first is nearest."""
_CLOSER: Final = {1: 1.35, 2: 1.8}
"""Factor by which the picture is enlarged, by ``Scene.zoom``."""
_FARTHER: Final = 0.74
"""Factor for the size of figures that the camera has moved away from."""
_OUT_OF_STEP_S: Final = 0.9
"""How far the movements of two neighbouring actors are out of step, in s."""
_KEPT: Final = 4
"""How many scenes are kept for other streams with the same prompt: 7 MB each at 1280×704."""
_CENTRE: Final = (0.5, 0.66)
"""The point that the camera approaches, as shares of the width and the height."""


class Painting:
    """One scene in one size. `picture` may be called repeatedly, from one thread at a time."""

    def __init__(self, scene: Scene, size: tuple[int, int], backdrop: Image.Image | None = None) -> None:
        self._scene = scene
        self._size = size
        self._half = (max(size[0] // 2, _LEAST[0]), max(size[1] // 2, _LEAST[1]))
        self._still, self._strips = _ground(scene, self._half) if backdrop is None else (self._lit(backdrop), ())
        self._drifts, self._mist, self._figures = _foreground(scene, self._half)
        self._speed = _PAN * _HASTE.get(scene.pace, 1.0) * _PAN_TO.get(scene.pan, 1.0)
        self._began = self._way_before = 0.0
        self._caption = _caption(scene.prompt, size)
        self._scaler = VideoReformatter()

    def picture(self, moment: float) -> av.VideoFrame:
        """Return the scene ``moment`` s after the start of the world, as a yuv420p frame."""
        frame = av.VideoFrame.from_ndarray(self._pixels(moment), format="rgb24")
        picture = self._scaler.reformat(
            frame, self._size[0], self._size[1], "yuv420p", interpolation=Interpolation.BICUBIC, threads=1
        )
        self._put_caption(picture)
        return picture

    def follow(self, earlier: Painting, moment: float) -> None:
        """Continue at ``moment`` where ``earlier`` is, so that the land does not jump."""
        self._began, self._way_before = moment, earlier._way(moment)

    def _way(self, moment: float) -> float:
        """Return how far the camera has moved, in px."""
        return self._way_before + (moment - self._began) * self._speed

    def _lit(self, backdrop: Image.Image) -> Image.Image:
        """Return the image enlarged, to pan across, and tinted by the scene's light, to show every prompt."""
        wide = (round(self._half[0] * 1.25), round(self._half[1] * 1.25))
        palette = palette_of(self._scene)
        tint = Image.new("RGB", wide, mix(palette.middle, palette.horizon, 0.3))
        return Image.blend(backdrop.resize(wide, Image.Resampling.LANCZOS), tint, 0.1 + 0.1 * self._scene.light)

    def _pixels(self, moment: float) -> NDArray[np.uint8]:
        """Return the scene, or the part that a closer camera sees, at half size without the caption, (H, W, 3)."""
        way = self._way(moment)
        canvas = self._part_of_still(moment)
        for strip in self._strips[:-1]:
            _put_strip(canvas, strip, way)
        for actor, figure in self._figures:
            self._put_figure(canvas, actor, figure, moment)
        for strip in self._strips[-1:]:
            _put_strip(canvas, strip, way)
        if self._mist is not None:
            _put_strip(canvas, self._mist, way)
        pixels = np.array(canvas)
        for drift in self._drifts:
            drift.put(pixels, moment)
        return self._closer(pixels) if self._scene.zoom > 0 else pixels

    def _closer(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of a picture that the camera sees from closer up."""
        (width, height), scale = self._half, _CLOSER[self._scene.zoom]
        wide, tall = round(width / scale), round(height / scale)
        left, top = round((width - wide) * _CENTRE[0]), min(height - tall, round(height * _CENTRE[1] - tall / 2))
        return np.ascontiguousarray(pixels[top : top + tall, left : left + wide])

    def _part_of_still(self, moment: float) -> Image.Image:
        spare_x, spare_y = self._still.width - self._half[0], self._still.height - self._half[1]
        x = spare_x * (0.5 + 0.5 * math.sin(moment * 0.31 + self._scene.light))
        y = spare_y * (0.5 + 0.5 * math.cos(moment * 0.23))
        return self._still.crop((round(x), round(y), round(x) + self._half[0], round(y) + self._half[1]))

    def _put_figure(self, canvas: Image.Image, actor: Actor, figure: Figure, moment: float) -> None:
        action = actor.action
        turn = moment + actor.place * _OUT_OF_STEP_S
        beat = {"run": 2.6, "jump": 1.6, "walk": 1.5, "fly": 1.8, "sleep": 0.35}.get(action, 0.7)
        image, mask = figure.phases[int(turn * beat * len(figure.phases)) % len(figure.phases)]
        width, height = self._half
        across, size = _STANDS[actor.place]
        sways = width * size if actor.place == 0 else width * size * 0.4
        x = width * across + sways * 0.06 * math.sin(turn * 0.5)
        foot = height * (0.84 + 0.055 * size)
        if figure.flies or action == "fly":
            foot = height * (0.56 + 0.10 * size) + height * 0.05 * math.sin(turn * 1.3)
            x = width * across + sways * 0.20 * math.sin(turn * 0.45)
        elif action == "jump":
            foot -= height * 0.22 * size * abs(math.sin(turn * math.pi * 1.1))
        elif figure.moves or action in ("run", "walk"):
            foot += height * 0.008 * math.sin(turn * 9)
        canvas.paste(image, (round(x - image.width / 2), round(foot - image.height)), mask)

    def _put_caption(self, frame: av.VideoFrame) -> None:
        shade, ink = self._caption
        height, width = shade.shape
        left, top = (self._size[0] - width) // 2, self._size[1] - height - round(self._size[1] * 0.035)
        if left < 0 or top < 0:
            return  # the picture is too small for it
        luma: Any = frame.planes[0]  # a buffer, but not typed as one
        rows = np.frombuffer(luma, np.uint8).reshape(luma.height, luma.line_size)[
            top : top + height, left : left + width
        ]
        shaded = (rows.astype(np.uint16) * (256 - shade) + 24 * shade) >> 8
        rows[:] = (shaded * (256 - ink) + 232 * ink) >> 8


def _randomness(scene: Scene, part: int) -> Generator:
    """Return a random generator for one part, so that the other parts stay when that one changes."""
    return default_rng((scene.grain, part))


@functools.lru_cache(maxsize=_KEPT)
def _ground(scene: Scene, size: tuple[int, int]) -> tuple[Image.Image, tuple[Strip, ...]]:
    """Return the sky, and the clouds and the land from far to near. Callers must not change them."""
    palette = palette_of(scene)
    cloud = clouds(scene, palette, size, _randomness(scene, 1))
    land = strips_of(scene, palette, size, _randomness(scene, 2))
    return paint_sky(scene, palette, size, _randomness(scene, 0)), (*filter(None, [cloud]), *land)


@functools.lru_cache(maxsize=_KEPT)
def _foreground(
    scene: Scene, size: tuple[int, int]
) -> tuple[list[Drift], Strip | None, list[tuple[Actor, Figure]]]:
    """Return the drifts, the mist and the cast. Callers must not change them."""
    palette = palette_of(scene)
    return (
        drifts_of(scene, palette, size, _randomness(scene, 3)),
        mist_of(scene, palette, size, _randomness(scene, 4)),
        _standing(scene, size),
    )


def _standing(scene: Scene, size: tuple[int, int]) -> list[tuple[Actor, Figure]]:
    """Draw the cast, and return it from far to near."""
    drawn: dict[object, Figure] = {}
    standing = []
    for actor in sorted(scene.cast, key=lambda actor: -actor.place):
        share = _FIGURE * _STANDS[actor.place][1] * (_FARTHER if scene.zoom < 0 else 1.0)
        asleep = actor.action == "sleep"
        look = (actor.subject, actor.coat, asleep, share)
        if look not in drawn:
            drawn[look] = figure_of(
                actor.subject,
                asleep=asleep,
                size=round(min(size) * share),
                palette=palette_of(scene, actor),
                rightwards=scene.pan != "left",
            )
        standing.append((actor, drawn[look]))
    return standing


def _put_strip(canvas: Image.Image, strip: Strip, way: float) -> None:
    offset = round(way * strip.speed) % strip.image.width
    for left in (-offset, strip.image.width - offset):
        if left < canvas.width:
            canvas.paste(strip.image, (left, strip.top), strip.mask)


def _caption(prompt: str, size: tuple[int, int]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the darkness of the caption's plate and the brightness of its letters, 0 to 256, shape (h, w)."""
    text = " ".join("".join(char if char.isprintable() else " " for char in prompt).split())
    font = ImageFont.load_default(_LETTER)
    widest = size[0] - 120
    if not text:
        return np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.uint16)
    if len(text) > 200:
        text = text[:200]
    while font.getlength(text) > widest and len(text) > 1:
        text = text.removesuffix("…")[:-1].rstrip() + "…"
    wide, tall = math.ceil(font.getlength(text)) + 44, round(_LETTER * 1.75)
    plate = Image.new("L", (wide * 2, tall * 2))
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, wide * 2 - 1, tall * 2 - 1), radius=tall, fill=128)
    letters = Image.new("L", (wide, tall))
    ImageDraw.Draw(letters).text((wide / 2, tall / 2), text, fill=250, font=font, anchor="mm")
    return (
        np.asarray(plate.resize((wide, tall), Image.Resampling.BOX)).astype(np.uint16),
        np.asarray(letters).astype(np.uint16),
    )
