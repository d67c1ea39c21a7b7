"""Transport-wide feedback, from the bytes and SDP lines that the draft specifies."""

from __future__ import annotations

import asyncio
import struct

import pytest
from aiortc import RTCPeerConnection
from aiortc.sdp import SessionDescription

from odyssey_proto.emulator._stream.transport_cc import EXTENSION_URI, Report, asked_for, granted, reports


def feedback(body: bytes, *, first: int = 0, count: int = 1, reference: int = 0, padding: int = 0) -> bytes:
    """Return an RTCP packet of transport-wide feedback with these chunks and deltas."""
    content = struct.pack("!LLHHL", 1, 2, first, count, reference << 8 | 77) + body + bytes(padding)
    content += bytes(-len(content) % 4)
    return struct.pack("!BBH", 0x8F, 205, len(content) // 4) + content


def test_a_run_of_packets_that_arrived() -> None:
    data = feedback(struct.pack("!H", 0x2003) + bytes([0, 4, 40]), first=65_534, count=3, reference=5)
    assert reports(data) == [Report(65_534, 5, (0.0, 0.001, 0.011))]


def test_a_run_of_packets_that_did_not() -> None:
    data = feedback(struct.pack("!HH", 0x0002, 0x2001) + bytes([8]), count=3)
    assert reports(data) == [Report(0, 0, (None, None, 0.002))]


def test_large_and_negative_steps() -> None:
    data = feedback(struct.pack("!Hhh", 0x4002, 400, -200), count=2)
    assert reports(data) == [Report(0, 0, (0.1, 0.05))]


def test_a_vector_of_one_bit_each() -> None:
    data = feedback(struct.pack("!H", 0b10_10110000000000) + bytes([4, 4, 4]), count=4)
    assert reports(data) == [Report(0, 0, (0.001, None, 0.002, 0.003))]


def test_a_vector_of_two_bits_each() -> None:
    data = feedback(struct.pack("!HBh", 0b11_01_00_10_00_00_00_00, 4, 8), count=3)
    assert reports(data) == [Report(0, 0, (0.001, None, 0.003))]


def test_several_chunks() -> None:
    chunks = struct.pack("!HH", 0b10_11111111111111, 0x2002)
    found = reports(feedback(chunks + bytes([4] * 16), count=16))
    assert [round(arrival or 0, 6) for arrival in found[0].arrivals] == [each / 1000 for each in range(1, 17)]


def test_they_are_found_among_other_packets() -> None:
    other = struct.pack("!BBHLL", 0x81, 206, 2, 1, 2)
    nack = struct.pack("!BBHLLHH", 0x81, 205, 3, 1, 2, 7, 0)
    one = feedback(struct.pack("!H", 0x2001) + bytes([4]))
    assert reports(other + one + nack + one) == 2 * [Report(0, 0, (0.001,))]


@pytest.mark.parametrize("left", [1, 3, 4, 11, 19, 20, 21, 22])
def test_what_ends_too_early_is_left_out(left: int) -> None:
    assert reports(feedback(struct.pack("!H", 0x2003) + bytes([4, 4, 4]), count=3)[:left]) == []


def test_a_report_with_missing_deltas_is_left_out() -> None:
    assert reports(feedback(struct.pack("!H", 0x2009) + bytes([4, 4]), count=9)) == []


async def _offer() -> str:
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="sendonly")
    pc.createDataChannel("x")
    sdp: str = (await pc.createOffer()).sdp
    await pc.close()
    return sdp


def test_an_offer_that_asks_for_it_differs_in_nothing_else() -> None:
    plain = asyncio.run(_offer())
    asking = asked_for(plain)
    more = [line for line in asking.splitlines() if line not in plain.splitlines()]
    assert more[0] == f"a=extmap:5 {EXTENSION_URI}"
    (media, _) = SessionDescription.parse(asking).media
    codecs = [codec for codec in media.rtp.codecs if codec.name != "rtx"]
    assert more[1:] == [f"a=rtcp-fb:{codec.payloadType} transport-cc" for codec in codecs]
    assert [line for line in asking.splitlines() if line not in more] == plain.splitlines()
    assert not granted(plain)


@pytest.mark.parametrize(
    ("lines", "is_granted"),
    [
        ([f"a=extmap:5 {EXTENSION_URI}", "a=rtcp-fb:97 transport-cc"], True),
        ([f"a=extmap:5/recvonly {EXTENSION_URI}", "a=rtcp-fb:* transport-cc"], True),
        ([f"a=extmap:50 {EXTENSION_URI}", "a=rtcp-fb:97 transport-cc"], False),
        ([f"a=extmap:5 {EXTENSION_URI}", "a=rtcp-fb:97 goog-remb"], False),
        (["a=extmap:5 urn:other", "a=rtcp-fb:97 transport-cc"], False),
    ],
)
def test_it_is_granted_if_both_lines_are_in_the_answer(lines: list[str], is_granted: bool) -> None:
    assert granted("\r\n".join(["v=0", *lines, ""])) is is_granted
