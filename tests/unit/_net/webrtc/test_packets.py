"""Heads of packets and parts of frames, read as aiortc reads them: thousands at random, and some by hand."""

from __future__ import annotations

import random
import struct
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from odyssey_proto._net.webrtc.packets import DEPAYLOADERS, Packet, read

_MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_TRANSPORT: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_OTHERS: Final = (
    "urn:ietf:params:rtp-hdrext:toffset",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
)


def extensions(*uris: str) -> HeaderExtensionsMap:
    """Return aiortc's map of these extensions, whose ids are counted from 1."""
    parameters: Any = SimpleNamespace(
        headerExtensions=[RTCRtpHeaderExtensionParameters(id=place, uri=uri) for place, uri in enumerate(uris, 1)]
    )
    found = HeaderExtensionsMap()
    found.configure(parameters)
    return found


def ids(known: HeaderExtensionsMap) -> Any:
    return known._HeaderExtensionsMap__ids  # type: ignore[attr-defined]


def assert_same(ours: Packet, data: bytes, known: HeaderExtensionsMap) -> None:
    """Fail unless aiortc reads ``data`` as the same packet."""
    theirs = RtpPacket.parse(data, known)
    names = ("payload_type", "marker", "sequence_number", "timestamp", "ssrc", "padding_size")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    assert data[ours.begin :] == theirs.payload
    assert theirs.csrc == []
    both = ("abs_send_time", "transport_sequence_number")
    assert [getattr(ours.extensions, each) for each in both] == [getattr(theirs.extensions, each) for each in both]


def element(draw: random.Random, *, wide: bool) -> bytes:
    """Return an element of an extension, which may be of any length, or padding."""
    kind = draw.randrange(16)
    value = draw.choice(
        [b"0", b"\xff", b"abc", draw.randbytes(2), draw.randbytes(3), draw.randbytes(draw.randrange(1, 17))]
    )
    if draw.random() < 0.15:
        return b"\0"
    return bytes([kind, len(value)]) + value if wide else bytes([kind << 4 | len(value) - 1]) + value


def made_up(draw: random.Random) -> bytes:
    """Return random bytes that resemble an RTP packet with any of its optional parts, perhaps cut short."""
    sources, padded, extended = draw.choice([0, 0, 0, 1, 3]), draw.random() < 0.1, draw.random() < 0.7
    first = draw.choice([0x80, 0x80, 0x80, 0x80, 0x40]) | padded << 5 | extended << 4 | sources
    data = struct.pack("!BBHLL", first, draw.randrange(256), *(draw.randrange(2**bits) for bits in (16, 32, 32)))
    data += draw.randbytes(4 * sources)
    if extended:
        profile = draw.choice([0xBEDE, 0xBEDE, 0xBEDE, 0xBEDE, 0x1000, 0x1234])
        value = b"".join(element(draw, wide=profile == 0x1000) for _ in range(draw.randrange(5)))
        value += bytes(-len(value) % 4)
        data += struct.pack("!HH", profile, len(value) // 4 + (draw.random() < 0.05)) + value
    data += draw.randbytes(draw.choice([0, 1, 2, 30])) + (b"\0\0\x03" if padded else b"")
    return data[: draw.randrange(12, len(data) + 1)] if draw.random() < 0.1 else data


def test_what_is_read_of_a_packet_is_what_aiortc_reads() -> None:
    maps = [
        extensions(),
        extensions(_MID, _SEND_TIME),
        extensions(_SEND_TIME, _MID, _TRANSPORT),
        extensions(_TRANSPORT, *_OTHERS, _MID, _SEND_TIME),
    ]
    count = 0
    for seed in range(20_000):
        draw = random.Random(seed)
        data, known = made_up(draw), draw.choice(maps)
        if (ours := read(data, ids(known))) is not None:
            assert_same(ours, data, known)
            count += 1
    assert count > 5_000


def test_packets_as_senders_make_them_are_all_read_here() -> None:
    known = extensions(_MID, _SEND_TIME, _TRANSPORT)
    for seed in range(2_000):
        draw = random.Random(seed)
        packet = RtpPacket(
            payload_type=draw.randrange(96, 128),
            marker=draw.randrange(2),
            sequence_number=draw.randrange(2**16),
            timestamp=draw.randrange(2**32),
            ssrc=draw.randrange(2**32),
            payload=draw.randbytes(draw.randrange(40)),
        )
        packet.extensions.mid = draw.choice([None, "0", "video"])
        packet.extensions.abs_send_time = draw.choice([None, draw.randrange(2**24)])
        packet.extensions.transport_sequence_number = draw.choice([None, draw.randrange(2**16)])
        data = packet.serialize(known)
        ours = read(data, ids(known))
        assert ours is not None
        assert_same(ours, data, known)


@pytest.mark.parametrize(
    "head",
    [
        "a0 60 0001 00000002 00000003",  # padding
        "81 60 0001 00000002 00000003 00000004",  # a contributing source
        "40 60 0001 00000002 00000003",  # version 1
        "90 60 0001 00000002 00000003 bede",  # the extension ends too early
        "90 60 0001 00000002 00000003 bede 0002 10300000",
        "90 60 0001 00000002 00000003 bede 0001 13303030",  # and so does its element
        "90 60 0001 00000002 00000003 bede 0001 10ff0000",  # not text
        "90 60 0001 00000002 00000003 bede 0001 21303000",  # a time of two bytes
        "90 60 0001 00000002 00000003 bede 0001 30300000",  # a number of one byte
        "90 60 0001 00000002 00000003 bede 0001 40300000",  # of another kind
        "90 60 0001 00000002 00000003 bede 0001 60300000",
        "90 60 0001 00000002 00000003 1000 0001 02013000",  # heads of two bytes
    ],
)
def test_what_is_rare_is_left_to_aiortc(head: str) -> None:
    known = ids(extensions(_MID, _SEND_TIME, _TRANSPORT, *_OTHERS))
    assert read(bytes.fromhex(head), known) is None


@pytest.mark.parametrize("name", ["H264", "VP8"])
def test_a_part_of_a_frame_is_what_aiortc_takes_for_it(name: str) -> None:
    codec = RTCRtpCodecParameters(mimeType=f"video/{name}", clockRate=90000, payloadType=97)
    count = 0
    for seed in range(10_000):
        draw = random.Random(seed)
        payload = draw.randbytes(draw.choice([1, 2, 3, 4, 5, 6, 7, 20]))
        if name == "H264" and draw.random() < 0.5:
            payload = bytes([draw.choice([0x7C, 0x1C, 0x61, 0x78])]) + payload[1:]
        ours = DEPAYLOADERS[name](payload)
        if ours is not None:
            assert ours == depayload(codec, payload)
            count += 1
    assert count > 3_000


def test_a_payload_that_aiortc_refuses_is_not_taken_for_a_part_of_a_frame() -> None:
    for name, payload in (
        ("H264", b""),
        ("H264", b"\x7c"),
        ("H264", b"\x1e\x00"),
        ("VP8", b""),
        ("VP8", b"\x90\x80"),
    ):
        codec = RTCRtpCodecParameters(mimeType=f"video/{name}", clockRate=90000, payloadType=97)
        assert DEPAYLOADERS[name](payload) is None
        with pytest.raises(ValueError, match=r"short|truncated|not supported"):
            depayload(codec, payload)
