"""Values that are written into packets after these have been serialized."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from odyssey_proto.emulator._stream.header_extensions import rewritten

IDS = {"urn:ietf:params:rtp-hdrext:sdes:mid": 1, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": 3}
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def extensions() -> HeaderExtensionsMap:
    found = HeaderExtensionsMap()
    found.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=uri)
                for uri, number in {**IDS, TRANSPORT_CC: 5}.items()
            ]
        )
    )
    return found


def packet(**values: Any) -> bytes:
    made = RtpPacket(payload_type=99, sequence_number=7, timestamp=8, ssrc=9, payload=b"payload")
    for name, value in values.items():
        setattr(made.extensions, name, value)
    return made.serialize(extensions())


def read(data: bytes) -> dict[str, Any]:
    found = RtpPacket.parse(data, extensions())
    assert found.payload == b"payload"
    return {name: value for name, value in vars(found.extensions).items() if value is not None}


def test_values_are_replaced_and_all_else_stays() -> None:
    data = packet(mid="video", abs_send_time=1, transport_sequence_number=0)
    made = rewritten(data, {3: b"\x01\x02\x03", 5: b"\xff\xfe", 9: b"x"})
    assert read(made) == {"mid": "video", "abs_send_time": 0x010203, "transport_sequence_number": 0xFFFE}
    assert len(made) == len(data)


def test_a_value_of_another_length_is_not_written() -> None:
    data = packet(mid="0", abs_send_time=1)
    assert rewritten(data, {1: b"12", 3: b"\0\0"}) == data


def test_sources_before_the_extensions_are_skipped() -> None:
    made = RtpPacket(ssrc=9, payload=b"payload")
    made.csrc = [1, 2, 3]
    made.extensions.abs_send_time = 1
    found = RtpPacket.parse(rewritten(made.serialize(extensions()), {3: b"\0\0\7"}), extensions())
    assert (found.csrc, found.extensions.abs_send_time) == ([1, 2, 3], 7)


@pytest.mark.parametrize(
    "data",
    [packet(), packet(mid="a name of more than sixteen bytes", abs_send_time=1)],
    ids=["no extensions", "the form with two bytes"],
)
def test_other_packets_stay_as_they_are(data: bytes) -> None:
    assert rewritten(data, {3: b"\0\0\7"}) == data


def test_padding_between_extensions_is_skipped_and_an_end_ends() -> None:
    fixed = bytes([0x90, 99]) + bytes(10)
    padded = fixed + b"\xbe\xde\x00\x02" + b"\x00\x00\x32aaa\x00\x00" + b"payload"
    assert rewritten(padded, {3: b"bbb"}) == padded.replace(b"aaa", b"bbb")
    ended = fixed + b"\xbe\xde\x00\x02" + b"\xf0\x00\x32aaa\x00\x00" + b"payload"
    assert rewritten(ended, {3: b"bbb"}) == ended
