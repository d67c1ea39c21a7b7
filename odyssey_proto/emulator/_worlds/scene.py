"""Scenes: the wishes of prompts become the scene of a world, and a scene becomes the expanded prompt.

A new prompt changes only what it names, or the light if that would change nothing, so that every prompt is
visible. No pictures are made here.
"""

from __future__ import annotations

import hashlib
from typing import Final

import attrs

from .reading import Colour, Mention, Wish, read
from .words import HOMES

__all__ = ["LIGHTS", "LONGEST_PROMPT", "PLACES_TO_STAND", "Actor", "Scene", "first_scene", "next_scene"]

LIGHTS: Final = 4
"""Number of lights for each time of day."""

LONGEST_PROMPT: Final = 4000
"""Characters of a prompt that are applied; the rest is cut off. An applied prompt fits any channel message."""

PLACES_TO_STAND: Final = 6
"""How many subjects a scene has room for."""

_MOST_OF_A_KIND: Final = 3
_CLOSEST: Final = 2
_FARTHEST: Final = -1

_WILDS: Final = ("meadow", "mountains", "sea", "desert")
"""Places for a first prompt that gives neither a place nor a subject, but for example the weather."""

_LIGHT_WORDS: Final = {
    "night": ("deep blue moonlight", "the glow of an aurora", "violet starlight", "pale green moonlight"),
    "sunset": ("burning orange light", "rose and indigo light", "gold before the dark", "a peach and teal glow"),
    "dawn": ("the first pale light", "lilac morning light", "a clear lemon dawn", "soft coral light"),
    "day": ("clear azure light", "a bright teal sky", "a soft lavender haze", "warm noon light"),
}
_PLACE_WORDS: Final = {
    "city": "a city of lit towers",
    "sea": "a wide open sea",
    "underwater": "deep water with falling rays of light",
    "forest": "rows of dark firs",
    "mountains": "high mountains with white peaks",
    "desert": "long dunes of sand",
    "space": "a silent moon under the stars",
    "room": "a window on green hills",
    "meadow": "rolling green hills",
}
_WEATHER_WORDS: Final = {
    "rain": "rain falls",
    "snow": "snow drifts down",
    "fog": "mist lies low",
    "petals": "petals drift by",
    "sparks": "sparks of light float",
    "clear": "the air is clear",
}


@attrs.frozen(kw_only=True)
class Actor:
    """One subject in a scene."""

    subject: str
    place: int
    """Where it stands, 0 to ``PLACES_TO_STAND - 1``: 0 is in the middle, and others are farther off."""
    action: str = "still"
    coat: Colour | None = None
    """Colour that a prompt asked for; None for its own."""


@attrs.frozen(kw_only=True)
class Scene:
    """The content of a picture."""

    prompt: str
    """The last prompt, as given."""
    place: str
    time: str
    weather: str
    cast: tuple[Actor, ...]
    """The subjects, in the order in which they came."""
    action: str
    """The camera's movement if it follows nobody."""
    zoom: int
    """Steps of the camera towards the cast, ``-1`` to 2."""
    pan: str
    """The direction in which the camera moves faster, "left" or "right"; empty for its usual movement."""
    tint: Colour | None
    """Colour of the light that a prompt asked for; None for the usual one."""
    light: int
    """Number of the light among those of the time of day, 0 to ``LIGHTS - 1``."""
    grain: int
    """Seed of the randomness of this place."""

    @property
    def pace(self) -> str:
        """The action that the camera follows."""
        return self.cast[0].action if self.cast else self.action

    @property
    def expanded_prompt(self) -> str:
        """The prompt as this service rewrites it, to match the picture."""
        prompt = " ".join(self.prompt.split()).rstrip(".")
        lead = prompt if prompt else "A quiet world"
        light = _LIGHT_WORDS[self.time][self.light]
        return f"{lead}. {_PLACE_WORDS[self.place].capitalize()} in {light}; {_WEATHER_WORDS[self.weather]}."


def first_scene(prompt: str, seed: int) -> Scene:
    """Return the first scene of a world."""
    prompt = prompt[:LONGEST_PROMPT]
    grain = _grain(seed, prompt, 0)
    wish = read(prompt)
    cast = _recast((), wish)
    if not (cast or wish.mentions or wish.place or wish.weather):
        cast = _recast((), attrs.evolve(wish, mentions=(Mention(subject="balloon"),)))
    return Scene(
        prompt=prompt,
        place=wish.place or (HOMES.get(cast[0].subject, "meadow") if cast else _WILDS[grain % len(_WILDS)]),
        time=wish.time or ("day", "sunset", "dawn", "day")[grain // 4 % 4],
        weather=wish.weather or "clear",
        cast=cast,
        action=wish.action or "still",
        zoom=wish.zoom,
        pan=wish.pan or "",
        tint=wish.tint or (None if cast else wish.coat),
        light=grain // 16 % LIGHTS,
        grain=grain,
    )


def next_scene(scene: Scene, prompt: str, seed: int) -> Scene:
    """Return ``scene`` changed by ``prompt``."""
    prompt = prompt[:LONGEST_PROMPT]
    grain = _grain(seed, prompt, scene.grain)
    wish = read(prompt)
    place = wish.place or scene.place
    changed = attrs.evolve(
        scene,
        prompt=prompt,
        place=place,
        time=wish.time or scene.time,
        weather=wish.weather or scene.weather,
        cast=_recast(scene.cast, wish),
        action=wish.action or scene.action,
        zoom=max(_FARTHEST, min(_CLOSEST, scene.zoom + wish.zoom)),
        pan=wish.pan or scene.pan,
        tint=wish.tint or (scene.tint if scene.cast else wish.coat or scene.tint),
        grain=grain if place != scene.place else scene.grain,
    )
    if changed == attrs.evolve(scene, prompt=prompt):
        return attrs.evolve(changed, light=(scene.light + 1 + grain % (LIGHTS - 1)) % LIGHTS)
    return changed


def _recast(cast: tuple[Actor, ...], wish: Wish) -> tuple[Actor, ...]:
    """Return ``cast`` with the newcomers, without those who leave, and with the action of each."""
    actors = [] if wish.empties else [_directed(actor, wish.action, wish.coat) for actor in cast]
    there = {actor.subject for actor in actors}
    mentions = [mention for mention in wish.mentions if not (mention.is_pronoun and actors)]
    if wish.replaces and any(not mention.leaves and mention.subject not in there for mention in mentions):
        replaced = {mention.subject for mention in mentions} & there or there
        actors = [actor for actor in actors if actor.subject not in replaced]
        mentions = [mention for mention in mentions if mention.subject not in replaced]
    for mention in wish.mentions:
        if mention.is_pronoun and there:
            actors = [_directed(actor, mention.action, mention.colour) for actor in actors]
    for mention in mentions:
        actors = _with_mention(actors, mention)
    return tuple(actors)


def _with_mention(actors: list[Actor], mention: Mention) -> list[Actor]:
    same = [actor for actor in actors if actor.subject == mention.subject]
    count = len(same)
    if mention.leaves:
        wanted = max(0, count - mention.count) if mention.count else 0
    elif mention.more:
        wanted = count + (mention.count or 1)
    else:
        wanted = mention.count or count or (2 if mention.is_plural else 1)
    wanted = min(wanted, _MOST_OF_A_KIND)
    staying = [actor for actor in actors if actor not in same[wanted:]]
    for _ in range(wanted - count):
        if len(staying) == PLACES_TO_STAND:
            staying.remove(next(actor for actor in staying if actor.subject != mention.subject))
        taken = {actor.place for actor in staying}
        place = next(place for place in range(PLACES_TO_STAND) if place not in taken)
        staying.append(Actor(subject=mention.subject, place=place))
    return [
        _directed(actor, mention.action, mention.colour) if actor.subject == mention.subject else actor
        for actor in staying
    ]


def _directed(actor: Actor, action: str | None, coat: Colour | None) -> Actor:
    return attrs.evolve(actor, action=action or actor.action, coat=coat or actor.coat)


def _grain(seed: int, prompt: str, before: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{before}|{prompt}".encode()).digest()[:6], "big")
