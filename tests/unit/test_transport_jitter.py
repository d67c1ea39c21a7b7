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

KEYFRAME = b"\x10\x02\x00\x9d\x01\x2a"  # how one begins in VP8
INTER = b"\x11\x02\x00"


class Time:
    """A clock that goes on by 1 s each time it is asked."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 1.0
        return self.at


def packets(
    sizes: list[int],
    *,
    first: int = 65530,
    step: int = 4500,
    start: int = 2**32 - 9000,
    keyframes: tuple[int, ...] = (0,),
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
            packet.ssrc = 7
            begin = KEYFRAME if frame in keyframes else INTER
            packet._data = (b"" if part else begin) + f"{frame}.{part};".encode()
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
        (1, KEYFRAME + b"0.0;0.1;"),
        (2, INTER + b"1.0;"),
        (5, INTER + b"2.0;2.1;2.2;"),
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


def shown(buffer: MarkerJitterBuffer, arriving: list[RtpPacket]) -> list[int]:
    """Return the numbers of the frames, of one packet each, that are handed out."""
    return [int(data.split(b".")[0].lstrip(KEYFRAME + INTER)) for _, data in feed(buffer, arriving)]


def test_nothing_is_handed_out_before_the_first_keyframe() -> None:
    assert shown(MarkerJitterBuffer(Time()), packets([1] * 60, keyframes=(50,))) == [*range(50, 60)]


def test_a_keyframe_that_does_not_come_is_asked_for_again_and_again() -> None:
    buffer = MarkerJitterBuffer(Time())
    asked = [buffer.add(packet)[0] for packet in packets([1] * 5, keyframes=(3,))]
    assert asked == [False, True, True, False, False], "not at once: a sender begins with a keyframe"
    assert buffer.held == 3
    assert buffer.ssrc == 7


def test_after_a_loss_frames_are_held_back_until_a_keyframe() -> None:
    arriving = packets([1] * 700, keyframes=(0, 50, 650))
    del arriving[55]  # too late for it once 512 more have come: 50 came before that, 650 after
    buffer = MarkerJitterBuffer(Time())
    assert shown(buffer, arriving) == [*range(55), *range(650, 700)]
    assert buffer.held == 650 - 56


def test_a_keyframe_without_its_first_packet_is_held_back_too() -> None:
    arriving = packets([1] * 10 + [3] + [1] * 600, keyframes=(0, 10, 600))
    arriving[11]._data = KEYFRAME + arriving[11]._data  # what is left looks like one
    del arriving[9:11]
    released = [data for _, data in feed(MarkerJitterBuffer(Time()), arriving)]
    assert len(released) == 9 + 11
    assert released[9].startswith(KEYFRAME + b"600.")


def test_a_keyframe_is_shown_past_a_gap_that_is_not_repaired() -> None:
    arriving = packets([1] * 5 + [3] + [2] * 10, keyframes=(0, 12))
    del arriving[6]  # the middle of frame 5
    released = [data for _, data in feed(MarkerJitterBuffer(Time()), arriving)]
    assert [data.partition(b".")[0].lstrip(KEYFRAME + INTER) for data in released] == [
        *(b"0", b"1", b"2", b"3", b"4"),
        *(b"12", b"13", b"14", b"15"),
    ]
    assert released[5] == KEYFRAME + b"12.0;12.1;"


def test_a_gap_that_is_repaired_in_time_costs_nothing() -> None:
    class Stopped:
        def now(self) -> float:
            return 0.0

    arriving = packets([1] * 10, keyframes=(0, 7))
    arriving.append(arriving.pop(5))
    buffer = MarkerJitterBuffer(Stopped())
    assert [buffer.add(packet)[0] for packet in arriving] == [False] * 10, "no keyframe is asked for"
    assert shown(MarkerJitterBuffer(Stopped()), [*arriving, *packets([1] * 15)[10:]])[:6] == [0, 1, 2, 3, 4, 5]


def test_a_keyframe_is_asked_for_once_a_gap_is_not_repaired() -> None:
    arriving = packets([1] * 10)
    del arriving[5]
    buffer = MarkerJitterBuffer(Time())
    assert [buffer.add(packet)[0] for packet in arriving] == [False] * 6 + [True] * 3


def test_what_comes_again_after_the_gap_was_passed_is_ignored() -> None:
    arriving = packets([1] * 400, keyframes=(0, 300))
    lost = arriving.pop(5)
    assert shown(MarkerJitterBuffer(Time()), [*arriving, lost, *packets([1] * 420)[400:]]) == [
        *range(5),
        *range(300, 420),
    ]


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (b"\x00\x00\x00\x01\x67sps\x00\x00\x00\x01\x68pps\x00\x00\x00\x01\x65slice", True),
        (b"\x00\x00\x00\x01\x06sei\x00\x00\x00\x01\x65slice", True),
        (b"\x00\x00\x01\x25slice", True),
        (b"\x00\x00\x00\x01\x41slice", False),
        (b"\x00\x00\x00\x01", False),
        (KEYFRAME + b"picture", True),
        (INTER + b"\x9d\x01\x2a", False),
        (b"", False),
    ],
)
def test_keyframes_of_both_codecs_are_known(data: bytes, is_one: bool) -> None:
    assert jitter._is_keyframe(data) is is_one


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
