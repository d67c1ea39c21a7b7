"""The marker-bit jitter buffer against aiortc's own: the same frames, one packet earlier."""

from __future__ import annotations

import random
from typing import Any

import pytest
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from odyssey_proto.transport import jitter
from odyssey_proto.transport.jitter import MarkerJitterBuffer


class Time:
    """A clock that goes on by 1 s each time it is asked."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 1.0
        return self.at


def packets(
    sizes: list[int], *, first: int = 65530, step: int = 4500, start: int = 2**32 - 9000
) -> list[RtpPacket]:
    """Make the packets of frames of so many packets each, across the wrap of both counters."""
    made: list[Any] = []
    for frame, size in enumerate(sizes):
        for part in range(size):
            packet: Any = RtpPacket(
                payload_type=97,
                sequence_number=(first + len(made)) % 65536,
                timestamp=(start + frame * step) % 2**32,
                marker=int(part == size - 1),
            )
            packet._data = f"{frame}.{part};".encode()
            made.append(packet)
    return made


def feed(buffer: JitterBuffer, arriving: list[RtpPacket]) -> list[tuple[int, bytes]]:
    """Return the frames, each with the number of the packet that released it."""
    released = []
    for number, packet in enumerate(arriving):
        _, frame = buffer.add(packet)
        if frame is not None:
            released.append((number, frame.data))
    return released


def test_a_frame_is_released_by_its_last_packet() -> None:
    assert feed(MarkerJitterBuffer(Time()), packets([2, 1, 3])) == [
        (1, b"0.0;0.1;"),
        (2, b"1.0;"),
        (5, b"2.0;2.1;2.2;"),
    ]


def test_without_marker_bits_it_releases_as_aiortc_does() -> None:
    arriving = packets([2, 1, 3, 1])
    for packet in arriving:
        packet.marker = 0
    assert feed(MarkerJitterBuffer(Time()), arriving) == feed(JitterBuffer(512, is_video=True), arriving)


@pytest.mark.parametrize("seed", range(20))
def test_in_order_it_gives_what_aiortc_gives_and_the_last_frame_too(seed: int) -> None:
    rng = random.Random(seed)
    arriving = packets([rng.randint(1, 12) for _ in range(60)])
    ours = [data for _, data in feed(MarkerJitterBuffer(Time()), arriving)]
    stock = [data for _, data in feed(JitterBuffer(512, is_video=True), arriving)]
    assert ours[:-1] == stock
    assert len(ours) == 60


@pytest.mark.parametrize("seed", range(20))
def test_reordered_packets_make_whole_frames_in_order(seed: int) -> None:
    rng = random.Random(seed)
    arriving = packets([rng.randint(1, 12) for _ in range(60)])
    first, rest = arriving[0], arriving[1:]  # the first packet of all tells where the stream begins
    for place in range(0, len(rest) - 4, 5):
        rest[place : place + 4] = rng.sample(rest[place : place + 4], 4)
    released = [
        data
        for _, data in feed(
            MarkerJitterBuffer(Time()),
            [first, *rest, *packets([1] * 60, first=first.sequence_number + len(arriving), start=0)],
        )
    ]
    expected = [
        b"".join(p._data for p in arriving if p.timestamp == t)
        for t in dict.fromkeys(p.timestamp for p in arriving)
    ]
    assert released[:60] == expected


def test_it_knows_when_the_first_packet_of_each_frame_came() -> None:
    buffer = MarkerJitterBuffer(Time())
    feed(buffer, packets([2, 1, 3]))
    assert [buffer.arrived_at(pts) for pts in (0, 4500, 9000)] == [1.0, 3.0, 4.0]
    assert buffer.arrived_at(0) is None, "each is asked for once"
    assert buffer.arrived_at(None) is None


def test_what_it_remembers_is_bounded() -> None:
    buffer = MarkerJitterBuffer(Time())
    feed(buffer, packets([1] * 2000))
    assert len(buffer._arrival) == len(buffer._first_packet) == 256
    assert buffer.arrived_at(1999 * 4500) == 2000.0


def test_it_is_given_to_a_video_receiver_of_the_known_shape() -> None:
    receiver = RTCRtpReceiver("video", _Transport())
    buffer = jitter.install(receiver, Time())
    assert receiver._RTCRtpReceiver__jitter_buffer is buffer is not None


@pytest.mark.parametrize("present", [None, object(), JitterBuffer(16, prefetch=4)])
def test_a_receiver_of_another_shape_keeps_its_own(present: object) -> None:
    receiver = RTCRtpReceiver("video", _Transport())
    receiver._RTCRtpReceiver__jitter_buffer = present
    assert jitter.install(receiver, Time()) is None
    assert receiver._RTCRtpReceiver__jitter_buffer is present


class _Transport:
    """As much of a DTLS transport as making a receiver needs."""

    state = "new"
    _stats_id = "transport"
