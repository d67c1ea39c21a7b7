"""The contact sheet of the demo: which frames it shows, whatever the pace of the stream."""

from __future__ import annotations

import itertools

import numpy as np

from odyssey_proto import VideoFrame
from odyssey_proto.cli._demo_stream import ContactSheet


def shown(*arrivals_ms: int) -> list[int]:
    """Return the arrival of each picture on the sheet of a stream of 10 s, in ms."""
    sheet = ContactSheet(10)
    for arrival_ms in arrivals_ms:
        level = np.array([arrival_ms // 256, arrival_ms % 256, 0], np.uint8)
        frame = VideoFrame(data=np.tile(level, (176, 320, 1)), width=320, height=176, timestamp_ms=arrival_ms)
        sheet.offer(frame, arrival_ms / 1000)
    drawn = np.asarray(sheet.draw())
    lefts, tops = range(8, drawn.shape[1], 328), range(8, drawn.shape[0], 204)
    cells = [drawn[top + 88, left + 160] for top in tops for left in lefts]
    background = drawn[0, 0]
    return [int(cell[0]) * 256 + int(cell[1]) for cell in cells if not np.array_equal(cell, background)]


def distances(arrivals_ms: list[int]) -> set[int]:
    return {later - earlier for earlier, later in itertools.pairwise(arrivals_ms)}


def test_twelve_pictures_are_evenly_spread() -> None:
    pictures = shown(*range(0, 10_050, 50))
    assert len(pictures) == 12
    assert pictures[0] == 0
    assert distances(pictures) <= {800, 850, 900}


def test_after_a_gap_the_pictures_share_the_rest_of_the_stream() -> None:
    pictures = shown(0, *range(4000, 10_050, 50))
    assert len(pictures) == 12
    assert pictures[:2] == [0, 4000]
    assert distances(pictures[1:]) <= {500, 550, 600}


def test_a_gap_until_the_end_leaves_the_last_frames() -> None:
    assert shown(0, *range(9950, 10_600, 50)) == [0, *range(9950, 10_500, 50)]


def test_a_few_frames_are_all_shown() -> None:
    assert shown(0, 3000, 6000, 9000) == [0, 3000, 6000, 9000]
