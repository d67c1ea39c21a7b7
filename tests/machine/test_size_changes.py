"""Senders that adapt to the network change the size of their pictures; the next stream may have another shape."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import numpy as np
import pytest

from odyssey_proto import LiveRecording
from odyssey_proto._video.frame_hub import FrameHub

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (255, 255, 255)
BLACK: Final = (0, 0, 0)
AS_ONE_READS: Final = [RED, GREEN, BLUE, WHITE]


def quarters(width: int, height: int) -> av.VideoFrame:
    """Return a picture whose quarters, in reading order, are red, green, blue and white."""
    rgb = np.empty((height, width, 3), np.uint8)
    for rows, left, right in ((slice(height // 2), RED, GREEN), (slice(height // 2, None), BLUE, WHITE)):
        rgb[rows, : width // 2], rgb[rows, width // 2 :] = left, right
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")


def recorded(path: Path, *sizes: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Record a picture of each size, 50 ms apart, and return the pictures in the file."""
    hub = FrameHub()
    hub.begin()
    with LiveRecording(path, hub) as recording:
        for number, size in enumerate(sizes):
            picture = quarters(*size)
            picture.pts, picture.time_base = 50 * number, Fraction(1, 1000)
            hub.publish(picture, 1 + number / 20)
    assert (recording.frames, recording.dropped) == (len(sizes), 0)
    with av.open(str(path)) as file:
        return [picture.to_ndarray(format="rgb24") for picture in file.decode(video=0)]


def near(seen: NDArray[np.uint8], meant: tuple[int, int, int]) -> bool:
    return bool(np.abs(seen.astype(np.int64) - meant).max() <= 12)


def shows_quarters(picture: NDArray[np.uint8]) -> bool:
    """Return whether the middle of each quarter of a picture has its colour."""
    height, width, _ = picture.shape
    places = [(height * y // 4, width * x // 4) for y in (1, 3) for x in (1, 3)]
    return all(near(picture[place], meant) for place, meant in zip(places, AS_ONE_READS, strict=True))


ADAPTED: Final = [
    pytest.param((1280, 704), (960, 528), id="three quarters"),
    pytest.param((1280, 704), (640, 352), id="half"),
    pytest.param((640, 352), (1280, 704), id="double"),
    pytest.param((1280, 704), (854, 470), id="rounded"),
    pytest.param((704, 1280), (528, 960), id="portrait"),
    pytest.param((1280, 720), (427, 240), id="odd"),
]


@pytest.mark.parametrize(("first", "other"), ADAPTED)
def test_a_size_that_changes_and_changes_back_is_recorded_in_the_first_one(
    first: tuple[int, int], other: tuple[int, int], tmp_path: Path
) -> None:
    shown = recorded(tmp_path / "video.mp4", first, first, other, other, first)
    assert [picture.shape for picture in shown] == [(first[1], first[0], 3)] * 5
    assert [shows_quarters(picture) for picture in shown] == [True] * 5


@pytest.mark.parametrize(("first", "other"), ADAPTED)
def test_a_picture_of_the_same_shape_fills_the_file_to_its_borders(
    first: tuple[int, int], other: tuple[int, int], tmp_path: Path
) -> None:
    *_, last = recorded(tmp_path / "video.mp4", first, other)
    corners = [last[2, 2], last[2, -3], last[-3, 2], last[-3, -3]]
    assert [near(seen, meant) for seen, meant in zip(corners, AS_ONE_READS, strict=True)] == [True] * 4


def test_a_portrait_picture_in_a_landscape_file_stands_in_the_middle_undistorted(tmp_path: Path) -> None:
    *_, last = recorded(tmp_path / "video.mp4", (1280, 704), (704, 1280))
    wide = 704 * 704 // 1280  # 387
    left = (1280 - wide) // 2
    assert near(last[:, : left - 4].max(axis=(0, 1)), BLACK)
    assert near(last[:, left + wide + 4 :].max(axis=(0, 1)), BLACK)
    assert shows_quarters(last[:, left : left + wide])
    assert near(last[4, left + 8], RED)
    assert near(last[-4, left + wide - 8], WHITE)


def test_a_landscape_picture_in_a_portrait_file_stands_in_the_middle_undistorted(tmp_path: Path) -> None:
    *_, last = recorded(tmp_path / "video.mp4", (704, 1280), (1280, 704))
    high = 704 * 704 // 1280
    top = (1280 - high) // 2
    assert near(last[: top - 4].max(axis=(0, 1)), BLACK)
    assert near(last[top + high + 4 :].max(axis=(0, 1)), BLACK)
    assert shows_quarters(last[top : top + high])


@pytest.mark.parametrize("size", [(641, 65), (640, 65), (641, 64), (3, 3)])
def test_an_odd_size_is_recorded_as_the_even_one_below(size: tuple[int, int], tmp_path: Path) -> None:
    shown = recorded(tmp_path / "video.mp4", size, size)
    assert [picture.shape for picture in shown] == [(size[1] - size[1] % 2, size[0] - size[0] % 2, 3)] * 2


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (4, 2000), (2000, 4), (4096, 2304)])
def test_no_size_ends_a_recording(size: tuple[int, int], tmp_path: Path) -> None:
    shown = recorded(tmp_path / "video.mp4", (640, 352), size, (640, 352))
    assert [picture.shape for picture in shown] == [(352, 640, 3)] * 3
    assert shows_quarters(shown[-1])
