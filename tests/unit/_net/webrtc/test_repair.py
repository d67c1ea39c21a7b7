"""Requests for lost packets in a receiver of aiortc: what is sent at once, and what by timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiortc import RTCRtpReceiver

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._net.webrtc import jitter, repair
from odyssey_proto._net.webrtc.recovery import Recovery
from odyssey_proto._video.meters import VideoTotals
from tests.support.coroutines import in_time
from tests.support.rtp import Transport, packets

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Receiver:
    """A receiver of aiortc with our buffer and our requests; it records requests instead of sending them."""

    def __init__(self, *, wants_all: bool = False) -> None:
        self.clock = MonotonicClock()
        self.totals = VideoTotals(self.clock)
        self.recovery = Recovery(lambda: 0.01, lambda: wants_all)
        self.sent: list[tuple[str, Any]] = []
        receiver: Any = RTCRtpReceiver("video", Transport())
        buffer = jitter.install(receiver, self.clock, self.totals, self.recovery)
        assert buffer is not None
        requester = repair.install(receiver, buffer, self.recovery, self.clock, self.totals, self.spawn)
        assert requester is not None
        assert receiver._RTCRtpReceiver__nack_generator is requester
        assert receiver._RTCRtpReceiver__rtx_ssrc is requester.again
        receiver._send_rtcp_nack = self.request
        receiver._send_rtcp_pli = self.ask
        self.buffer, self.requester = buffer, requester

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.ensure_future(coroutine)  # noqa: RUF006  # it is over at once

    async def request(self, ssrc: int, numbers: list[int]) -> None:
        self.sent.append(("packets", numbers))

    async def ask(self, ssrc: int) -> None:
        self.sent.append(("keyframe", ssrc))


def test_what_is_missing_is_requested_with_the_packet_that_shows_it_and_then_by_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("odyssey_proto._net.webrtc.recovery._KEPT_S", 30.0)  # a busy machine asks again late

    async def lose() -> Receiver:
        receiver = Receiver()
        first, lost, third, *_ = packets([1] * 3)
        assert not receiver.requester.add(first)
        assert receiver.requester.add(third)
        assert receiver.requester.missing == [lost.sequence_number]
        while len(receiver.sent) < 2:
            await asyncio.sleep(0.005)
        receiver.requester.again.get(1)
        assert not receiver.requester.add(lost)
        await asyncio.sleep(0)  # a request that was made just before is sent
        count = len(receiver.sent)
        await asyncio.sleep(0.1)
        assert len(receiver.sent) == count
        return receiver

    receiver = in_time(lose())
    assert receiver.sent[0] == ("packets", [65531])
    assert (receiver.totals.requested, receiver.totals.repaired) == (1 + len(receiver.sent), 1)


def test_an_outage_is_reported_to_the_buffer() -> None:
    async def lose() -> bool:
        receiver = Receiver()
        first, _, third = packets([1] * 3)
        receiver.requester.add(first)
        receiver.buffer.add(first)
        receiver.recovery._heard_at -= 1
        third.timestamp += 90_000
        receiver.buffer._ask_at = 0.0
        assert not receiver.requester.add(third), "nothing is requested"
        return receiver.buffer.add(third)[0]

    assert asyncio.run(lose()), "but a keyframe, at once"


def test_nothing_is_requested_by_timer_after_the_end() -> None:
    async def lose() -> Receiver:
        receiver = Receiver()
        first, _, third = packets([1] * 3)
        receiver.requester.add(first)
        receiver.requester.stop()
        receiver.requester.add(third)
        await asyncio.sleep(0.1)
        return receiver

    assert asyncio.run(lose()).sent == []


def test_while_nothing_comes_a_keyframe_is_requested_by_timer_too() -> None:
    async def lose() -> Receiver:
        receiver = Receiver()
        first, _, third = packets([1] * 3)
        for packet in (first, third):
            receiver.requester.add(packet)
            receiver.buffer.add(packet)
        while ("keyframe", 7) not in receiver.sent:
            await asyncio.sleep(0.02)
        receiver.requester.stop()
        return receiver

    receiver = in_time(lose())
    assert receiver.totals.keyframes_requested >= 1  # more, if the process was held up just then


@pytest.mark.parametrize(
    ("attribute", "value"), [("nack_generator", None), ("nack_generator", object()), ("rtx_ssrc", None)]
)
def test_a_receiver_of_another_shape_requests_in_its_own_way(attribute: str, value: object) -> None:
    receiver: Any = RTCRtpReceiver("video", Transport())
    setattr(receiver, f"_RTCRtpReceiver__{attribute}", value)
    clock = MonotonicClock()
    totals = VideoTotals(clock)
    buffer = jitter.MarkerJitterBuffer(clock, totals)
    assert repair.install(receiver, buffer, Recovery(), clock, totals, lambda _: None) is None
    assert getattr(receiver, f"_RTCRtpReceiver__{attribute}") is value


def test_a_receiver_that_has_received_packets_keeps_its_own() -> None:
    receiver: Any = RTCRtpReceiver("video", Transport())
    receiver._RTCRtpReceiver__nack_generator.add(packets([1])[0])
    clock = MonotonicClock()
    totals = VideoTotals(clock)
    buffer = jitter.MarkerJitterBuffer(clock, totals)
    assert repair.install(receiver, buffer, Recovery(), clock, totals, lambda _: None) is None
