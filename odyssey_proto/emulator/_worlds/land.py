"""The still parts of a world, painted once per scene: sky, and strips of land that slide past each other.

The ends of a strip join, so that a camera can move on forever. `painting` combines the parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .palette import Colour, Palette, mix

if TYPE_CHECKING:
    from numpy.random import Generator

    from .scene import Scene

__all__ = ["Strip", "clouds", "noise", "paint_sky", "strips_of"]


Floats: TypeAlias = NDArray[np.floating[Any]]

_HEADROOM: Final = 34
"""Room above a ridge for trees and houses, in px."""


@attrs.frozen(kw_only=True, eq=False)
class Strip:
    """A layer that repeats every ``image.width`` px and is drawn at height ``top``."""

    image: Image.Image
    mask: Image.Image
    top: int
    speed: float
    """Share of the camera's movement: 0 is infinitely far, 1 passes at the camera's own speed."""


def noise(rng: Generator, width: int, height: int, *, cells: int, octaves: int = 4) -> Floats:
    """Return soft noise from 0 to 1, shape (height, width), whose left and right ends join."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        columns, rows = cells << octave, max(2, (cells << octave) * height // width)
        grid = rng.random((rows + 1, columns), dtype=np.float32)
        padded = np.pad(grid, ((0, 0), (2, 2)), mode="wrap")
        scale = width / columns
        image = Image.fromarray(padded).resize(
            (width, height), Image.Resampling.BICUBIC, box=(2, 0, 2 + width / scale, rows + 1)
        )
        total += np.asarray(image) / (1 << octave)
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low)


def _streaks(rng: Generator, width: int, height: int, *, stretch: int) -> Floats:
    """Return noise whose spots are ``stretch`` times as wide as high."""
    narrow = noise(rng, width // stretch, height, cells=max(2, width // stretch // 7), octaves=2)
    at = np.arange(width, dtype=np.float32) * (narrow.shape[1] / width)
    left = at.astype(int)
    share = (at - left)[None, :]
    return np.asarray(narrow[:, left] * (1 - share) + narrow[:, (left + 1) % narrow.shape[1]] * share)


def paint_sky(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> Image.Image:
    """Return the sky with its sun or moon, stars and planet, or the light under water."""
    width, height = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    stops = np.array([palette.zenith, palette.middle, palette.horizon, palette.horizon], np.float32)
    at = [0.0, 0.42, 0.74, 1.0]
    column = np.stack([np.interp(down[:, 0], at, stops[:, channel]) for channel in range(3)], axis=1)
    sky = np.repeat(column[:, None, :], width, axis=1).astype(np.float32)
    across, along = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))

    if palette.dark:
        _add_stars(sky, rng, many=scene.place == "space")
        cloudiness = noise(rng, width, height, cells=4) ** 2.2
        sky += cloudiness[..., None] * np.array(mix(palette.horizon, palette.glow, 0.15), np.float32) * 0.32
    if scene.place == "underwater":
        rays = noise(rng, width, 2, cells=10, octaves=2)[0]
        slanted = rays[((across + along * 0.35).astype(int)) % width]
        sky += ((slanted**3) * (1 - along / height) ** 1.5)[..., None] * np.array(palette.glow, np.float32) * 0.45
        return _to_image(sky)
    if scene.weather not in ("rain", "fog"):
        radius = min(size) * (0.055 if palette.dark else 0.07)
        x, y = width * rng.uniform(0.16, 0.84), height * rng.uniform(0.14, 0.34)
        if scene.time in ("sunset", "dawn"):
            y = height * rng.uniform(0.4, 0.52)
        distance = np.hypot(across - x, along - y)
        halo = np.exp(-distance / (min(size) * 0.22)) * 0.55 + np.exp(-distance / (min(size) * 0.06)) * 0.45
        disc = np.clip(radius - distance + 0.5, 0, 1)
        glow = np.array(palette.glow, np.float32)
        sky += (glow - sky) * (halo * (0.5 if palette.dark else 0.85))[..., None]
        face = glow * (1 - 0.16 * noise(rng, width, height, cells=48, octaves=2)[..., None] * palette.dark)
        sky += (face - sky) * disc[..., None]
    if scene.place == "space":
        _add_planet(sky, palette, rng, across, along)
    return _to_image(sky)


def _add_stars(sky: Floats, rng: Generator, *, many: bool) -> None:
    height, width, _ = sky.shape
    count = 420 if many else 190
    rows = (rng.random(count) ** (1.0 if many else 1.4) * height * 0.98).astype(int)
    columns = rng.integers(0, width, count)
    strength = rng.random(count).astype(np.float32) ** 2 * 190 + 40
    np.add.at(sky, (rows, columns), strength[:, None])
    big = strength > 165
    for shift in (-1, 1):
        np.add.at(sky, ((rows[big] + shift) % height, columns[big]), strength[big, None] * 0.4)
        np.add.at(sky, (rows[big], (columns[big] + shift) % width), strength[big, None] * 0.4)


def _add_planet(sky: Floats, palette: Palette, rng: Generator, across: Floats, along: Floats) -> None:
    height, width, _ = sky.shape
    radius = min(width, height) * 0.27
    x, y = width * rng.uniform(0.62, 0.78), height * rng.uniform(0.26, 0.36)
    distance = np.hypot(across - x, along - y)
    disc = np.clip(radius - distance + 0.5, 0, 1)
    bands = noise(rng, width, height, cells=3)
    bands = 0.5 + 0.5 * np.sin(bands * 7 + along / radius * 9)
    shade = np.clip(
        0.25 + 0.9 * (1 - np.hypot(across - x + radius * 0.45, along - y + radius * 0.4) / (radius * 1.7)), 0.05, 1
    )
    one, other = np.array(palette.glow, np.float32), np.array(mix(palette.middle, (190, 110, 90), 0.6), np.float32)
    surface = (one * bands[..., None] + other * (1 - bands[..., None])) * shade[..., None]
    sky += (surface - sky) * disc[..., None]
    ring = np.abs(
        np.hypot((across - x) + (along - y) * 0.35, (along - y) * 3.4 - (across - x) * 0.55) - radius * 1.65
    )
    front = ((along - y) * 3.4 - (across - x) * 0.55 > 0) | (distance > radius)
    sky += (one * 0.85 - sky) * (np.clip(1 - ring / (radius * 0.22), 0, 1) * 0.55 * front)[..., None]


def clouds(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> Strip | None:
    """Return the clouds, or None if the place has none."""
    if scene.place in ("space", "underwater"):
        return None
    width, height = size[0] * 2, round(size[1] * 0.55)
    cover = {"clear": 0.56, "rain": 0.28, "fog": 0.3, "snow": 0.38}.get(scene.weather, 0.54)
    field = noise(rng, width, height, cells=6, octaves=5)
    fade = np.sin(np.linspace(0.35, np.pi, height, dtype=np.float32))[:, None]
    body = np.clip((field - cover) * 3.2, 0, 1) * fade * (0.55 if palette.dark else 0.85)
    light = (
        mix(palette.horizon, palette.glow, 0.6)
        if scene.weather != "rain"
        else mix(palette.middle, (70, 76, 90), 0.5)
    )
    image = Image.new("RGB", (width, height), light)
    return Strip(image=image, mask=_to_mask(body), top=0, speed=0.05)


def strips_of(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    """Return the land from far to near."""
    build = {"city": _city, "sea": _sea, "forest": _forest, "room": _room}.get(scene.place, _ridges)
    return _uncovered(build(scene, palette, size, rng))


def _ridge(rng: Generator, width: int, *, roughness: float, peaks: bool) -> Floats:
    """Return a line from 0 to 1, shape (width,), whose ends join."""
    turn = np.arange(width, dtype=np.float32) / width * 2 * np.pi
    line = np.zeros(width, np.float32)
    for frequency in (1, 2, 3, 5, 8, 13, 21, 34):
        wave = np.sin(turn * frequency + rng.uniform(0, 2 * np.pi))
        line += (1 - np.abs(wave) if peaks else wave) * frequency ** (-1.0 / roughness)
    line -= line.min()
    return line / float(line.max())


def _strip(
    line: Floats,
    *,
    top: int,
    bottom: int,
    colour: Colour,
    haze: Colour,
    speed: float,
    rim: Colour | None,
) -> Strip:
    """Return the land below ``line`` (px below ``top``), hazy towards its base, with light along its edge."""
    height = bottom - top
    depth = np.arange(height, dtype=np.float32)[:, None] - line[None, :].astype(np.float32)
    mask = np.clip(depth + 0.5, 0, 1)
    foot = np.clip(depth / max(1, height), 0, 1)[..., None]
    pixels = np.array(colour, np.float32) * (1 - foot) + np.array(haze, np.float32) * foot
    if rim is not None:
        pixels += (np.array(rim, np.float32) - pixels) * np.clip(1 - depth / 5, 0, 1)[..., None] * 0.3
    return Strip(image=_to_image(pixels), mask=_to_mask(mask), top=top, speed=speed)


def _ridges(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    width, height = size[0] * 2, size[1]
    peaks = scene.place == "mountains"
    roughness = {"mountains": 1.0, "desert": 0.55, "space": 0.9}.get(scene.place, 0.7)
    strips = []
    for layer, (where, rise) in enumerate(((0.46, 0.30), (0.58, 0.22), (0.71, 0.16), (0.865, 0.05))):
        share = layer / 3
        line = _ridge(rng, width, roughness=roughness, peaks=peaks and layer < 2)
        top = round(height * (where - rise * 0.5)) - _HEADROOM
        colour = mix(palette.far, palette.near, share**0.9) if layer < 3 else palette.ground
        haze = mix(colour, palette.horizon, 0.35 * (1 - share))
        strip = _strip(
            (1 - line) * height * rise + _HEADROOM,
            top=top,
            bottom=height,
            colour=colour,
            haze=haze,
            speed=0.12 + 0.3 * layer,
            rim=palette.rim,
        )
        if peaks and layer == 0:
            _whiten(strip, line, height * rise, palette, rng)
        strips.append(strip)
    if scene.place in ("meadow", "desert", "room"):
        _plant(strips[2], rng, palette, cactuses=scene.place == "desert")
    return strips


def _whiten(strip: Strip, line: Floats, rise: float, palette: Palette, rng: Generator) -> None:
    """Put snow on the peaks."""
    pixels = np.asarray(strip.image).astype(np.float32)
    depth = np.arange(pixels.shape[0], dtype=np.float32)[:, None] - ((1 - line) * rise + _HEADROOM)[None, :]
    ragged = noise(rng, pixels.shape[1], pixels.shape[0], cells=60, octaves=3)
    snow = np.clip(((line[None, :] - 0.42) * 1.5 - depth / (rise * 0.5) + (ragged - 0.5) * 0.7) * 6, 0, 0.9)
    white = np.array(mix((248, 250, 255), palette.horizon, 0.35 if not palette.dark else 0.7), np.float32)
    pixels += (white - pixels) * snow[..., None]
    strip.image.paste(_to_image(pixels))


def _plant(strip: Strip, rng: Generator, palette: Palette, *, cactuses: bool) -> None:
    """Put trees (or cactuses) on a strip."""
    coverage = np.asarray(strip.mask)
    for _ in range(7 if cactuses else 14):
        x = int(rng.integers(30, strip.mask.width - 30))
        y = int(np.argmax(coverage[:, x] > 127)) + 2
        size = float(rng.uniform(0.7, 1.25))
        colour = mix(palette.ground, palette.near, float(rng.uniform(0.1, 0.5)))
        if not cactuses:
            parts = [
                (0, -15 * size, 9 * size),
                (-6 * size, -10 * size, 7 * size),
                (6 * size, -10 * size, 7 * size),
            ]
            shapes: list[tuple[float, float, float, float]] = [
                (x + dx - r, y + dy - r, x + dx + r, y + dy + r) for dx, dy, r in parts
            ]
            shapes.append((x - 1.4 * size, y - 8 * size, x + 1.4 * size, y + 2))
        else:
            shapes = [
                (x - 2 * size, y - 20 * size, x + 2 * size, y + 2),
                (x - 8 * size, y - 14 * size, x - 5 * size, y - 6 * size),
                (x - 8 * size, y - 8 * size, x, y - 6 * size),
                (x + 5 * size, y - 17 * size, x + 8 * size, y - 9 * size),
                (x, y - 11 * size, x + 8 * size, y - 9 * size),
            ]
        for image, fill in ((strip.image, colour), (strip.mask, 255)):
            draw = ImageDraw.Draw(image)
            for shape in shapes:
                if cactuses:
                    draw.rounded_rectangle(shape, radius=1.5 * size, fill=fill)
                else:
                    draw.ellipse(shape, fill=fill)


def _forest(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    width, height = size[0] * 2, size[1]
    strips = _ridges(scene, palette, size, rng)[:1]
    for layer, (where, tall, count) in enumerate(((0.56, 0.20, 90), (0.67, 0.27, 60), (0.80, 0.42, 22))):
        share = (layer + 1) / 4
        top, line = round(height * (where - tall)), _ridge(rng, width, roughness=0.6, peaks=False)
        ground = (tall + 0.05 * (1 - line)) * height
        coverage = Image.new("L", (width * 2, (height - top) * 2))
        draw = ImageDraw.Draw(coverage)
        for position in range(count):
            x = (position + float(rng.uniform(0.2, 0.8))) / count * width
            foot = float(ground[int(x)]) + 4
            tallness = height * tall * float(rng.uniform(0.6, 1.0))
            for shift in (-width, 0, width):
                _fir(draw, (x + shift) * 2, foot * 2, tallness * 2)
        trees = np.asarray(coverage.resize((width, height - top), Image.Resampling.BOX)).astype(np.float32) / 255
        colour = mix(palette.far, mix(palette.near, palette.ground, 0.3), share**0.8)
        haze = mix(colour, palette.horizon, 0.5 * (1 - share))
        strip = _strip(
            ground, top=top, bottom=height, colour=colour, haze=haze, speed=0.25 + 0.3 * layer, rim=None
        )
        mask = np.maximum(np.asarray(strip.mask).astype(np.float32) / 255, trees)
        strips.append(attrs.evolve(strip, mask=_to_mask(mask)))
    return [*strips, _floor(palette, size, rng)]


def _floor(palette: Palette, size: tuple[int, int], rng: Generator, *, level: bool = False) -> Strip:
    """Return the ground in front of everything, at the figure's feet."""
    width, height = size[0] * 2, size[1]
    line = np.full(width, 0.5, np.float32) if level else _ridge(rng, width, roughness=0.8, peaks=False)
    foot = mix(palette.ground, (0, 0, 0), 0.4)
    return _strip(
        line * height * 0.03,
        top=round(height * 0.865),
        bottom=height,
        colour=palette.ground,
        haze=foot,
        speed=1.0,
        rim=palette.rim,
    )


def _fir(draw: ImageDraw.ImageDraw, x: float, foot: float, tall: float) -> None:
    for tier in range(4):
        low, half = foot - tall * (0.10 + 0.20 * tier), tall * (0.20 - 0.038 * tier)
        draw.polygon([(x, low - tall * 0.36), (x - half, low), (x + half, low)], fill=255)
    draw.rectangle((x - tall * 0.02, foot - tall * 0.14, x + tall * 0.02, foot), fill=255)


def _city(_: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    width, height = size[0] * 2, size[1]
    strips = []
    for layer, (low, high, broad) in enumerate(((0.26, 0.58, 26), (0.36, 0.68, 38), (0.50, 0.78, 60))):
        share = layer / 2
        top = round(height * low)
        wall = (
            mix(palette.far, palette.near, 0.25 + 0.6 * share)
            if layer < 2
            else mix(palette.near, palette.ground, 0.6)
        )
        image = Image.new("RGB", (width, height - top), wall)
        mask = Image.new("L", (width, height - top))
        paint, cover = ImageDraw.Draw(image), ImageDraw.Draw(mask)
        x = 0
        while x < width:
            wide = int(broad * rng.uniform(0.6, 1.4))
            roof = int((high - low) * height * rng.uniform(0.0, 0.8))
            shade = mix(
                wall, palette.ground if rng.random() < 0.5 else palette.horizon, float(rng.uniform(0, 0.16))
            )
            box = (x, roof, min(width, x + wide) - 1, height - top)
            paint.rectangle(box, fill=shade)
            cover.rectangle(box, fill=255)
            if rng.random() < 0.3:
                cover.rectangle((x + wide // 2, roof - 12, x + wide // 2 + 1, roof), fill=255)
            _light_windows(paint, box, palette, rng, layer)
            x += wide + int(rng.integers(0, 3))
        strips.append(Strip(image=image, mask=mask, top=top, speed=0.15 + 0.3 * layer))
    street = Image.new("RGB", (width, height - round(height * 0.79)), mix(palette.ground, palette.middle, 0.22))
    draw = ImageDraw.Draw(street)
    for x in range(0, width, 40):
        draw.rectangle((x, 24, x + 18, 26), fill=mix(palette.ground, (250, 230, 170), 0.55))
    _wet(street, palette, rng)
    strips.append(Strip(image=street, mask=Image.new("L", street.size, 255), top=round(height * 0.79), speed=1.0))
    strips.append(_floor(palette, size, rng, level=True))
    return strips


def _wet(street: Image.Image, palette: Palette, rng: Generator) -> None:
    """Reflect lights in the wet street, more strongly when it is dark."""
    columns = noise(rng, street.width, 2, cells=60, octaves=2)[0]
    down = np.linspace(1, 0.15, street.height, dtype=np.float32)[:, None]
    strength = np.clip(columns - 0.6, 0, 1)[None, :] * down * (1.7 if palette.dark else 0.5)
    pixels = np.asarray(street).astype(np.float32)
    pixels += (np.array((255, 196, 120), np.float32) - pixels) * np.clip(strength, 0, 0.7)[..., None]
    street.paste(_to_image(pixels))


def _light_windows(
    paint: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    palette: Palette,
    rng: Generator,
    layer: int,
) -> None:
    step = 5 + layer * 2
    warm = ((255, 214, 130), (255, 190, 110), (190, 226, 255), (255, 236, 190))
    chance = (0.42 if palette.dark else 0.14) + 0.1 * layer
    for y in range(box[1] + 4, min(box[3], box[1] + 190), step + 1):
        for x in range(box[0] + 3, box[2] - 3, step):
            lit = rng.random() < chance
            colour = warm[int(rng.integers(0, 4))] if lit else palette.ground
            if lit or layer > 0:
                paint.rectangle(
                    (x, y, x + step // 2 - 1, y + step // 2), fill=mix(palette.near, colour, 0.85 if lit else 0.3)
                )


def _sea(_: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    width, height = size[0] * 2, size[1]
    island = (1 - _ridge(rng, width, roughness=0.9, peaks=True) ** 2.4) * height * 0.16
    strips = [
        _strip(
            island,
            top=round(height * 0.42),
            bottom=round(height * 0.585),
            colour=palette.far,
            haze=palette.horizon,
            speed=0.08,
            rim=palette.rim,
        )
    ]
    deep, shallow = mix(palette.near, palette.zenith, 0.45), mix(palette.horizon, palette.middle, 0.35)
    for layer, (low, amplitude) in enumerate(((0.575, 0.0), (0.65, 0.010), (0.76, 0.018), (0.90, 0.024))):
        share = layer / 3
        line = _ridge(rng, width, roughness=0.5, peaks=False) * height * amplitude
        colour = mix(shallow, deep, share**0.7)
        strip = _strip(
            line,
            top=round(height * low),
            bottom=height,
            colour=colour,
            haze=mix(colour, deep, 0.6),
            speed=0.2 + 0.28 * layer,
            rim=palette.rim,
        )
        glints = _streaks(rng, width, strip.image.height, stretch=4 + 3 * layer)
        pixels = np.asarray(strip.image).astype(np.float32)
        pixels += (np.array(palette.rim, np.float32) - pixels) * (np.clip(glints - 0.62, 0, 1) * 1.5)[..., None]
        pixels += (np.array(palette.zenith, np.float32) - pixels) * (np.clip(0.36 - glints, 0, 1) * 0.9)[..., None]
        strips.append(attrs.evolve(strip, image=_to_image(pixels)))
    return strips


def _room(scene: Scene, palette: Palette, size: tuple[int, int], rng: Generator) -> list[Strip]:
    """Return hills behind a window with curtains, and its sill in front."""
    width, height = size
    wall, cloth, wood = (
        mix(palette.ground, palette.near, 0.25),
        mix(palette.rim, palette.middle, 0.45),
        mix(palette.rim, (176, 120, 76), 0.6),
    )
    left, right, top, bottom = (
        round(width * 0.14),
        round(width * 0.86),
        round(height * 0.07),
        round(height * 0.865),
    )
    image, mask = Image.new("RGB", size, wall), Image.new("L", size, 255)
    paint, cover = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    cover.rectangle((left, top, right, bottom), fill=0)
    frame = mix(wood, (255, 255, 255), 0.25)
    bars = [(left - 8, top - 8, right + 8, top), (left - 8, top, left, bottom), (right, top, right + 8, bottom)]
    bars += [
        ((left + right) // 2 - 3, top, (left + right) // 2 + 3, bottom),
        (left, round(height * 0.3), right, round(height * 0.3) + 5),
    ]
    for bar in bars:
        cover.rectangle(bar, fill=255)
        paint.rectangle(bar, fill=frame)
    wide = round(width * 0.15)
    folds = 0.72 + 0.28 * np.sin(np.arange(wide, dtype=np.float32) / wide * 22)
    curtain = _to_image(np.array(cloth, np.float32) * folds[None, :, None] * np.ones((height, 1, 1), np.float32))
    for x in (left - wide // 2, right - wide // 2):
        image.paste(curtain, (x, 0))
        cover.rectangle((x, 0, x + wide - 1, height), fill=250)
    board = Image.new("RGB", (width, height - bottom), wall)
    edge = ImageDraw.Draw(board)
    edge.rectangle((0, 0, width, 14), fill=wood)
    edge.rectangle((0, 0, width, 2), fill=mix(wood, (255, 255, 255), 0.4))
    edge.rectangle((0, 15, width, 17), fill=mix(wall, (0, 0, 0), 0.5))
    return [
        *_ridges(scene, palette, size, rng)[:3],
        Strip(image=image, mask=mask, top=0, speed=0.0),
        Strip(image=board, mask=Image.new("L", board.size, 255), top=bottom, speed=0.0),
    ]


def _uncovered(strips: list[Strip]) -> list[Strip]:
    """Return the strips without the rows that nearer strips hide, which saves painting them."""
    hidden_from = strips[-1].top + strips[-1].mask.height
    kept: list[Strip] = []
    for strip in reversed(strips):
        rows = max(1, min(strip.mask.height, hidden_from - strip.top))
        box = (0, 0, strip.mask.width, rows)
        kept.append(attrs.evolve(strip, image=strip.image.crop(box), mask=strip.mask.crop(box)))
        opaque = np.asarray(strip.mask).min(axis=1) == 255
        if opaque[-1]:
            first = len(opaque) - int(np.argmin(opaque[::-1])) if not opaque.all() else 0
            hidden_from = min(hidden_from, strip.top + first)
    return kept[::-1]


def _to_image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _to_mask(coverage: Floats) -> Image.Image:
    return Image.fromarray((np.clip(coverage, 0, 1) * 255).astype(np.uint8))
