"""Scenes: the words of a prompt become the scene of a world, and a scene becomes the expanded prompt.

A new prompt changes only the parts of the scene that it names. The light always changes, so that every prompt is
visible. No pictures are made here.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import attrs

__all__ = ["LIGHTS", "LONGEST_PROMPT", "Scene", "first_scene", "next_scene"]

LIGHTS: Final = 4
"""Number of lights for each time of day."""

LONGEST_PROMPT: Final = 4000
"""Characters of a prompt that are applied; the rest is cut off. An applied prompt fits into any data channel."""

_WORD: Final = re.compile("[a-z]+")


def _by_word(meanings: dict[str, str]) -> dict[str, str]:
    """Invert a mapping of meanings to words, so that it maps each word to its meaning."""
    return {word: meaning for meaning, words in meanings.items() for word in words.split()}


_TIMES: Final = _by_word(
    {
        "night": "night midnight dark darkness moon moonlight moonlit stars starry evening nocturnal neon",
        "sunset": "sunset dusk sundown golden twilight warm autumn fire lava",
        "dawn": "dawn sunrise morning pink spring early",
        "day": "day daylight noon sunny sun bright midday afternoon summer",
    }
)
_WEATHERS: Final = _by_word(
    {
        "rain": "rain rains rainy raining storm stormy thunder lightning drizzle wet shower monsoon",
        "snow": "snow snows snowy snowing blizzard winter frost ice icy frozen christmas",
        "fog": "fog foggy mist misty haze smoke cloudy clouds overcast",
        "petals": "petals petal leaves autumn blossom cherry wind windy confetti butterflies falling",
        "sparks": "magic magical sparkle sparkles glitter fireflies firefly fairy embers fireworks fire glow",
        "clear": "clear cloudless stops stopped calm",
    }
)
_PLACES: Final = _by_word(
    {
        "city": "city town street streets skyline skyscraper skyscrapers urban tokyo york london paris downtown "
        "cyberpunk road traffic",
        "sea": "sea ocean beach lake river water waves wave island coast shore harbor harbour sailing surf",
        "underwater": "underwater reef coral aquarium seabed submarine",
        "forest": "forest woods wood jungle trees rainforest pine camp campfire",
        "mountains": "mountain mountains peak peaks alps cliff canyon valley hike climb",
        "desert": "desert dune dunes sand sahara camel cactus egypt pyramid mars",
        "space": "space galaxy planet planets nebula orbit asteroid cosmos lunar moonwalk",
        "room": "window windowsill room kitchen bedroom indoors inside sofa couch desk bed table",
        "meadow": "meadow field fields grass garden park farm hill hills countryside flowers",
    }
)
_HOMES: Final = {
    "fish": "underwater",
    "astronaut": "space",
    "rocket": "space",
    "boat": "sea",
    "car": "city",
    "dragon": "mountains",
    "bear": "forest",
    "deer": "forest",
    "fox": "forest",
    "wolf": "forest",
}
"""Place of a subject if the prompt names none."""
_SUBJECTS: Final = _by_word(
    {
        "cat": "cat cats kitten kitty kittens tabby",
        "dog": "dog dogs puppy puppies hound corgi retriever",
        "fox": "fox foxes",
        "wolf": "wolf wolves",
        "horse": "horse horses pony unicorn stallion",
        "deer": "deer stag reindeer elk moose",
        "bear": "bear bears panda",
        "lion": "lion lions tiger leopard panther",
        "rabbit": "rabbit rabbits bunny hare",
        "bird": "bird birds eagle owl crow raven parrot seagull swan penguin chicken",
        "butterfly": "butterfly butterflies moth",
        "fish": "fish fishes whale shark dolphin goldfish",
        "dragon": "dragon dragons dinosaur",
        "person": "person man woman girl boy child people knight wizard hero "
        "dancer samurai king queen chef someone he she",
        "astronaut": "astronaut spaceman cosmonaut diver alien",
        "robot": "robot robots android mech cyborg",
        "car": "car cars truck taxi vehicle bus racing",
        "boat": "boat boats ship ships sailboat yacht sail pirate",
        "rocket": "rocket rockets spaceship spacecraft shuttle",
        "balloon": "balloon balloons airship blimp",
        "house": "house cottage cabin hut home castle tower temple lighthouse",
        "tree": "tree oak palm willow",
        "flower": "flower flowers rose tulip sunflower daisy",
    }
)
_ACTIONS: Final = _by_word(
    {
        "sleep": "asleep sleep sleeps sleeping nap naps rest rests resting lies lying yawn yawns curl curls dream",
        "jump": "jump jumps jumping hop hops hopping leap leaps bounce "
        "bounces dance dances dancing play plays playing pet",
        "run": "run runs running race races racing gallop gallops chase chases fast sprint drive drives driving",
        "walk": "walk walks walking stroll wander wanders march step steps",
        "fly": "fly flies flying soar soars float floats floating hover lift launch launches rise rises",
        "still": "stop stops stand stands standing sit sits sitting wait waits still stays",
    }
)
_CAMERAS: Final = _by_word(
    {
        "in": "zoom closer close approach closeup",
        "left": "left",
        "right": "right",
        "wide": "wide away aerial back panorama",
    }
)
_COLOURS: Final = {
    "red": (214, 52, 46),
    "orange": (236, 134, 40),
    "yellow": (244, 208, 63),
    "golden": (226, 176, 60),
    "green": (64, 160, 78),
    "teal": (40, 158, 156),
    "cyan": (64, 196, 220),
    "blue": (52, 104, 214),
    "purple": (132, 74, 196),
    "violet": (132, 74, 196),
    "pink": (236, 120, 170),
    "brown": (128, 84, 52),
    "white": (240, 240, 244),
    "black": (30, 30, 38),
    "grey": (136, 140, 148),
    "gray": (136, 140, 148),
    "silver": (190, 196, 204),
}

_WILDS: Final = ("meadow", "mountains", "sea", "desert")
"""Places for prompts without a known word."""

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
class Scene:
    """The content of a picture."""

    prompt: str
    """The last prompt, as given."""
    place: str
    time: str
    weather: str
    subject: str | None
    action: str
    camera: str
    colour: tuple[int, int, int] | None
    """Colour that a prompt asked for, RGB."""
    light: int
    """Number of the light among those of the time of day, 0 to ``LIGHTS - 1``."""
    grain: int
    """Seed of the randomness for this prompt."""

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
    subject = _named(prompt, _SUBJECTS)
    nothing_named = not any(_named(prompt, words) for words in (_SUBJECTS, _PLACES, _WEATHERS))
    return Scene(
        prompt=prompt,
        place=_named(prompt, _PLACES)
        or (_HOMES.get(subject, "meadow") if subject else _WILDS[grain % len(_WILDS)]),
        time=_named(prompt, _TIMES) or ("day", "sunset", "dawn", "day")[grain // 4 % 4],
        weather=_named(prompt, _WEATHERS) or "clear",
        subject=subject or ("balloon" if nothing_named else None),
        action=_named(prompt, _ACTIONS) or "still",
        camera=_named(prompt, _CAMERAS) or "",
        colour=_colour(prompt),
        light=grain // 16 % LIGHTS,
        grain=grain,
    )


def next_scene(scene: Scene, prompt: str, seed: int) -> Scene:
    """Return ``scene`` changed by ``prompt``."""
    prompt = prompt[:LONGEST_PROMPT]
    grain = _grain(seed, prompt, scene.grain)
    return attrs.evolve(
        scene,
        prompt=prompt,
        place=_named(prompt, _PLACES) or scene.place,
        time=_named(prompt, _TIMES) or scene.time,
        weather=_named(prompt, _WEATHERS) or scene.weather,
        subject=_named(prompt, _SUBJECTS) or scene.subject,
        action=_named(prompt, _ACTIONS) or scene.action,
        camera=_named(prompt, _CAMERAS) or "",
        colour=_colour(prompt) or scene.colour,
        light=(scene.light + 1 + grain % (LIGHTS - 1)) % LIGHTS,
        grain=grain,
    )


def _named(prompt: str, meanings: dict[str, str]) -> str | None:
    """Return the meaning of the first word in ``prompt`` that has one."""
    return next((meanings[word] for word in _WORD.findall(prompt.lower()) if word in meanings), None)


def _colour(prompt: str) -> tuple[int, int, int] | None:
    return next((_COLOURS[word] for word in _WORD.findall(prompt.lower()) if word in _COLOURS), None)


def _grain(seed: int, prompt: str, before: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{before}|{prompt}".encode()).digest()[:6], "big")
