"""How the packets of a paced stream leave an aiortc sender, over a transport that records them."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from odyssey_proto.emulator._stream.history import keep_sent
from odyssey_proto.emulator._stream.outlet import Outlet
from odyssey_proto.emulator._stream.rate_control import FixedRate, RateController
from odyssey_proto.emulator._stream.transport_cc import Report

GENEROUS_S = 30.0
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
SENDER_REPORT = struct.pack("!BBH", 0x80, 200, 6) + bytes(24)


class Transport:
    """The parts of a DTLS transport that sending requires."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []

    async def _send_rtp(self, data: bytes) -> None:
        if self.state != "connected":
            raise ConnectionError
        self.sent.append(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.heard.append(data)


class Stage:
    """A sender with an outlet; it takes the place of a transceiver, too."""

    def __init__(self, rate: FixedRate | RateController) -> None:
        self.transport: Any = Transport()
        self.sender: Any = RTCRtpSender("video", self.transport)
        self._headerExtensions = [RTCRtpHeaderExtensionParameters(id=3, uri=SEND_TIME)]
        transceiver: Any = self
        self.outlet = Outlet(transceiver, keep_sent(self.sender), rate, fps=1)
        if isinstance(rate, RateController):
            self.outlet.follow(transceiver, rate)
        self._map = HeaderExtensionsMap()
        self._map.configure(RTCRtpParameters(headerExtensions=self._headerExtensions))
        self.sender._RTCRtpSender__rtp_header_extensions_map = self._map

    async def send(self, number: int) -> None:
        """Send a packet as the sender does."""
        packet = RtpPacket(sequence_number=number, ssrc=self.sender._ssrc, payload=bytes(1000))
        packet.extensions.abs_send_time = 0
        self.sender._RTCRtpSender__rtp_history[number % 128] = packet
        await self.transport._send_rtp(packet.serialize(self._map))

    async def sent(self, count: int) -> list[RtpPacket]:
        """Wait until ``count`` packets have left, and return them."""
        async with asyncio.timeout(GENEROUS_S):
            while len(self.transport.sent) < count:
                await asyncio.sleep(0.001)
        return [RtpPacket.parse(data, self._map) for data in self.transport.sent]


def test_a_picture_leaves_bit_by_bit_and_what_is_sent_again_first() -> None:
    async def run() -> None:
        stage = Stage(FixedRate(1_000_000))
        for number in range(40):
            await stage.send(number)
        await stage.sender._retransmit(7)
        assert stage.transport.sent == []
        await stage.transport._send_rtp(SENDER_REPORT)
        assert stage.transport.sent.pop() == SENDER_REPORT, "reports do not wait"
        found = await stage.sent(41)
        assert [packet.sequence_number for packet in found] == [7, *range(40)]
        times = [packet.extensions.abs_send_time for packet in found]
        assert len(set(times)) > 3, "each has the time at which it left"
        assert 0 not in times
        await stage.outlet.close()

    asyncio.run(run())


def test_packets_are_numbered_as_they_leave_and_what_is_reported_of_them_is_followed() -> None:
    class Controller(RateController):
        taken: list[Report]

        def take_report(self, report: Report) -> None:
            self.taken.append(report)

    async def run() -> None:
        controller = Controller(2_000_000)
        controller.taken = []
        stage = Stage(controller)
        for number in range(10):
            await stage.send(number)
        await stage.sender._retransmit(3)
        found = await stage.sent(11)
        assert [packet.sequence_number for packet in found] == [3, *range(10)]
        assert [packet.extensions.transport_sequence_number for packet in found] == list(range(11))
        data = struct.pack("!BBHLLHHLHBB", 0x8F, 205, 5, 1, 2, 0, 1, 0, 0x2001, 4, 0)
        await stage.transport._handle_rtcp_data(data)
        assert controller.taken == [Report(0, 0, (0.001,))]
        assert stage.transport.heard == [data]
        await stage.outlet.close()

    asyncio.run(run())


@pytest.mark.parametrize("why", ["closed", "the transport is gone"])
def test_a_sender_whose_packets_cannot_leave_gets_an_error(why: str) -> None:
    async def run() -> None:
        stage = Stage(FixedRate(1_000_000))
        if why == "closed":
            await stage.outlet.close()
        else:
            stage.transport.state = "closed"
            await stage.send(0)
            async with asyncio.timeout(GENEROUS_S):
                while not stage.outlet._work.done():
                    await asyncio.sleep(0.001)
        with pytest.raises(ConnectionError):
            await stage.send(1)
        await stage.outlet.close()

    asyncio.run(run())
