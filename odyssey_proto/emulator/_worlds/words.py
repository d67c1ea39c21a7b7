"""The words that the worlds understand, by their meanings. `reading` interprets sentences."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIONS",
    "ADDING",
    "ALL",
    "COLOURS",
    "HOMES",
    "LEAVING",
    "MORE",
    "NUMBERS",
    "PEOPLE",
    "PLACES",
    "PLURALS",
    "PRONOUNS",
    "REMOVING",
    "REPLACING",
    "SKIES",
    "STOPPING",
    "SUBJECTS",
    "TIMES",
    "WEATHERS",
]


def _by_word(meanings: dict[str, str]) -> dict[str, str]:
    """Invert a mapping of meanings to words, so that it maps each word to its meaning."""
    return {word: meaning for meaning, words in meanings.items() for word in words.split()}


TIMES: Final = _by_word(
    {
        "night": "night midnight dark darkness moon moonlight moonlit stars starry evening nocturnal neon",
        "sunset": "sunset dusk sundown twilight warm autumn fire lava",
        "dawn": "dawn sunrise morning spring early",
        "day": "day daylight noon sunny sun bright midday afternoon summer",
    }
)
WEATHERS: Final = _by_word(
    {
        "rain": "rain rains rainy raining storm stormy thunder lightning drizzle wet shower monsoon",
        "snow": "snow snows snowy snowing blizzard winter frost ice icy frozen christmas",
        "fog": "fog foggy mist misty haze smoke cloudy clouds overcast",
        "petals": "petals petal leaves autumn blossom cherry wind windy confetti butterflies falling",
        "sparks": "magic magical sparkle sparkles glitter fireflies firefly fairy embers fireworks fire glow",
        "clear": "clear cloudless calm",
    }
)
PLACES: Final = _by_word(
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
HOMES: Final = {
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
SUBJECTS: Final = _by_word(
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
        "person": "person man woman girl boy child children men women people knight wizard hero "
        "dancer samurai king queen chef someone",
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
ACTIONS: Final = _by_word(
    {
        "sleep": "asleep sleep sleeps sleeping nap naps rest rests resting lies lying yawn yawns curl curls dream",
        "jump": "jump jumps jumping hop hops hopping leap leaps bounce "
        "bounces dance dances dancing play plays playing pet",
        "run": "run runs running race races racing gallop gallops chase chases fast sprint drive drives driving",
        "walk": "walk walks walking stroll wander wanders march step steps",
        "fly": "fly flies flying soar soars float floats floating hover lift launch launches rise rises",
        "still": "stand stands standing sit sits sitting wait waits still stays",
    }
)
COLOURS: Final = {
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

SUBJECTS.update({f"{word}s": subject for word, subject in SUBJECTS.items() if f"{word}s" not in SUBJECTS})
PLURALS: Final = frozenset(
    {word for word in SUBJECTS if word.endswith("s") and {word[:-1], word[:-2]} & SUBJECTS.keys()}
    | {"children", "men", "people", "puppies", "wolves", "women"}
)
"""The words that name more than one of a subject."""
PEOPLE: Final = frozenset({"he", "she"})
"""A person, unless somebody is there already."""
PRONOUNS: Final = frozenset({"it", "they", "them", "him", "her"})
"""The whole cast, regardless of subject."""
NUMBERS: Final = {
    "1": 1,
    "one": 1,
    "single": 1,
    "2": 2,
    "two": 2,
    "pair": 2,
    "couple": 2,
    "both": 2,
    "3": 3,
    "three": 3,
    "trio": 3,
    **dict.fromkeys(("4", "5", "6", "7", "8", "9", "10", "four", "five", "six", "seven", "eight", "nine"), 3),
    **dict.fromkeys(("ten", "dozen", "hundred", "many", "several"), 3),
}
"""Numbers, limited to the most subjects of a kind that there can be."""
MORE: Final = frozenset({"another", "more"})
"""One more of a kind."""
REMOVING: Final = frozenset({"remove", "removes", "without", "no", "delete", "erase", "lose", "drop", "hide"})
"""Subjects after such a word leave."""
ADDING: Final = frozenset({"add", "adds", "with", "bring", "show", "put", "give", "comes", "appears", "joins"})
"""Subjects before or after such a word stay."""
LEAVING: Final = frozenset(
    {"leave", "leaves", "leaving", "disappear", "disappears", "vanish", "vanishes", "gone", "departs", "exits"}
)
"""Subjects in the same clause as such a word leave."""
ALL: Final = frozenset({"all", "everybody", "everyone", "everything"})
"""The whole cast."""
REPLACING: Final = frozenset({"instead", "becomes", "become", "turn", "turns", "transforms", "replace", "only"})
"""New subjects replace the present ones."""
STOPPING: Final = frozenset({"stop", "stops", "stopped"})
"""Ends the weather that is named, or makes everybody stand still."""
SKIES: Final = frozenset(
    {"sky", "light", "mist", "fog", "haze", "glow", "cloud", "clouds", "horizon", "air", "aurora"}
)
"""The things whose colour tints the light."""
