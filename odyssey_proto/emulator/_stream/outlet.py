"""The outlet for the packets of a paced stream from one peer connection.

It puts a `Pacer` in front of a sender of aiortc, and writes the time of sending into each packet as it leaves.
With congestion control, it also writes the packet's number, and passes the receiver's reports to the
`RateController`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from aiortc import clock
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtp import is_rtcp

from .header_extensions import rewritten
from .pacing import Pacer
from .transport_cc import EXTENSION_ID, EXTENSION_URI, reports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiortc import RTCRtpTransceiver

    from .history import SentPackets
    from .rate_control import BitRate, RateController

__all__ = ["Outlet"]

_PART_OF_PERIOD: Final = 0.8
"""Share of the time between two pictures within which the packets of one leave."""
_PACING_S: Final = 0.001
"""The shortest sleep, in s. Packets due meanwhile leave together."""
_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


class Outlet:
    """Sends the packets of ``transceiver`` until `close`.

    To be created once the answer has been applied, and before anything is sent.

    Args:
        transceiver: one that sends video, on a transport without other media.
        sent: the packets that the sender keeps.
        rate: the rate of the stream.
        fps: pictures per second.
    """

    def __init__(self, transceiver: RTCRtpTransceiver, sent: SentPackets, rate: BitRate, fps: int) -> None:
        self._sent = sent
        sent.most_again = lambda: rate.bits_per_s
        self._pacer = Pacer(lambda: rate.bits_per_s, _PART_OF_PERIOD / fps)
        transport: Any = transceiver.sender.transport
        self._send: Callable[[bytes], Awaitable[None]] = transport._send_rtp
        transport._send_rtp = self._take
        self._transport = transport
        self._controller: RateController | None = None
        self._send_time = next((each.id for each in _extensions(transceiver) if each.uri == _SEND_TIME), 0)
        self._arrived = asyncio.Event()
        self._work = asyncio.get_running_loop().create_task(self._send_all())

    def follow(self, transceiver: RTCRtpTransceiver, controller: RateController) -> None:
        """Number all packets, and give ``controller`` the reports on them."""
        self._controller = controller
        self._sent.on_sending = _make_room
        _extensions(transceiver).append(RTCRtpHeaderExtensionParameters(id=EXTENSION_ID, uri=EXTENSION_URI))
        take: Callable[[bytes], Awaitable[None]] = self._transport._handle_rtcp_data

        async def listen(data: bytes) -> None:
            for report in reports(data):
                controller.take_report(report)
            await take(data)

        self._transport._handle_rtcp_data = listen

    async def close(self) -> None:
        """Stop sending media, and drop the packets that wait."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    async def _take(self, data: bytes) -> None:
        if is_rtcp(data):
            await self._send(data)
            return
        if self._work.done():
            raise ConnectionError("The connection is closed")
        self._pacer.put(data, time.monotonic(), again=self._sent.sending_again)
        self._arrived.set()

    async def _send_all(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while (wait_s := self._pacer.wait_s(time.monotonic())) is not None:
                    if wait_s:
                        await asyncio.sleep(max(wait_s, _PACING_S))
                    for packet in self._pacer.take(time.monotonic()):
                        await self._send(self._stamped(packet))

    def _stamped(self, packet: bytes) -> bytes:
        values = {self._send_time: (clock.current_ntp_time() >> 14 & 0xFFFFFF).to_bytes(3)}
        if self._controller is not None:
            values[EXTENSION_ID] = self._controller.number(len(packet)).to_bytes(2)
        return rewritten(packet, values)


def _extensions(transceiver: RTCRtpTransceiver) -> list[RTCRtpHeaderExtensionParameters]:
    found: list[RTCRtpHeaderExtensionParameters] = transceiver._headerExtensions
    return found


def _make_room(packet: Any) -> None:
    packet.extensions.transport_sequence_number = 0
