"""The marker-bit jitter buffer against aiortc's own: the same frames, one packet earlier."""

from __future__ import annotations

import heapq
import random
from typing import Any

import attrs
import pytest
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from odyssey_proto._net.webrtc import jitter, keyframes
from odyssey_proto._net.webrtc.jitter import MarkerJitterBuffer
from tests.support.rtp import INTER, KEYFRAME, Transport, packets


class Time:
    """A clock that advances by ``step`` s at each reading, or as the test sets it."""

    def __init__(self, step: float = 1.0) -> None:
        self.at = 0.0
        self.step = step

    def now(self) -> float:
        self.at += self.step
        return self.at


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
    first, rest = arriving[0], arriving[1:]  # the first packet determines where the stream begins
    for place in range(0, len(rest) - 4, 5):
        rest[place : place + 4] = rng.sample(rest[place : place + 4], 4)
    released = [
        data
        for _, data in feed(
            MarkerJitterBuffer(Time(0.001)),
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
    frames = [frame for packet in packets([2, 1, 3]) if (frame := buffer.add(packet)[1]) is not None]
    assert [(frame.arrived_at, frame.whole_at) for frame in frames] == [(1.0, 2.0), (3.0, 3.0), (4.0, 6.0)]


@pytest.mark.parametrize("size", [1, 2])
def test_padding_after_a_frame_harms_nothing(size: int) -> None:
    arriving: list[Any] = packets([size] * 6)
    for packet in arriving[2 * size :]:
        packet.sequence_number = (packet.sequence_number + 2) % 65536
    for place in (2 * size, 2 * size + 1):
        before = arriving[place - 1]
        padding: Any = RtpPacket(
            payload_type=97, sequence_number=before.sequence_number + 1, timestamp=before.timestamp
        )
        padding.ssrc, padding._data = 7, b""
        arriving.insert(place, padding)
    buffer = MarkerJitterBuffer(Time())
    released = feed(buffer, arriving)
    assert [number for number, _ in released] == [place for place, each in enumerate(arriving) if each.marker]
    assert all(data for _, data in released)
    assert buffer.trusts_marks
    assert buffer.held == 0


def test_what_it_remembers_is_bounded() -> None:
    buffer = MarkerJitterBuffer(Time(0.0))
    first, _, *rest = packets([1] * 400)
    feed(buffer, [first, *rest])  # nothing is given up, because no time passes
    assert len(buffer._first_packet) == 256


def test_what_it_has_released_or_given_up_is_forgotten() -> None:
    buffer = MarkerJitterBuffer(Time(0.1))
    first, second, _, *rest = packets([1, 2, *[1] * 30], keyframes=(0, 12))
    feed(buffer, [first, second, *rest])
    assert buffer._first_packet == {}


@pytest.mark.parametrize("back", [9000, 45_000, 900_000])
def test_a_clock_that_is_set_back_gives_each_frame_its_own_arrival_and_a_time_that_goes_back(back: int) -> None:
    before = packets([2] * 20, first=0, start=2**32 - 9000)
    after = packets([2] * 20, first=40, start=2**32 - 9000 + 20 * 4500 - back)
    buffer = MarkerJitterBuffer(Time(0.025))
    found = [frame for packet in [*before, *after] if (frame := buffer.add(packet)[1]) is not None]
    gone_back = back // 4500
    assert [frame.sent // 4500 for frame in found] == [*range(20), *range(20 - gone_back, 40 - gone_back)]
    assert [frame.arrived_at for frame in found] == pytest.approx([0.025 + 0.05 * n for n in range(40)])


def shown(buffer: MarkerJitterBuffer, arriving: list[RtpPacket]) -> list[int]:
    """Return the numbers of the frames, of one packet each, that are released."""
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
    del arriving[55]
    buffer = MarkerJitterBuffer(Time(0.001))
    assert shown(buffer, arriving) == [*range(55), *range(650, 700)]
    assert buffer.held == 650 - 57, "the one after the gap may lack its beginning"


def test_a_keyframe_without_its_first_packet_is_held_back_too() -> None:
    arriving = packets([1] * 10 + [3] + [1] * 600, keyframes=(0, 10, 600))
    arriving[11]._data = KEYFRAME + arriving[11]._data  # the rest looks like one,
    arriving[11].payload = b"\x00" + arriving[11]._data  # but says that it does not begin a frame
    del arriving[9:11]
    released = [data for _, data in feed(MarkerJitterBuffer(Time(0.001)), arriving)]
    assert len(released) == 9 + 11
    assert released[9].startswith(KEYFRAME + b"600.")


def test_a_packet_that_comes_again_in_time_loses_nothing() -> None:
    arriving = packets([1] * 40)
    arriving.insert(14, arriving.pop(10))
    more = packets([1] * 9, first=34, start=170_000)
    assert shown(MarkerJitterBuffer(Time(0.05)), [*arriving, *more])[:40] == [*range(40)]


def test_several_gaps_are_given_up_one_after_the_other() -> None:
    arriving = packets([3] * 40, keyframes=(0, 30))
    for place in (61, 34, 31):  # frames 20, 11 and 10
        del arriving[place]
    released = [data for _, data in feed(MarkerJitterBuffer(Time(0.02)), arriving)]
    assert [data.startswith(KEYFRAME) for data in released] == [True] + [False] * 9 + [True] + [False] * 9


def test_numbers_that_restart_are_not_a_gap() -> None:
    anew = packets([2] * 10, first=300, start=10**6, keyframes=(0, 1))
    released = feed(MarkerJitterBuffer(Time()), [*packets([2] * 10, first=5000), *anew])
    assert len(released) == 10 + 9, "all but the first of the new ones, which may lack its beginning"


def test_a_keyframe_of_an_abandoned_numbering_is_none_to_go_on_with() -> None:
    clock = Time(0.0)
    buffer = MarkerJitterBuffer(clock)
    before = packets([1] * 20, first=5000, keyframes=(0, 10))
    feed(buffer, [*before[:5], *before[6:]])  # the keyframe is whole, but the gap before it may still be filled
    clock.at = 0.1
    anew = packets([1] * 9, first=60_000, start=10**6, keyframes=(0, 1))
    assert len(feed(buffer, anew)) == 9 - 1, "all but the first, which may lack its beginning"
    clock.at, clock.step = 5.0, 0.05
    later = packets([1] * 30, first=60_009, start=2 * 10**6, keyframes=(20,))
    assert len(feed(buffer, [later[0], *later[2:]])) == 1 + 10


def test_a_sender_that_marks_every_packet_is_not_believed_for_long() -> None:
    arriving = packets([3] * 20, keyframes=(0, 2))
    for packet in arriving:
        packet.marker = 1
    buffer = MarkerJitterBuffer(Time(0.01))
    released = [data for _, data in feed(buffer, arriving)]
    assert not buffer.trusts_marks
    stock = [data for _, data in feed(JitterBuffer(512, is_video=True), arriving)]
    assert released[1:] == stock[2:], "from the keyframe on, as aiortc has it"


# --- compared with aiortc's own buffer, on a network that loses and reorders

_SHARE_IN_TIME = 0.95
"""Minimum ratio, ours to aiortc's, of the frames that can be shown within a second of being sent."""
_SHARE = 0.85
"""The same for all frames: if packets are often lost for good, aiortc's buffer shows more, four seconds late."""


@attrs.frozen(kw_only=True)
class Network:
    """The fate of packets; each number is a share from 0 to 1."""

    lost: float = 0.0
    sent_again: float = 0.9
    """The share of the lost packets that is retransmitted."""
    late: float = 0.0
    """The share of packets that come up to 8 ms later than others."""
    wrong_marks: float = 0.0
    last_marked: bool = True


def shown_over(network: Network, buffer: JitterBuffer, clock: Time, seed: int) -> tuple[int, int]:
    """Stream 300 frames at 20 fps through a network and a buffer; count those shown in time, and in total.

    The sender makes a keyframe when asked for one. The decoder also asks for one whenever it gets a frame that it
    cannot use, as aiortc's decoder does at best.
    """
    rng = random.Random(seed)
    sizes = [rng.randint(1, 12) for _ in range(300)]
    fates = [
        (
            rng.random() >= network.lost or (rng.random() < network.sent_again and rng.uniform(0.03, 0.2)),
            rng.uniform(0, 0.008) * (rng.random() < network.late),
            rng.random() < network.wrong_marks,
        )
        for _ in range(sum(sizes))
    ]
    trip = rng.uniform(0.02, 0.15)
    asked_at = -1.0  # the first frame is a keyframe
    under_way: list[tuple[float, int, Any]] = []
    whole: dict[int, bytes] = {}
    keyframes = set()
    good = in_time = 0
    last_good = -1
    number = 0
    for frame, size in enumerate(sizes):
        sent_at = frame * 0.05
        key = asked_at is not None and asked_at + trip <= sent_at
        if key:
            asked_at = None
            keyframes.add(frame)
        parts = packets([size], first=number, start=frame * 4500, keyframes=(0,) if key else ())
        whole[frame * 4500] = b"".join(packet._data for packet in parts)
        for packet in parts:
            arrives, late, wrong = fates[number]
            packet.marker = int((packet.marker and network.last_marked) != wrong)
            if arrives is not False:
                again = 0.0 if arrives is True else arrives
                heapq.heappush(under_way, (sent_at + number % 7 / 1000 + late + again, number, packet))
            number += 1
        while under_way and under_way[0][0] < sent_at + 0.05:
            clock.at, _, packet = heapq.heappop(under_way)
            asks, out = buffer.add(packet)
            if out is not None:
                place = out.timestamp // 4500
                if out.data == whole[out.timestamp] and (place in keyframes or last_good == place - 1):
                    good += 1
                    in_time += clock.at < place * 0.05 + 1
                    last_good = place
                else:
                    last_good = -1 - len(sizes)
                    asks = True
            if asks and asked_at is None:
                asked_at = clock.at
    return in_time, good


@pytest.mark.parametrize(
    "network",
    [
        Network(),
        Network(late=0.2),
        Network(lost=0.002, late=0.05),
        Network(lost=0.02, sent_again=1.0),
        Network(lost=0.02),
        Network(lost=0.1, late=0.1),
        Network(lost=0.02, sent_again=0.0),
        Network(last_marked=False),
        Network(last_marked=False, lost=0.02),
        Network(wrong_marks=0.001),
        Network(wrong_marks=0.02),
        Network(wrong_marks=0.02, lost=0.02, late=0.1),
        Network(wrong_marks=1.0),
        Network(wrong_marks=1.0, last_marked=False, lost=0.02),
    ],
    ids=str,
)
def test_never_much_less_can_be_shown_than_with_aiortcs_buffer(network: Network) -> None:
    for seed in range(3):
        clock = Time(0.0)
        ours = shown_over(network, MarkerJitterBuffer(clock), clock, seed)
        stock = shown_over(network, JitterBuffer(512, is_video=True), clock, seed)
        assert ours[0] >= _SHARE_IN_TIME * stock[0], f"seed {seed}: {ours[0]} instead of {stock[0]}"
        assert ours[1] >= _SHARE * stock[1], f"seed {seed}: {ours[1]} instead of {stock[1]}"


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
    assert keyframes.is_keyframe(data) is is_one


def test_it_is_given_to_a_video_receiver_of_the_known_shape() -> None:
    receiver = RTCRtpReceiver("video", Transport())
    buffer = jitter.install(receiver, Time())
    assert receiver._RTCRtpReceiver__jitter_buffer is buffer is not None


@pytest.mark.parametrize("present", [None, object(), JitterBuffer(16, prefetch=4)])
def test_a_receiver_of_another_shape_keeps_its_own(present: object) -> None:
    receiver = RTCRtpReceiver("video", Transport())
    receiver._RTCRtpReceiver__jitter_buffer = present
    assert jitter.install(receiver, Time()) is None
    assert receiver._RTCRtpReceiver__jitter_buffer is present
