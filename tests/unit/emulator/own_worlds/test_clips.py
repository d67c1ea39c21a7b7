"""A clip and a folder of pictures: which picture is shown when, and how much is read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from odyssey_proto import OdysseyConfigError
from odyssey_proto._model.cassette import BEGINNING
from odyssey_proto.emulator._own_worlds.clips import Clip, Slides, recording_at
from tests.support.worlds import clip, level_of, pictures

LEVELS = (20, 60, 100, 140, 180)


def played(world: Clip | Slides, moments: list[float]) -> list[int | None]:
    """Return the level of the picture at each moment; None if the picture stays."""
    world.start("A cat", None, (64, 64), 0)
    found = [world.picture(moment) for moment in moments]
    return [None if picture is None else round(level_of(picture) / 20) * 20 for picture in found]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_clip_is_played_at_its_own_pace_again_and_again(tmp_path: Path, ending: str) -> None:
    world = recording_at(clip(tmp_path / f"clip.{ending}", LEVELS, fps=10), 20)
    assert isinstance(world, Clip)
    moments = [number / 20 for number in range(20)]
    expected: list[int | None] = [20, None, 60, None, 100, None, 140, None, 180, None]
    assert played(world, moments) == expected * 2
    assert played(world, [0.0, 0.31, 0.32, 0.75]) == [20, 140, None, 100], "and anew for the next stream"
    world.close()


def test_a_clip_with_more_pictures_than_the_stream_is_not_slower(tmp_path: Path) -> None:
    world = recording_at(clip(tmp_path / "clip.mp4", LEVELS, fps=50), 20)
    assert played(world, [0.0, 0.05, 0.1, 0.15]) == [20, 100, 20, 100]


def test_a_jump_over_many_rounds_decodes_one(tmp_path: Path) -> None:
    world = recording_at(clip(tmp_path / "clip.mp4", LEVELS, fps=10), 20)
    assert played(world, [0.0, 86_400.2, 86_400.3]) == [20, 100, 140]


def test_a_clip_of_one_picture_stays(tmp_path: Path) -> None:
    pictures(tmp_path, {"cat.png": 100})
    for path in (clip(tmp_path / "clip.mp4", LEVELS[:1], fps=10), tmp_path / "cat.png"):
        world = recording_at(path, 20)
        assert played(world, [0.0, 1.0, 2.0])[1:] == [None, None]


def test_a_clip_that_breaks_off_begins_again(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.ts", LEVELS * 20, fps=10, size=(320, 240))
    path.write_bytes(path.read_bytes()[:-3000])
    world = recording_at(path, 20)
    assert isinstance(world, Clip)
    world.start()
    assert sum(world.picture(number / 10) is not None for number in range(300)) >= 250


def test_an_error_in_a_clip_ends_its_round_at_most(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", [20, 60] * 50, fps=10, size=(320, 240))
    broken = bytearray(path.read_bytes())
    middle = broken.index(b"mdat") + 4 + (len(broken) - broken.index(b"mdat")) // 2
    broken[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(broken)
    world = recording_at(path, 20)
    found = played(world, [number / 10 for number in range(300)])
    assert found[0] == 20
    assert sum(level is not None for level in found) > 200


UPRIGHT = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
"""The matrices of an MP4 file for no turn, and for one, two and three quarters of one, clockwise."""


@pytest.mark.parametrize("quarters", range(4))
def test_a_clip_is_shown_as_its_camera_was_held(tmp_path: Path, quarters: int) -> None:
    filmed = np.zeros((32, 64, 3), np.uint8)
    filmed[:16, :32] = 200
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        container.mux([*stream.encode(av.VideoFrame.from_ndarray(filmed)), *stream.encode(None)])
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44
    a, b, c, d = (struct.pack(">i", 65536 * part) for part in UPRIGHT[quarters])
    path.write_bytes(content[:at] + a + b + bytes(4) + c + d + content[at + 20 :])
    world = recording_at(path, 20)
    world.start()
    picture = world.picture(0.0)
    found = picture.to_ndarray(format="rgb24") if isinstance(picture, av.VideoFrame) else picture
    assert found is not None
    assert np.abs(found.astype(int) - np.rot90(filmed, -quarters)).mean() < 5


def test_pictures_of_a_folder_are_shown_in_the_order_of_their_names_at_a_rate(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "film", {"Shot10.png": 100, "shot9.jpg": 60, "shot1.png": 20})
    (folder / "notes.txt").write_text("no picture")
    (folder / ".shot0.png").write_bytes(b"hidden")
    world = recording_at(folder, 2)
    assert isinstance(world, Slides)
    assert played(world, [0.0, 0.4, 0.5, 1.0, 1.45, 1.5, 3.0]) == [20, None, 60, 100, None, 20, None]


def test_a_folder_is_read_picture_by_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "film", {"0.png": 100})
    for number in range(1, 10_000):
        (folder / f"{number}.png").hardlink_to(folder / "0.png")
    opened: list[Any] = []
    really_open = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(Path(path).name) or really_open(path))
    world = recording_at(folder, 20)
    assert opened == []
    assert played(world, [0.0, 0.05, 499.95, 500.0]) == [100] * 4
    assert opened == ["0.png", "1.png", "9999.png", "0.png"]


def test_a_picture_that_cannot_be_read_raises_and_the_next_is_shown(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "film", {"1.png": 20, "3.png": 60})
    (folder / "2.png").write_bytes(b"no picture")
    world = recording_at(folder, 10)
    world.start()
    world.picture(0.0)
    with pytest.raises(OSError, match=r"2\.png"):
        world.picture(0.1)
    assert level_of(world.picture(0.2)) == 60


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.mp4", 'is not there: give a video, a folder of pictures, or a class as "module:Name"'),
        ("empty", "is a folder without pictures: their names end with .avif, .bmp"),
        ("text.mp4", "cannot be read as a video"),
        ("sound.wav", "has no video in it"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 160), np.int16), layout="mono")
        frame.rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(OdysseyConfigError, match="world") as caught:
        recording_at(tmp_path / name, 20)
    assert text in str(caught.value)


def test_a_cassette_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "cat.cast").write_bytes(BEGINNING + bytes(100))
    with pytest.raises(OdysseyConfigError, match=r"cat\.cast' is a live cassette: give it as replay"):
        recording_at(tmp_path / "cat.cast", 20)
