"""The H.264 encoder of the emulator's streams, and the files made from its packets."""

from __future__ import annotations

import fractions
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
import pytest
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.frame import PictureType

from odyssey_proto.emulator._recordings.artifacts import PREVIEW, THUMBNAIL, VIDEO, ArtifactWriter
from odyssey_proto.emulator._stream.h264 import RatedEncoder, StreamEncoder
from odyssey_proto.emulator._stream.rate_control import FixedRate, RateController
from tests.support.pictures import grainy

if TYPE_CHECKING:
    from pathlib import Path

SIZE: Final = (640, 64)
H264: Final = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000)


def picture(number: int, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    """Return a picture that is brighter the later it comes."""
    pixels = np.full((size[1] * 3 // 2, size[0]), 40 + 5 * number, np.uint8)
    found = av.VideoFrame.from_ndarray(pixels, "yuv420p")
    found.pts, found.time_base = 4500 * number, fractions.Fraction(1, 90_000)
    return found


def encoder() -> tuple[StreamEncoder, list[Any]]:
    shown: list[Any] = []
    return StreamEncoder(shown.append), shown


def test_what_is_shown_is_what_is_sent() -> None:
    made, shown = encoder()
    payloads, timestamp = made.encode(picture(3))
    assert timestamp == 3 * 4500
    assert (shown[0].pts, shown[0].time_base) == (3 * 4500, fractions.Fraction(1, 90_000))
    assert b"".join(depayload(H264, payload) for payload in payloads).replace(b"\0\0\0\1", b"\0\0\1") == bytes(
        shown[0]
    ).replace(b"\0\0\0\1", b"\0\0\1")


def test_only_the_first_picture_and_those_that_are_asked_for_need_no_other() -> None:
    made, shown = encoder()
    marked = picture(4)
    marked.pict_type = PictureType.I
    made.encode(picture(0))
    made.encode(picture(1))
    made.encode(picture(2), force_keyframe=True)
    made.encode(picture(3))
    made.encode(marked)
    made.encode(picture(5))
    assert [packet.is_keyframe for packet in shown] == [True, False, True, False, True, False]


@pytest.mark.parametrize("change", ["size", "bit rate"])
def test_another_size_or_bit_rate_begins_with_a_keyframe(change: str) -> None:
    made, shown = encoder()
    made.encode(picture(0))
    if change == "bit rate":
        made.target_bitrate = made.target_bitrate * 2
    made.encode(picture(1, SIZE if change == "bit rate" else (64, 640)))
    assert [packet.is_keyframe for packet in shown] == [True, True]


def test_a_small_change_of_the_bit_rate_is_not_followed() -> None:
    made, shown = encoder()
    made.encode(picture(0))
    made.target_bitrate = made.target_bitrate * 21 // 20
    made.encode(picture(1))
    assert [packet.is_keyframe for packet in shown] == [True, False]


def test_a_picture_that_is_encoded_already_is_packed_as_aiortc_does() -> None:
    made, shown = encoder()
    made.encode(picture(0))
    assert made.pack(shown[0]) == H264Encoder().pack(shown[0])


@pytest.mark.parametrize("rate", [1_000_000, 16_000_000])
def test_a_stream_with_a_rate_keeps_to_it(rate: int) -> None:
    shown: list[Any] = []
    made = RatedEncoder(shown.append, FixedRate(rate), fps=20)
    counts = [len(made.encode(each)[0]) for each in grainy(30)]
    assert sum(packet.size for packet in shown[10:]) * 8 * 20 / 20 == pytest.approx(rate, rel=0.25)
    assert sum(counts[10:]) / 20 == pytest.approx(rate / 20 / 8 / 1250, rel=0.25), "5 to 80 packets a picture"
    assert [packet.is_keyframe for packet in shown] == [True, *[False] * 29]


def test_a_rate_that_changes_is_followed_without_a_keyframe() -> None:
    shown: list[Any] = []
    rate = RateController(6_000_000)
    made = RatedEncoder(shown.append, rate, fps=20)
    pictures = grainy(60)
    for begin, estimate in ((0, 3_000_000), (20, 800_000), (40, 6_000_000)):
        made.target_bitrate = estimate  # as aiortc does
        assert made.target_bitrate == estimate
        for each in pictures[begin : begin + 20]:
            made.encode(each)
        sent = sum(packet.size for packet in shown[begin + 8 :]) * 8 * 20 / 12
        assert sent == pytest.approx(estimate, rel=0.2)
    assert sum(packet.is_keyframe for packet in shown) == 1


def test_a_keyframe_of_a_stream_that_fell_far_below_its_maximum_is_small() -> None:
    rate = RateController(6_000_000)
    made = RatedEncoder(lambda _: None, rate, fps=20)
    rate.take_estimate(900_000)
    sizes = [
        sum(map(len, made.encode(each, force_keyframe=place == 25)[0])) for place, each in enumerate(grainy(26))
    ]
    assert sizes[25] * 8 < 300_000, "a third of a second of it"


def test_a_stream_with_a_rate_may_change_its_size() -> None:
    shown: list[Any] = []
    made = RatedEncoder(shown.append, FixedRate(1_000_000), fps=20)
    for each in [*grainy(2), *grainy(1, 640, 360)]:
        made.encode(each)
    assert [packet.is_keyframe for packet in shown] == [True, False, True]


def test_packets_become_a_file_with_their_times(tmp_path: Path) -> None:
    made, shown = encoder()
    writer = ArtifactWriter(tmp_path, size=SIZE, fps=20)
    times_ms = [0, 50, 103, 150, 900]
    for number, at_ms in enumerate(times_ms):
        made.encode(picture(number))
        writer.sample(picture(number), at_ms)
        writer.packet(bytes(shown[-1]), at_ms, is_keyframe=shown[-1].is_keyframe)
    assert writer.close(1000).frames == len(times_ms)
    with av.open(str(tmp_path / VIDEO)) as container:
        assert (container.format.name.split(",")[0], container.streams.video[0].codec.name) == ("mov", "h264")
        frames = list(container.decode(video=0))
    assert [round(float(frame.time or 0) * 1000) for frame in frames] == times_ms
    levels = [float(frame.to_ndarray(format="gray").mean()) for frame in frames]
    assert levels == sorted(levels)
    assert (tmp_path / THUMBNAIL).exists()
    with av.open(str(tmp_path / PREVIEW)) as container:
        assert len(list(container.decode(video=0))) == 3


def test_a_file_begins_with_a_keyframe(tmp_path: Path) -> None:
    made, shown = encoder()
    for number in range(4):
        made.encode(picture(number), force_keyframe=number == 2)
    writer = ArtifactWriter(tmp_path, size=SIZE, fps=20)
    for number in (1, 2, 3):
        writer.packet(bytes(shown[number]), 50 * number, is_keyframe=shown[number].is_keyframe)
    assert writer.close(200).frames == 2
    with av.open(str(tmp_path / VIDEO)) as container:
        assert len(list(container.decode(video=0))) == 2


def test_packets_that_another_encoder_made_go_on_in_the_same_file(tmp_path: Path) -> None:
    writer = ArtifactWriter(tmp_path, size=SIZE, fps=20)
    for link in range(2):
        made, shown = encoder()
        made.target_bitrate = (link + 1) * 1_000_000
        for number in range(3):
            made.encode(picture(3 * link + number))
            writer.packet(bytes(shown[-1]), 50 * (3 * link + number), is_keyframe=shown[-1].is_keyframe)
    assert writer.close(300).frames == 6
    with av.open(str(tmp_path / VIDEO)) as container:
        levels = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    assert len(levels) == 6
    assert levels == sorted(levels)
