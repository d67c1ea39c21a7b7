"""The worlds: the same seed, prompts and image give the same pictures; another prompt gives another picture."""

from __future__ import annotations

import base64
import functools
import io
import itertools
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from odyssey_proto.emulator._worlds import PaintedWorld, words
from odyssey_proto.emulator._worlds.palette import palette_of
from odyssey_proto.emulator._worlds.scene import PLACES_TO_STAND, Scene, first_scene, next_scene
from odyssey_proto.emulator._worlds.subjects import PHASES, SUBJECTS, figure_of

SEEN = 12.0
"""Mean difference of two pictures, of 255, that is clearly visible."""
RED = (214, 52, 46)
HALF, QUARTER = (640, 352), (320, 176)
"""Half and a quarter of the usual width and height: painted in a fraction of the time."""


def world(
    prompt: str = "A cat", *, seed: int = 0, portrait: bool = False, size: tuple[int, int] = QUARTER, **more: Any
) -> PaintedWorld:
    return PaintedWorld(seed=seed, prompt=prompt, portrait=portrait, size=size, **more)


def pixels(shown: PaintedWorld, moment: float = 1.0) -> np.ndarray[Any, Any]:
    return np.asarray(shown.picture(moment).to_ndarray(format="rgb24")).astype(np.int16)


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(np.abs(one - other).mean())


def casting(scene: Scene) -> str:
    return " ".join(actor.subject for actor in scene.cast)


def after(first: str, *others: str) -> Scene:
    scene = first_scene(first, 0)
    for prompt in others:
        scene = next_scene(scene, prompt, 0)
    return scene


def data_url(picture: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_landscape_and_portrait_have_the_sizes_of_the_service() -> None:
    for portrait, shape in ((False, (704, 1280, 3)), (True, (1280, 704, 3))):
        assert pixels(PaintedWorld(seed=0, prompt="A cat", portrait=portrait)).shape == shape


def test_pictures_are_ready_for_an_encoder() -> None:
    assert world().picture(0).format.name == "yuv420p"


def test_same_seed_and_prompts_give_the_same_pictures() -> None:
    one, other = world("rain in the city", seed=5), world("rain in the city", seed=5)
    for shown in (one, other):
        shown.change("a dog runs")
    assert (pixels(one, 3.3) == pixels(other, 3.3)).all()


def test_a_picture_does_not_depend_on_those_before_it() -> None:
    one, other = world(), world()
    for step in range(5):
        one.picture(step / 20)
    assert (pixels(one, 2.0) == pixels(other, 2.0)).all()


def test_another_seed_is_another_world() -> None:
    assert difference(pixels(world(seed=1)), pixels(world(seed=2))) > SEEN / 2


def test_time_passes_in_a_world() -> None:
    shown = world()
    assert difference(pixels(shown, 1.0), pixels(shown, 1.5)) > 0.3


@pytest.mark.parametrize(
    ("one", "other"),
    list(
        itertools.combinations(
            ["A cat", "city at night", "snow in the forest", "the open sea at sunset", "red desert", "goldfish"], 2
        )
    ),
)
def test_different_prompts_give_clearly_different_pictures(one: str, other: str) -> None:
    assert difference(first_pixels(one), first_pixels(other)) > SEEN


@functools.cache
def first_pixels(prompt: str) -> np.ndarray[Any, Any]:
    return pixels(world(prompt))


@pytest.mark.parametrize("prompt", ["A cat", "zzz", "", "make it night", "もっと", "in the city", "it snows"])
def test_every_interaction_shows_in_the_very_next_picture(prompt: str) -> None:
    shown = world("A cat")
    for _ in range(3):
        before = pixels(shown, 2.0)
        version = shown.version
        shown.change(prompt)
        assert shown.version == version + 1
        assert difference(before, pixels(shown, 2.05)) > SEEN / 2


SKY, LEFT, MIDDLE, RIGHT = (
    np.s_[20:100, :],
    np.s_[180:285, 60:220],
    np.s_[180:285, 240:400],
    np.s_[180:285, 420:580],
)
"""Parts of a picture of half the size: the sky, and the places where the cast stands."""


@pytest.mark.parametrize(
    ("prompts", "changed", "same"),
    [
        (["remove the cat"], [MIDDLE], [SKY, LEFT, RIGHT]),
        (["a dog appears"], [LEFT], [SKY, MIDDLE, RIGHT]),
        (["three cats"], [LEFT, RIGHT], [SKY, MIDDLE]),
        (["a red cat"], [MIDDLE], [SKY, LEFT, RIGHT]),
        (["Pet the cat"], [MIDDLE], [SKY, LEFT, RIGHT]),
        (["the cat becomes a robot"], [MIDDLE], [SKY, LEFT, RIGHT]),
        (["a green sky"], [SKY], []),
        (["closer"], [MIDDLE, LEFT, RIGHT], []),
        (["zoom out"], [MIDDLE], [SKY, LEFT, RIGHT]),
        (["a fox comes", "the fox leaves"], [], [SKY, LEFT, MIDDLE, RIGHT]),
        (["it rains", "the rain stops"], [], [SKY, LEFT, MIDDLE, RIGHT]),
        (["closer", "zoom out"], [], [SKY, LEFT, MIDDLE, RIGHT]),
    ],
    ids=lambda value: ", ".join(value) if value and isinstance(value[0], str) else "",
)
def test_an_interaction_changes_what_it_names_and_nothing_else(
    prompts: list[str], changed: list[Any], same: list[Any]
) -> None:
    shown = world("A cat in the meadow at noon", size=HALF)
    before = pixels(shown, 2.0)
    for prompt in prompts:
        shown.change(prompt)
    after = pixels(shown, 2.0)
    assert [difference(before[part], after[part]) > 2 for part in changed] == [True] * len(changed)
    assert [difference(before[part], after[part]) < 0.2 for part in same] == [True] * len(same)


def test_the_land_does_not_jump_when_the_pace_changes() -> None:
    shown = world("A cat in the meadow at noon", size=HALF)
    before = pixels(shown, 30.0)
    shown.change("the cat runs")
    assert difference(before[SKY], pixels(shown, 30.0)[SKY]) < 0.2
    assert difference(before[LEFT], pixels(shown, 30.0)[LEFT]) < 0.2
    assert difference(before[LEFT], pixels(shown, 31.0)[LEFT]) > 2


def test_panning_left_moves_the_land_to_the_right() -> None:
    def moved(prompt: str) -> int:
        """Return by how many px the land moves to the right in half a second."""
        shown = world("in the meadow at noon", size=HALF)
        shown.picture(2.0)
        shown.change(prompt)
        one, other = (pixels(shown, moment)[200:250, :, 1] for moment in (2.0, 2.5))
        return min(
            range(-40, 41), key=lambda by: float(np.abs(one[:, 100:500] - other[:, 100 + by : 500 + by]).mean())
        )

    assert moved("pan left") > 0 > moved("pan right")


def test_every_interaction_shows_in_a_world_from_an_image_too() -> None:
    shown = world(
        "A cat", image=data_url(Image.effect_mandelbrot((640, 352), (-2, -1.2, 1, 1.2), 60).convert("RGB"))
    )
    for prompt in ("night", "night", "again"):
        before = pixels(shown, 2.0)
        shown.change(prompt)
        assert difference(before, pixels(shown, 2.05)) > 1.5


def test_a_world_from_an_image_shows_it() -> None:
    red = pixels(world("A cat", image=data_url(Image.new("RGB", (50, 80), (255, 0, 0)))))
    blue = pixels(world("A cat", image=data_url(Image.new("RGB", (50, 80), (0, 0, 255)))))
    assert red[75:125, 150:200, 0].mean() > blue[75:125, 150:200, 0].mean() + 100
    assert blue[75:125, 150:200, 2].mean() > red[75:125, 150:200, 2].mean() + 100


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_an_image_may_come_in_any_format_and_size(kind: str) -> None:
    assert world(image=data_url(Image.new("RGB", (33, 211), (9, 99, 199)), kind)).picture(0)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "x",
        "data:",
        "data:,",
        "data:image/png;base64,",
        "data:image/png;base64,####",
        "data:image/png;base64,aGVsbG8=",
        data_url(Image.effect_noise((99, 99), 50))[:-2000],
    ],
)
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        world(image=image)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="not an image"):
        world(image=data_url(Image.new("1", (9460, 9460))))


def test_the_applied_prompt_is_longer_than_the_prompt_and_begins_with_it() -> None:
    assert world("A cat at night").applied_prompt.startswith("A cat at night. ")


def test_without_expansion_the_applied_prompt_is_the_prompt() -> None:
    shown = world("A cat at night", expand=False)
    assert shown.applied_prompt == "A cat at night"
    assert shown.change("It sleeps") == "It sleeps"


def test_the_applied_prompt_describes_what_is_shown() -> None:
    assert "snow" in world("A cat in winter").applied_prompt
    assert "towers" in world("Tokyo").applied_prompt


def test_an_empty_prompt_has_an_applied_one() -> None:
    assert world("").applied_prompt


@pytest.mark.parametrize("prompt", ["x" * 5000, "\x00\x1b[31m\n\t", "🦊" * 300, "</script>", "ﷺ" * 50, "a\u202eb"])
def test_any_text_can_be_a_prompt(prompt: str) -> None:
    assert world(prompt).picture(0)


@pytest.mark.parametrize(
    ("prompt", "place", "time", "weather", "subject"),
    [
        ("A cat sitting on a windowsill", "room", None, "clear", "cat"),
        ("A dragon over the city at night", "city", "night", "clear", "dragon"),
        ("a dragon", "mountains", None, "clear", "dragon"),
        ("A boat in a storm at sunset", "sea", "sunset", "rain", "boat"),
        ("fox in the snowy woods", "forest", None, "snow", "fox"),
        ("goldfish", "underwater", None, "clear", "fish"),
        ("Foggy Sunday morning, no DOGS", "desert", "dawn", "fog", ""),
        ("Two dogs and a cat", "meadow", None, "clear", "dog dog cat"),
        ("Three boats", "sea", None, "clear", "boat boat boat"),
        ("Many birds over the sea", "sea", None, "clear", "bird bird bird"),
        ("The city without people", "city", None, "clear", ""),
        ("She walks her dog", "meadow", None, "clear", "person dog"),
    ],
)
def test_words_become_a_scene(prompt: str, place: str, time: str | None, weather: str, subject: str) -> None:
    scene = first_scene(prompt, 0)
    assert (scene.place, scene.weather, casting(scene)) == (place, weather, subject)
    assert time in (None, scene.time)


def test_a_prompt_that_names_nothing_still_has_a_subject() -> None:
    assert casting(first_scene("qwertz", 0)) == "balloon"


def test_a_scene_remembers_what_a_new_prompt_does_not_name() -> None:
    scene = next_scene(first_scene("a red car in the desert at noon", 0), "it rains", 0)
    assert (scene.place, scene.time, scene.weather, casting(scene)) == ("desert", "day", "rain", "car")
    assert (scene.cast[0].coat, scene.tint) == (RED, None)


@pytest.mark.parametrize(
    ("prompts", "cast"),
    [
        (["A cat", "Remove the cat"], ""),
        (["A cat", "the cat leaves"], ""),
        (["A cat and a dog", "the dog goes away"], "cat"),
        (["A cat and a dog", "remove the cat and the dog"], ""),
        (["A cat and a dog", "remove the cat and add a bird"], "dog bird"),
        (["A cat, a dog", "no more cats"], "dog"),
        (["A cat, a dog", "everyone leaves"], ""),
        (["Three dogs", "remove one dog"], "dog dog"),
        (["Three dogs", "one dog"], "dog"),
        (["Three dogs", "the dogs run"], "dog dog dog"),
        (["A dog", "another dog"], "dog dog"),
        (["A dog", "two more dogs", "two more dogs"], "dog dog dog"),
        (["A dog", "10 dogs"], "dog dog dog"),
        (["A dog", "three astronauts"], "dog astronaut astronaut astronaut"),
        (["Two wolves", "children play"], "wolf wolf person person"),
        (["A dog", "birds"], "dog bird bird"),
        (["A dog", "a bird instead"], "bird"),
        (["A dog and a cat", "turn the cat into a robot"], "dog robot"),
        (["A dog", "replace the dog with two foxes"], "fox fox"),
        (["A dog", "she smiles"], "dog"),
        (["A dog", "it rains"], "dog"),
        (["Three cats", "three dogs", "a fox"], "cat cat dog dog dog fox"),
    ],
    ids=lambda value: "; ".join(value) if isinstance(value, list) else "",
)
def test_subjects_come_and_go_as_the_prompts_say(prompts: list[str], cast: str) -> None:
    assert casting(after(*prompts)) == cast


def test_those_who_stay_keep_their_places_and_newcomers_take_those_that_are_free() -> None:
    scene = after("Two cats and a dog", "remove the cats", "a fox")
    assert [(actor.subject, actor.place) for actor in scene.cast] == [("dog", 2), ("fox", 0)]


def test_any_words_in_any_order_leave_a_scene_with_room_for_its_cast() -> None:
    tables = [value for name, value in vars(words).items() if name.isupper()]
    known = sorted({word for table in tables for word in table if isinstance(word, str)} | {"and", ",", ".", "7"})
    rng = random.Random(0)
    sizes = set()
    for _ in range(300):
        scene = after(*(" ".join(rng.choices(known, k=rng.randrange(12))) for _ in range(6)))
        places = [actor.place for actor in scene.cast]
        assert len(set(places)) == len(places)
        assert all(0 <= place < PLACES_TO_STAND for place in places)
        assert all(casting(scene).split().count(actor.subject) <= 3 for actor in scene.cast)
        assert -1 <= scene.zoom <= 2
        sizes.add(len(places))
    assert sizes >= set(range(1, PLACES_TO_STAND + 1))


def test_a_prompt_directs_and_paints_only_whom_it_names() -> None:
    scene = after("A cat and a dog", "the dog sleeps and the cat runs", "paint the dog red")
    assert [(actor.subject, actor.action, actor.coat) for actor in scene.cast] == [
        ("cat", "run", None),
        ("dog", "sleep", RED),
    ]
    assert [actor.action for actor in after("A cat and a dog", "they jump").cast] == ["jump", "jump"]
    assert [actor.coat for actor in after("A cat and a dog", "paint them red").cast] == [RED, RED]


@pytest.mark.parametrize(
    ("prompts", "weather", "action", "tint"),
    [
        (["A dog runs in the rain", "the rain stops"], "clear", "run", None),
        (["A dog runs in the rain", "the dog stops"], "rain", "still", None),
        (["A dog runs in the rain", "no rain"], "clear", "run", None),
        (["A dog runs in the rain", "the rain stops and it snows"], "snow", "run", None),
        (["A dog runs", "the dog leaves"], "clear", "still", None),
        (["A dog runs", "a red sky"], "clear", "run", (214, 52, 46)),
        (["A red dog runs"], "clear", "run", None),
        (["A dog", "the moon rises"], "clear", "still", None),
        (["A dog", "at night it runs"], "clear", "run", None),
        (["A dog", "run into the forest"], "clear", "run", None),
        (["Red"], "clear", "still", (214, 52, 46)),
    ],
)
def test_weather_actions_and_colours_end_where_the_prompt_says(
    prompts: list[str], weather: str, action: str, tint: object
) -> None:
    scene = after(*prompts)
    assert (scene.weather, scene.pace, scene.tint) == (weather, action, tint)


@pytest.mark.parametrize(
    ("prompts", "zoom", "pan"),
    [
        (["A cat", "zoom in"], 1, ""),
        (["A cat", "closer", "closer", "come closer"], 2, ""),
        (["A close-up of a cat", "it rains"], 1, ""),
        (["A cat", "zoom out", "pull back"], -1, ""),
        (["A cat", "closer", "zoom out"], 0, ""),
        (["A wide panorama", "zoom in", "zoom in"], 1, ""),
        (["A cat", "pan left"], 0, "left"),
        (["A cat", "pan left", "the cat sleeps", "pan to the right"], 0, "right"),
        (["A cat", "the camera pans"], 0, "right"),
    ],
)
def test_the_camera_moves_step_by_step_and_stays_where_it_is(prompts: list[str], zoom: int, pan: str) -> None:
    scene = after(*prompts)
    assert (scene.zoom, scene.pan) == (zoom, pan)


def test_the_light_changes_with_every_prompt_that_changes_nothing_else() -> None:
    scene = first_scene("night", 0)
    for number in range(50):
        following = next_scene(scene, f"again {number % 3}", 0)
        assert following.light != scene.light
        scene = following
    assert next_scene(scene, "it rains", 0).light == scene.light


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
@pytest.mark.parametrize("asleep", [False, True])
def test_every_subject_has_a_figure_that_moves(subject: str, *, asleep: bool) -> None:
    scene = first_scene(f"a {subject}", 0)
    palette = palette_of(scene, scene.cast[0])
    figure = figure_of(subject, asleep=asleep, size=64, palette=palette)
    assert len(figure.phases) == PHASES
    masks = [np.asarray(mask).astype(np.int16) for _, mask in figure.phases]
    assert all(100 < (mask > 127).sum() < 64 * 64 for mask in masks)
    pictures = [np.asarray(image).astype(np.int16) for image, _ in figure.phases]
    assert any(np.abs(masks[0] - mask).max() > 20 for mask in masks) or any(
        np.abs(pictures[0] - picture).max() > 20 for picture in pictures
    )


@pytest.mark.parametrize(
    "place", ["city", "sea", "underwater", "forest", "mountains", "desert", "space", "room", "meadow"]
)
@pytest.mark.parametrize(
    "sky",
    [
        "night snow",
        "sunset rain",
        "dawn fog",
        "cherry petals",
        "noon magic",
        "purple mist",
        "left zoom in, three dogs",
    ],
)
def test_every_place_can_be_painted_under_every_sky(place: str, sky: str) -> None:
    picture = pixels(world(f"no cat, {place}, {sky}", portrait=len(sky) % 2 == 0))  # a cat takes half of the time
    assert picture.std() > 12


@pytest.mark.parametrize("prompt", ["A cat on a hill", "The sea at night, it rains", "A city", "A room", ""])
@pytest.mark.parametrize(("portrait", "size"), [(False, (512, 32)), (True, (32, 512)), (False, (640, 360))])
def test_a_world_has_pictures_of_any_size(prompt: str, portrait: bool, size: tuple[int, int]) -> None:
    tiny = PaintedWorld(seed=0, prompt=prompt, portrait=portrait, size=size[::-1] if portrait else size)
    tiny.change("A dragon flies, it snows")
    picture = tiny.picture(1.0)
    assert tiny.size == (picture.width, picture.height) == size
