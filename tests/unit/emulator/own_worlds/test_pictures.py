"""The pictures of a world are converted to the stream's size, whatever their shape, type and proportions."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from odyssey_proto.emulator._own_worlds.pictures import Frame, rgb_of

RGB = (200, 100, 50)
WIDE = (64, 32)


def plain(dtype: Any = np.uint8, *, height: int = 32, width: int = 64, scale: float = 1.0) -> np.ndarray[Any, Any]:
    return np.full((height, width, 3), np.array(RGB) * scale).astype(dtype)


def shown(picture: Any, size: tuple[int, int] = WIDE) -> np.ndarray[Any, Any]:
    frame = Frame(size).hold(picture)
    assert (frame.format.name, frame.width, frame.height) == ("yuv420p", *size)
    return np.asarray(frame.to_ndarray(format="rgb24")).astype(int)


def is_plain(pixels: np.ndarray[Any, Any]) -> bool:
    return bool(np.abs(pixels - RGB).max() <= 4)


@pytest.mark.parametrize(
    "picture",
    [
        plain(),
        plain(np.int64),
        plain(np.uint16),
        plain(np.float32, scale=1 / 255),
        plain(np.float64, scale=1 / 255),
        np.moveaxis(plain(), 2, 0),
        plain()[::-1],
        plain().tolist(),
        np.dstack([plain(), np.zeros((32, 64), np.uint8)]),
        Image.fromarray(plain()),
        Image.fromarray(plain()).convert("P", palette=Image.Palette.ADAPTIVE),
        av.VideoFrame.from_ndarray(plain()),
        av.VideoFrame.from_ndarray(plain()[..., ::-1].copy(), format="bgr24"),
        av.VideoFrame.from_ndarray(plain()).reformat(format="yuv444p"),
        av.VideoFrame.from_ndarray(plain()).reformat(format="yuvj420p"),
        av.VideoFrame.from_ndarray(plain()).reformat(format="yuv420p", dst_colorspace="ITU709"),
    ],
    ids=lambda picture: f"{type(picture).__name__} {getattr(picture, 'dtype', getattr(picture, 'format', ''))}",
)
def test_a_picture_may_be_anything_that_shows_colours(picture: Any) -> None:
    assert is_plain(shown(picture))


@pytest.mark.parametrize(
    ("picture", "levels"),
    [
        (np.array([[0, 300], [-5, 7]]), [0, 255, 0, 7]),
        (np.array([[0.5, np.nan], [np.inf, -1]]), [128, 0, 255, 0]),
        (np.array([[True, False]]), [255, 0]),
        (np.array([[[9], [8]]], np.uint8), [9, 8]),
    ],
)
def test_levels_are_clipped_and_one_channel_is_grey(picture: Any, levels: list[int]) -> None:
    found = rgb_of(picture)
    assert found.dtype == np.uint8
    assert found.reshape(-1, 3).tolist() == [[level] * 3 for level in levels]


@pytest.mark.parametrize(
    ("width", "height", "left", "top"),
    [(32, 32, 16, 0), (96, 24, 0, 8), (200, 100, 0, 0), (33, 16, 0, 0), (1, 1, 16, 0), (32, 64, 24, 0)],
)
def test_a_picture_of_another_size_keeps_its_proportions_between_black(
    width: int, height: int, left: int, top: int
) -> None:
    pixels = shown(plain(height=height, width=width))
    inside = pixels[top : WIDE[1] - top or None, left : WIDE[0] - left or None]
    assert is_plain(inside[1:-1, 1:-1])
    is_inside = np.zeros(pixels.shape[:2], bool)
    is_inside[top : WIDE[1] - top or None, left : WIDE[0] - left or None] = True
    assert pixels[~is_inside].size == 0 or pixels[~is_inside].max() <= 6


def test_the_picture_is_the_right_way_round_and_up() -> None:
    picture = plain()
    picture[:16, :32] = 255
    pixels = shown(picture)
    assert pixels[4:12, 4:28].min() > 240
    assert is_plain(pixels[20:, 36:])


@pytest.mark.parametrize("picture", [plain(), av.VideoFrame.from_ndarray(plain()).reformat(format="yuv420p")])
def test_a_world_may_use_its_array_or_frame_again(picture: Any) -> None:
    frame = Frame(WIDE).hold(picture)
    assert frame is not picture
    if isinstance(picture, av.VideoFrame):
        picture.planes[0].update(bytes(picture.planes[0].buffer_size))
    else:
        picture[:] = 0
    assert is_plain(np.asarray(frame.to_ndarray(format="rgb24")).astype(int))


@pytest.mark.parametrize(
    ("picture", "error", "text"),
    [
        (np.zeros((2, 2, 2, 3), np.uint8), ValueError, r"shape \(H, W, 3\).*not one of shape \(2, 2, 2, 3\)"),
        (np.zeros((6, 4, 5), np.uint8), ValueError, r"\(6, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
        (np.zeros((8193, 1, 3), np.uint8), ValueError, "up to 8192 px"),
        (7, ValueError, r"shape \(\)"),
        ("picture", TypeError, "numbers, not <U7"),
        (object(), TypeError, "numbers, not object"),
        (np.zeros((2, 2), complex), TypeError, "numbers, not complex128"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_a_picture_is(
    picture: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Frame(WIDE).hold(picture)
