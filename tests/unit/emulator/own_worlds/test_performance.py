"""One stream of a world: what the world is asked, what is shown while it fails, and when the stream ends."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import io
import logging
from typing import Any

import pytest
from PIL import Image

from odyssey_proto.emulator._own_worlds.performance import FAILURES, Performance, WorldError
from odyssey_proto.emulator._worlds.scene import LONGEST_PROMPT
from tests.support.worlds import Fickle, Levels, level_of

SIZE = (64, 32)


class Told(Levels):
    """A world that shows these pictures one by one, raising those that are errors, and then nothing new."""

    def __init__(self, *pictures: Any, applied: Any = None) -> None:
        self.pictures = [*pictures]
        self.moments: list[float] = []
        self.applied = applied

    def start(self, *asked: Any) -> Any:
        super().start(*asked)
        return self.applied

    def picture(self, t: float) -> Any:
        self.moments.append(t)
        found = self.pictures.pop(0) if self.pictures else None
        if isinstance(found, BaseException):
            raise found
        return found


def playing(world: Any, **more: Any) -> Performance:
    return Performance(lambda: world, **{"seed": 7, "prompt": "A cat", "portrait": False, "size": SIZE, **more})


def data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def gray(level: int) -> list[list[int]]:
    return [[level]]


def test_a_world_gets_the_prompt_the_image_the_size_and_the_seed() -> None:
    world = Levels()
    shown = playing(world, image=data_url(Image.new("RGB", (300, 100), (90, 90, 90))))
    assert world.asked == ("A cat", (32, 64, 3), SIZE, 7)
    assert shown.size == SIZE
    assert abs(level_of(shown.picture(0.0)) - 90) <= 1


def test_in_portrait_width_and_height_are_swapped() -> None:
    world = Levels()
    picture = playing(world, portrait=True).picture(0.0)
    assert world.asked == ("A cat", None, SIZE[::-1], 7)
    assert (picture.width, picture.height) == SIZE[::-1]


def test_an_image_that_cannot_be_read_is_the_fault_of_the_client() -> None:
    with pytest.raises(ValueError, match="not a data URL"):
        playing(Levels(), image="cat.png")


def test_a_prompt_is_applied_as_the_world_says_or_as_it_was_given() -> None:
    shown = playing(Levels())
    assert shown.applied_prompt == "A cat, applied"
    assert shown.change("It rains") == shown.applied_prompt == "It rains"
    assert abs(level_of(shown.picture(0.5)) - 80) <= 1


def test_without_expansion_a_prompt_is_applied_as_it_was_given() -> None:
    assert playing(Levels(), expand=False).applied_prompt == "A cat"


def test_an_applied_prompt_fits_into_any_data_channel() -> None:
    assert playing(Told(applied="x" * 20_000)).applied_prompt == "x" * LONGEST_PROMPT
    assert playing(Told(), prompt="y" * 20_000).applied_prompt == "y" * LONGEST_PROMPT


def test_an_applied_prompt_that_is_no_text_fails_the_start() -> None:
    with pytest.raises(WorldError, match="the applied prompt must be text or None, not int"):
        playing(Told(applied=7))


def test_the_first_picture_is_asked_for_once() -> None:
    world = Told(gray(100), gray(200))
    shown = playing(world)
    assert [abs(level_of(shown.picture(moment)) - level) <= 1 for moment, level in ((0.0, 100), (0.05, 200))]
    assert world.moments == [0.0, 0.05]


def test_a_world_without_a_picture_is_black_and_then_shows_the_last_one() -> None:
    shown = playing(Told(None, None, gray(100), None))
    assert [level_of(shown.picture(number / 20)) // 50 for number in range(5)] == [0, 0, 2, 2, 2]


def test_every_picture_may_be_drawn_upon() -> None:
    shown = playing(Told(gray(100)))
    pictures = [shown.picture(number / 20) for number in range(3)]
    assert len({frame.planes[0].buffer_ptr for frame in pictures}) == 3


def test_a_picture_that_raises_is_logged_once_and_the_last_one_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    bad: list[Any] = [ValueError("no picture")] * (FAILURES - 1)
    shown = playing(Told(gray(100), *bad, gray(200), *bad, "text"))
    found = [level_of(shown.picture(number / 20)) // 100 for number in range(2 * FAILURES)]
    assert found == [1] * FAILURES + [2] * FAILURES
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("odyssey_proto.emulator.worlds", logging.ERROR)
    ]
    assert "no picture" in caplog.text


def test_a_world_that_raises_ten_times_in_a_row_fails() -> None:
    bad: list[Any] = [ValueError("no\npicture")] * FAILURES
    shown = playing(Told(gray(100), *bad))
    for number in range(FAILURES):
        shown.picture(number / 20)
    with pytest.raises(
        WorldError, match=r"^The world failed at 10 pictures in a row: ValueError: no picture$"
    ) as caught:
        shown.picture(1.0)
    assert caught.value.reason == "world_failed"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("start", "RuntimeError: no model"),
        ("picture", "ValueError: no picture"),
        ("interact", "SystemExit: no idea"),
    ],
)
def test_a_world_that_fails_at_its_start_fails_the_start_and_is_closed(prompt: str, text: str) -> None:
    closed = Fickle.closed
    with pytest.raises(WorldError, match=f"^The world failed at its start: {text}$"):
        playing(Fickle(), prompt=prompt)
    assert Fickle.closed == closed + 1


def test_a_world_that_cannot_be_made_fails_the_start() -> None:
    def make() -> Any:
        raise TypeError("no world today")

    with pytest.raises(WorldError, match="at its start: TypeError: no world today"):
        Performance(make, seed=0, prompt="", portrait=False, size=SIZE)


def test_a_prompt_at_which_the_world_fails_changes_nothing_else() -> None:
    shown = playing(Fickle())
    with pytest.raises(WorldError, match=r"^The world failed at this prompt: SystemExit: no idea$"):
        shown.change("interact")
    assert shown.applied_prompt == "A cat"
    assert shown.change("heal") == "heal"
    assert level_of(shown.picture(0.0)) == 100


def test_a_world_that_has_a_close_method_is_closed_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(Levels):
        def close(self) -> None:
            raise ValueError("not yet")

    playing(Levels()).close()
    assert not caplog.records
    playing(Stubborn()).close()
    assert "the world failed at its end" in caplog.text


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), GeneratorExit(), pytest.fail.Exception("wrong"), KeyboardInterrupt()]
)
def test_what_is_no_ordinary_error_does_not_end_the_service_either(error: BaseException) -> None:
    shown = playing(Told(gray(100), error, gray(200)))
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # as for the world of a live stream
        found = [thread.submit(shown.picture, moment / 20).result() for moment in range(3)]
    assert [level_of(picture) for picture in found] == [100, 100, 200]


def test_ctrl_c_ends_the_filming_of_a_simulation() -> None:
    shown = playing(Told(gray(100), KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        shown.picture(0.05)
