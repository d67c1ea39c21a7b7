"""Which pictures of a cassette are sent as recorded, and which are encoded again."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from odyssey_proto.emulator._replay.originals import Original, Originals

TICK = Fraction(1, 90_000)
PERIOD = 4500  # ticks; aiortc's encoder of VP8 rounds to ms


def picture(pts: int) -> av.VideoFrame:
    made = av.VideoFrame.from_ndarray(np.full((48, 32), 90, np.uint8), "yuv420p")
    made.pts, made.time_base = pts, TICK
    return made


def encode(kind: str, given: list[tuple[Original | None, bool]]) -> list[bool]:
    """Return for each picture whether its original was sent; ``given`` also says whether a keyframe is wanted."""
    originals = Originals()
    encoder: Any = originals.encoders()[kind](lambda _: None)
    sent = []
    for number, (original, wanted) in enumerate(given):
        if original is not None:
            originals.note(number * PERIOD, original)
        payloads, timestamp = encoder.encode(picture(number * PERIOD), wanted)
        assert payloads
        assert timestamp == number * PERIOD
        sent.append(original is not None and any(original.data[-8:] in payload for payload in payloads))
    return sent


def original(number: int, *, key: bool = False, codec: str = "h264") -> Original:
    return Original(
        number, codec, key, b"\0\0\0\1" + (b"\x65" if key else b"\x41") + f"original-{number:08}".encode()
    )


KEY, *REST = original(0, key=True), original(1), original(2), original(3), original(4, key=True), original(5)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([(KEY, False), (REST[0], False), (REST[1], False)], [True, True, True]),
        ([(KEY, True), (REST[0], False)], [True, True]),  # the original is a keyframe
        ([(REST[0], False), (REST[1], False), (REST[3], False), (REST[4], False)], [False, False, True, True]),
        ([(KEY, False), (REST[0], True), (REST[1], False), (REST[3], False)], [True, False, False, True]),
        ([(KEY, False), (REST[1], False), (REST[2], False)], [True, False, False]),  # an original is missing
        ([(KEY, False), (None, False), (REST[0], False)], [True, False, False]),
        ([(original(0, key=True, codec="vp8"), False)], [False]),
    ],
    ids=["all", "wanted", "joined later", "lost", "skipped", "unknown", "another codec"],
)
def test_an_original_is_sent_if_the_client_has_what_it_refers_to(
    given: list[tuple[Original | None, bool]], sent: list[bool]
) -> None:
    assert encode("video/H264", given) == sent


def test_the_same_goes_for_vp8() -> None:
    key, following = original(0, key=True, codec="vp8"), original(1, codec="vp8")
    assert encode("video/VP8", [(key, False), (following, False), (following, True)]) == [True, True, False]


def test_what_is_encoded_after_an_original_begins_with_a_keyframe() -> None:
    packets: list[Any] = []
    originals = Originals()
    encoder: Any = originals.encoders()["video/H264"](packets.append)
    encoder.encode(picture(0), False)
    encoder.encode(picture(1), False)
    originals.note(2, KEY)
    encoder.encode(picture(2), False)
    encoder.encode(picture(3), False)
    encoder.encode(picture(4), False)
    assert [packet.is_keyframe for packet in packets] == [True, False, True, False]


def test_what_nobody_encodes_is_not_kept() -> None:
    originals = Originals()
    for number in range(100):
        originals.note(number, original(number))
    assert originals.take(0) is None
    assert originals.take(None) is None
    assert originals.take(99) is not None
    assert originals.take(99) is None
