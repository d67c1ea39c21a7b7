"""Which requests for a keyframe are answered."""

from __future__ import annotations

import asyncio
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket

from odyssey_proto.emulator._stream.requests import KeyframeRequests, answer_keyframe_requests
from tests.support.clocks import Time


def test_one_request_in_three_tenths_of_a_second_is_answered() -> None:
    time, answered = Time(), list[int]()
    ask = KeyframeRequests(lambda: answered.append(round(1000 * time.at)), time.now)
    for at_ms in (0, 1, 150, 299, 301, 302, 600, 602, 5000):
        time.at = at_ms / 1000
        ask()
    assert answered == [0, 301, 602, 5000]


class Transport:
    """The parts of a DTLS transport that a sender requires."""

    state = "new"
    _stats_id = "transport"


def test_a_sender_of_aiortc_asks_them_first() -> None:
    async def requested(*, with_own: bool) -> tuple[bool, int]:
        transport: Any = Transport()
        sender: Any = RTCRtpSender("video", transport)
        own = list[None]()
        answer_keyframe_requests(sender, (lambda: own.append(None)) if with_own else None)
        for _ in range(3):
            await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc))
        return sender._RTCRtpSender__force_keyframe, len(own)

    assert asyncio.run(requested(with_own=False)) == (True, 0)
    assert asyncio.run(requested(with_own=True)) == (False, 1)
