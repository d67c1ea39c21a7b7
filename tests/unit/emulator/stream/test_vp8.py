"""The VP8 encoder of streams with a bit rate."""

from __future__ import annotations

import fractions
from typing import TYPE_CHECKING, Final

import av
import pytest
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.frame import PictureType

from odyssey_proto.emulator._stream.rate_control import FixedRate, RateController
from odyssey_proto.emulator._stream.vp8 import RatedVp8Encoder
from tests.support.pictures import grainy

if TYPE_CHECKING:
    from collections.abc import Sequence

VP8: Final = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000)
FPS: Final = 20


def encoded(encoder: RatedVp8Encoder, pictures: Sequence[av.VideoFrame], **more: bool) -> list[bytes]:
    return [b"".join(depayload(VP8, part) for part in encoder.encode(each, **more)[0]) for each in pictures]


def is_keyframe(data: bytes) -> bool:
    return not data[0] & 1  # RFC 6386, 9.1


def test_it_keeps_to_its_rate() -> None:
    sizes = [len(data) for data in encoded(RatedVp8Encoder(FixedRate(4_000_000), FPS), grainy(30))]
    assert sum(sizes[10:]) * 8 * FPS / 20 == pytest.approx(4_000_000, rel=0.15)


def test_what_is_sent_can_be_decoded() -> None:
    decoder = av.CodecContext.create("vp8", "r")
    data = encoded(RatedVp8Encoder(FixedRate(4_000_000), FPS), grainy(5))
    assert sum(len(decoder.decode(av.Packet(each))) for each in data) == 5


def test_only_the_first_picture_and_those_that_are_asked_for_are_keyframes() -> None:
    encoder = RatedVp8Encoder(FixedRate(4_000_000), FPS)
    pictures = grainy(6)
    pictures[4].pict_type = PictureType.I
    found = encoded(encoder, pictures[:2]) + encoded(encoder, pictures[2:3], force_keyframe=True)
    found += encoded(encoder, pictures[3:])
    assert [is_keyframe(data) for data in found] == [True, False, True, False, True, False]


def test_a_large_change_of_the_rate_is_followed_and_a_small_one_is_not() -> None:
    rate = RateController(8_000_000)
    encoder = RatedVp8Encoder(rate, FPS)
    found = []
    for estimate, picture in zip([4_000_000, 4_400_000, 2_000_000, 2_000_000], grainy(4), strict=True):
        encoder.target_bitrate = estimate  # as aiortc does
        assert encoder.target_bitrate == estimate
        found += encoded(encoder, [picture])
    assert [is_keyframe(data) for data in found] == [True, False, True, False]


def test_times_are_those_of_the_pictures() -> None:
    encoder = RatedVp8Encoder(FixedRate(1_000_000), FPS)
    picture = grainy(1)[0]
    picture.pts, picture.time_base = 1000, fractions.Fraction(1, 1000)
    assert encoder.encode(picture)[1] == 90_000
