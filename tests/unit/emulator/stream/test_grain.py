"""Grain in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

from odyssey_proto._video import stamp
from odyssey_proto.emulator._stream.grain import Grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (512, 64)


def grey(level: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((SIZE[1] * 3 // 2, SIZE[0]), level, np.uint8), "yuv420p")


def luma(picture: av.VideoFrame) -> NDArray[np.int64]:
    return picture.to_ndarray(format="yuv420p")[: SIZE[1]].astype(np.int64)


def test_it_changes_every_pixel_by_no_more_than_its_strength() -> None:
    picture = grey(100)
    change = luma(Grain(10, 1).over(picture, 0.0)) - 100
    assert (change.min(), change.max()) == (-10, 10)
    assert abs(change.mean()) < 0.2
    assert (luma(picture) == 100).all(), "a scenery may show it again"


def test_colours_stay() -> None:
    found = Grain(10, 1).over(grey(100), 0.0).to_ndarray(format="yuv420p")
    assert (found[SIZE[1] :] == 100).all()


def test_black_and_white_do_not_turn_over() -> None:
    assert luma(Grain(16, 1).over(grey(0), 0.0)).max() <= 32
    assert luma(Grain(16, 1).over(grey(255), 0.0)).min() >= 255 - 32


def test_it_follows_from_seed_and_moment() -> None:
    def shown(seed: int, moment: float) -> bytes:
        return luma(Grain(10, seed).over(grey(100), moment)).tobytes()

    assert shown(1, 0.05) == shown(1, 0.05)
    assert len({shown(1, 0.05), shown(1, 0.1), shown(2, 0.05)}) == 3


def test_a_stamp_drawn_later_is_read() -> None:
    picture = Grain(16, 0).over(grey(128), 0.0)
    stamp.draw(picture, 123, 456)
    assert stamp.read(luma(picture).astype(np.uint8)) == stamp.Stamp(123, 456)
