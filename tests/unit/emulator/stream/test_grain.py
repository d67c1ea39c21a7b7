"""Grain in the pictures of a scenery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

from odyssey_proto._video import stamp
from odyssey_proto.emulator._stream.grain import Grainy

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (512, 64)


class Grey:
    """A scenery that shows the same picture again and again."""

    version = 3

    def __init__(self, level: int) -> None:
        self.shown = av.VideoFrame.from_ndarray(np.full((SIZE[1] * 3 // 2, SIZE[0]), level, np.uint8), "yuv420p")

    def picture(self, _: float) -> av.VideoFrame:
        return self.shown


def luma(picture: av.VideoFrame) -> NDArray[np.int64]:
    return picture.to_ndarray(format="yuv420p")[: SIZE[1]].astype(np.int64)


def test_it_changes_every_pixel_by_no_more_than_its_strength() -> None:
    scenery = Grey(100)
    change = luma(Grainy(scenery, 10, 1).picture(0.0)) - 100
    assert (change.min(), change.max()) == (-10, 10)
    assert abs(change.mean()) < 0.2
    assert (luma(scenery.shown) == 100).all(), "the scenery keeps its picture"


def test_colours_stay() -> None:
    found = Grainy(Grey(100), 10, 1).picture(0.0).to_ndarray(format="yuv420p")
    assert (found[SIZE[1] :] == 100).all()


def test_black_and_white_do_not_turn_over() -> None:
    assert luma(Grainy(Grey(0), 16, 1).picture(0.0)).max() <= 32
    assert luma(Grainy(Grey(255), 16, 1).picture(0.0)).min() >= 255 - 32


def test_it_follows_from_seed_and_moment() -> None:
    def shown(seed: int, moment: float) -> bytes:
        return luma(Grainy(Grey(100), 10, seed).picture(moment)).tobytes()

    assert shown(1, 0.05) == shown(1, 0.05)
    assert len({shown(1, 0.05), shown(1, 0.1), shown(2, 0.05)}) == 3


def test_a_stamp_drawn_later_is_read() -> None:
    picture = Grainy(Grey(128), 16, 0).picture(0.0)
    stamp.draw(picture, 123, 456)
    assert stamp.read(luma(picture).astype(np.uint8)) == stamp.Stamp(123, 456)


def test_its_version_is_that_of_the_scenery() -> None:
    assert Grainy(Grey(0), 1, 0).version == 3
