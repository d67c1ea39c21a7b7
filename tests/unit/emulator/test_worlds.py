"""The worlds: the same seed, prompts and image give the same pictures; another prompt gives another picture."""

from __future__ import annotations

import base64
import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from odyssey_proto.emulator._worlds import World
from odyssey_proto.emulator._worlds.palette import palette_of
from odyssey_proto.emulator._worlds.scene import first_scene, next_scene
from odyssey_proto.emulator._worlds.subjects import PHASES, SUBJECTS, figure_of

SEEN = 12.0
"""Mean difference of two pictures, of 255, that is clearly visible."""
HALF = (640, 352)
"""Half of the usual width and height: painted in a quarter of the time."""


def world(prompt: str = "A cat", *, seed: int = 0, portrait: bool = False, **more: Any) -> World:
    return World(seed=seed, prompt=prompt, portrait=portrait, **more)


def pixels(shown: World, moment: float = 1.0) -> np.ndarray[Any, Any]:
    return np.asarray(shown.picture(moment).to_ndarray(format="rgb24")).astype(np.int16)


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(np.abs(one - other).mean())


def data_url(picture: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_landscape_and_portrait_have_the_sizes_of_the_service() -> None:
    assert pixels(world()).shape == (704, 1280, 3)
    assert pixels(world(portrait=True)).shape == (1280, 704, 3)


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
    assert difference(pixels(world(one, size=HALF)), pixels(world(other, size=HALF))) > SEEN


@pytest.mark.parametrize("prompt", ["A cat", "zzz", "", "make it night", "Pet the cat", "もっと"])
def test_every_interaction_shows_in_the_very_next_picture(prompt: str) -> None:
    shown = world("A cat", size=HALF)
    for _ in range(3):
        before = pixels(shown, 2.0)
        version = shown.version
        shown.change(prompt)
        assert shown.version == version + 1
        assert difference(before, pixels(shown, 2.05)) > SEEN / 2


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
    assert red[300:500, 600:800, 0].mean() > blue[300:500, 600:800, 0].mean() + 100
    assert blue[300:500, 600:800, 2].mean() > red[300:500, 600:800, 2].mean() + 100


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


def test_the_applied_prompt_is_longer_than_the_prompt_and_begins_with_it() -> None:
    assert world("A cat at night").applied_prompt.startswith("A cat at night. ")


def test_without_expansion_the_applied_prompt_is_the_prompt() -> None:
    shown = world("A cat at night", expand=False)
    assert shown.applied_prompt == "A cat at night"
    assert shown.change("It sleeps") == "It sleeps"


def test_the_applied_prompt_tells_what_is_to_be_seen() -> None:
    assert "snow" in world("A cat in winter").applied_prompt
    assert "towers" in world("Tokyo").applied_prompt


def test_an_empty_prompt_has_an_applied_one() -> None:
    assert world("").applied_prompt


@pytest.mark.parametrize("prompt", ["x" * 5000, "\x00\x1b[31m\n\t", "🦊" * 300, "</script>", "ﷺ" * 50, "a\u202eb"])
def test_any_text_can_be_a_prompt(prompt: str) -> None:
    assert world(prompt, size=HALF).picture(0)


@pytest.mark.parametrize(
    ("prompt", "place", "time", "weather", "subject"),
    [
        ("A cat sitting on a windowsill", "room", None, "clear", "cat"),
        ("A dragon over the city at night", "city", "night", "clear", "dragon"),
        ("a dragon", "mountains", None, "clear", "dragon"),
        ("A boat in a storm at sunset", "sea", "sunset", "rain", "boat"),
        ("fox in the snowy woods", "forest", None, "snow", "fox"),
        ("goldfish", "underwater", None, "clear", "fish"),
        ("Foggy Sunday morning, no DOGS", "meadow", "dawn", "fog", "dog"),
    ],
)
def test_words_become_a_scene(prompt: str, place: str, time: str | None, weather: str, subject: str) -> None:
    scene = first_scene(prompt, 0)
    assert (scene.place, scene.weather, scene.subject) == (place, weather, subject)
    assert time in (None, scene.time)


def test_a_prompt_that_names_nothing_still_has_a_subject() -> None:
    assert first_scene("qwertz", 0).subject == "balloon"


def test_a_scene_remembers_what_a_new_prompt_does_not_name() -> None:
    scene = next_scene(first_scene("a red car in the desert at noon", 0), "it rains", 0)
    assert (scene.place, scene.time, scene.weather, scene.subject) == ("desert", "day", "rain", "car")
    assert scene.colour == (214, 52, 46)


def test_the_light_changes_with_every_prompt() -> None:
    scene = first_scene("night", 0)
    for number in range(50):
        following = next_scene(scene, f"again {number % 3}", 0)
        assert following.light != scene.light
        scene = following


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
@pytest.mark.parametrize("asleep", [False, True])
def test_every_subject_has_a_figure_that_moves(subject: str, *, asleep: bool) -> None:
    palette = palette_of(first_scene(f"a {subject}", 0))
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
    "sky", ["night snow", "sunset rain", "dawn fog", "cherry petals", "noon magic", "purple mist", "left zoom in"]
)
def test_every_place_can_be_painted_under_every_sky(place: str, sky: str) -> None:
    picture = pixels(world(f"a cat, {place}, {sky}", portrait=len(sky) % 2 == 0, size=HALF))
    assert picture.std() > 12


@pytest.mark.parametrize("prompt", ["A cat on a hill", "The sea at night, it rains", "A city", "A room", ""])
@pytest.mark.parametrize(("portrait", "size"), [(False, (512, 32)), (True, (32, 512)), (False, (640, 360))])
def test_a_world_has_pictures_of_any_size(prompt: str, portrait: bool, size: tuple[int, int]) -> None:
    tiny = World(seed=0, prompt=prompt, portrait=portrait, size=size[::-1] if portrait else size)
    tiny.change("A dragon flies, it snows")
    picture = tiny.picture(1.0)
    assert tiny.size == (picture.width, picture.height) == size
