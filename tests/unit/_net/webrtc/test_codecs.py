"""Codecs in descriptions: what is shown to aiortc, and what is shown to users."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from odyssey_proto._net.webrtc.codecs import VideoCodecs, no_codec

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"


def section(*lines: str) -> str:
    return HEAD + "".join(f"a={line}\r\n" for line in lines)


def read(*lines: str) -> VideoCodecs:
    return VideoCodecs.of(SessionDescription.parse(section(*lines)).media)


def test_what_aiortc_accepts_is_left_as_it_is_also_beside_others() -> None:
    lines = (
        "rtpmap:96 H264/90000",
        "fmtp:96 packetization-mode=1;profile-level-id=42e01f",
        "rtpmap:97 H264/90000",
        "fmtp:97 packetization-mode=1;profile-level-id=64001f",
    )
    codecs = read(*lines)
    assert codecs.names == {96: "H264", 97: "H264"}
    assert codecs.disguised(lines) == list(lines)
    assert codecs.restored(section(*lines)) == section(*lines)


@pytest.mark.parametrize(
    ("profile", "is_decoded"),
    [
        ("4d401f", True),
        ("58401f", True),  # Extended, but also Main
        ("58001f", False),
        ("2c001f", True),
        ("53001f", False),  # scalable
        ("64001g", False),
        ("64", False),
        ("", False),
    ],
)
def test_the_profiles_that_are_decoded_are_known(profile: str, is_decoded: bool) -> None:
    codecs = read("rtpmap:96 H264/90000", f"fmtp:96 packetization-mode=1;profile-level-id={profile}")
    assert (96 in codecs.shown_as_known) is is_decoded


def test_a_number_with_which_aiortc_would_not_answer_is_left_out() -> None:
    codecs = read("rtpmap:39 H264/90000", "fmtp:39 packetization-mode=0;profile-level-id=4d001f")
    assert codecs.shown_as_known == {}


def test_all_codecs_are_named_once_and_helpers_are_not() -> None:
    codecs = read(
        "rtpmap:96 VP9/90000",
        "rtpmap:97 rtx/90000",
        "rtpmap:98 VP9/90000",
        "rtpmap:99 red/90000",
        *(f"rtpmap:{number} codec-{number}/90000" for number in range(100, 110)),
    )
    assert codecs.offered == "VP9, codec-100, codec-101, codec-102, codec-103, codec-104, …"


def test_an_offer_without_any_codec_is_reported() -> None:
    text = no_codec("auto", read().offered)
    assert text == "The streamer offers no video that can be decoded here"
