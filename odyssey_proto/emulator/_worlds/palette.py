"""The colours of a scene, by time of day, light and place. Nothing is painted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from .scene import Actor, Scene

__all__ = ["Colour", "Palette", "mix", "palette_of"]

Colour: TypeAlias = tuple[int, int, int]
"""RGB, 0 to 255."""


@attrs.frozen(kw_only=True)
class Palette:
    """The colours of one scene."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    glow: Colour
    """Colour of the sun or the moon."""
    far: Colour
    near: Colour
    ground: Colour
    """Colour of the nearest, darkest layer."""
    subject: Colour
    """Colour of the coat of one subject."""
    rim: Colour
    """Colour of edges that catch the light."""
    dark: bool
    """Whether stars are out and windows lit."""


# zenith, middle, horizon, glow: one line for each light.
_SKIES: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    "day": (
        ("2f7fd0", "7fb9ea", "dcefF7", "fff6d8"),
        ("138a9c", "6cc7c9", "e4f6ea", "fffbe6"),
        ("7d86cf", "b9b6e6", "f2e6f2", "fff2ea"),
        ("4a90c4", "a9cfd6", "fbeac4", "ffe9a8"),
    ),
    "dawn": (
        ("5f7fb8", "c3bcd6", "fbdcc8", "fff1d6"),
        ("6a5aa8", "c48fc4", "fcd0d4", "ffe6ee"),
        ("4f9bb8", "b6dcc4", "fdf2bc", "fffbe0"),
        ("77688f", "e09a98", "fdd2a8", "ffe3c0"),
    ),
    "sunset": (
        ("3a2a62", "c2554e", "fdb055", "ffdf9a"),
        ("221f5c", "8c3f86", "f58ea0", "ffd0b8"),
        ("4a1f38", "c23b32", "f9b63f", "ffe48a"),
        ("1f5566", "6f9a98", "fdc49a", "ffe6c8"),
    ),
    "night": (
        ("060d26", "12285a", "35588e", "e8eefc"),
        ("04161c", "0c4148", "2f8f74", "dcfff0"),
        ("120a2c", "34206a", "7a4f9e", "f6e6ff"),
        ("071418", "173640", "517a78", "eefbe0"),
    ),
}
_LAND: Final[dict[str, tuple[str, str]]] = {
    "meadow": ("7fa87a", "2f5e34"),
    "room": ("7fa87a", "2f5e34"),
    "forest": ("5d8a78", "16352a"),
    "mountains": ("7f8fae", "2c3a4e"),
    "sea": ("5f8fb0", "1d3f5c"),
    "city": ("76809c", "1c2233"),
    "desert": ("d8a878", "8a4f2c"),
    "space": ("8a8c98", "2c2c36"),
    "underwater": ("2f8f9e", "0b3440"),
}
_COATS: Final[dict[str, str]] = {
    "cat": "3a3230",
    "dog": "9a6a3c",
    "fox": "c8642a",
    "wolf": "6a707c",
    "horse": "6e4428",
    "deer": "96643c",
    "bear": "4c3628",
    "lion": "c99848",
    "rabbit": "d8cfc4",
    "bird": "2c2f3a",
    "butterfly": "e08a2c",
    "fish": "f08a3c",
    "dragon": "3f7a4c",
    "person": "b8403c",
    "astronaut": "e6eaf0",
    "robot": "8fa0b0",
    "car": "d23c34",
    "boat": "a8603c",
    "rocket": "e6e2dc",
    "balloon": "d8443c",
    "house": "b8987c",
    "tree": "3f7a3c",
    "flower": "e85a8c",
}
_BRIGHTNESS: Final = {"day": 1.0, "dawn": 0.86, "sunset": 0.62, "night": 0.34}


def palette_of(scene: Scene, actor: Actor | None = None) -> Palette:
    """Return the colours of ``scene``, and of ``actor`` in it."""
    zenith, middle, horizon, glow = (_rgb(text) for text in _SKIES[scene.time][scene.light])
    if scene.place == "space":
        zenith, middle, horizon = (
            mix(zenith, (2, 2, 10), 0.85),
            mix(middle, (8, 6, 26), 0.8),
            mix(horizon, (22, 18, 48), 0.7),
        )
    if scene.place == "underwater":
        zenith, middle, horizon = (
            mix(glow, (60, 190, 200), 0.6),
            mix(middle, (16, 120, 150), 0.7),
            mix(zenith, (6, 40, 70), 0.8),
        )
    if scene.weather in ("rain", "fog"):
        zenith, middle, horizon = (mix(colour, _gray(colour, 0.82), 0.6) for colour in (zenith, middle, horizon))
    if scene.weather == "snow":
        zenith, middle, horizon = (mix(colour, (210, 220, 236), 0.28) for colour in (zenith, middle, horizon))
    if scene.tint is not None:
        zenith, middle, horizon = (
            mix(colour, _with_luma(scene.tint, colour), weight)
            for colour, weight in ((zenith, 0.6), (middle, 0.55), (horizon, 0.4))
        )
    light = _BRIGHTNESS[scene.time]
    far, near = (_scaled(_rgb(text), light) for text in _LAND[scene.place])
    if scene.weather == "snow":
        far, near = mix(far, _scaled((236, 242, 250), light), 0.7), mix(near, _scaled((214, 224, 238), light), 0.6)
    coat = (actor and actor.coat) or _rgb(_COATS.get(actor.subject if actor else "", "44444c"))
    return Palette(
        zenith=zenith,
        middle=middle,
        horizon=horizon,
        glow=glow,
        far=mix(far, horizon, 0.55),
        near=mix(near, middle, 0.12),
        ground=mix(_scaled(near, 0.45), zenith, 0.18),
        subject=mix(_scaled(coat, 0.35 + 0.65 * light), middle, 0.12),
        rim=mix(glow, horizon, 0.35),
        dark=scene.time == "night" or scene.place == "space",
    )


def mix(one: Colour, other: Colour, weight: float) -> Colour:
    """Return ``one`` with ``weight`` (0 to 1) of ``other``."""
    red, green, blue = (round(a + (b - a) * weight) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(text: str) -> Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _luma(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _gray(colour: Colour, factor: float) -> Colour:
    level = min(255, round(_luma(colour) * factor))
    return level, level, min(255, level + 8)


def _with_luma(colour: Colour, of: Colour) -> Colour:
    """Return ``colour`` about as bright as ``of``."""
    return _scaled(colour, min(2.2, (_luma(of) * 0.7 + _luma(colour) * 0.3) / max(12.0, _luma(colour))))
