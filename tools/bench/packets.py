"""The CPU time that one packet costs on the loop's thread, from the socket to the frame that it completes.

A sender of aiortc is connected to our `Peer` over loopback. Its packets are encrypted in advance and then sent in
bursts, so that only receiving is measured: the time of the loop's thread, less that of a run that sends nothing.
Nothing is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import attrs
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._net.webrtc.peer import Peer
from odyssey_proto._video.meters import VideoTotals
from tools.bench.figures import Figure

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["Link", "packets"]

_PAYLOAD: Final = 1150  # bytes of video in a packet
_PAUSE_S: Final = 0.001  # between bursts
_BEGINNING: Final = bytes.fromhex("7c85")  # FU-A, the first part of an IDR picture
_PARAMETERS: Final = bytes.fromhex("67 42 c0 1f 8c 8d 40")


def packets(*, short: bool) -> list[Figure]:
    """Measure the CPU time of a packet that comes alone or in a burst, ours compared with aiortc's own way."""
    return asyncio.run(_packets(short=short))


async def _packets(*, short: bool) -> list[Figure]:
    figures = []
    for burst in (30,) if short else (1, 5, 30):
        found: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(1 if short else 5):
            for ours in found:
                async with Link.between(ours=ours) as link:
                    found[ours].append(await link.cost_us(2000 if short else 6000, burst))
        figures.append(
            Figure(
                name=f"CPU a packet, bursts of {burst}",
                reference="a plain client",
                unit="µs",
                ours=statistics.median(found[True]),
                theirs=statistics.median(found[False]),
            )
        )
    return figures


@attrs.define
class Link:
    """A sender of aiortc, and a receiver that runs on a loop of its own."""

    sender: RTCPeerConnection
    loop: BackgroundLoop
    totals: VideoTotals
    per_frame: int = 20
    """Packets of a frame."""
    _number: int = 65000
    _frame: int = 0
    _part: int = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, *, ours: bool = True) -> AsyncIterator[Link]:
        """Connect sender and receiver; the receiver is our `Peer`, or aiortc alone if not ``ours``."""
        loop, clock = BackgroundLoop("odyssey-loop"), MonotonicClock()
        loop.start()
        totals = VideoTotals(clock)
        pc = RTCPeerConnection()
        pc.addTransceiver("video", "sendonly")
        pc.createDataChannel("clientToStreamer")
        listener: Any = _Listener()
        peer, plain = Peer(loop, listener, clock, loopback=True, totals=totals), None
        try:
            await pc.setLocalDescription(await pc.createOffer())
            offer = pc.localDescription.sdp
            if ours:
                answer = await asyncio.wrap_future(peer.answer(offer))
            else:
                plain, answer = await asyncio.wrap_future(loop.submit(_answered(offer)))
            await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            while pc.connectionState != "connected":
                await asyncio.sleep(0.02)
            connection: Any = plain or peer.peer_connection
            receiver = connection.getReceivers()[0]
            while receiver.transport.state != "connected":
                await asyncio.sleep(0.02)
            waiting = receiver._RTCRtpReceiver__decoder_queue
            waiting.put = functools.partial(_only_the_end, waiting.put)
            yield cls(pc, loop, totals)
        finally:
            await asyncio.wrap_future(peer.close())
            if plain is not None:
                await asyncio.wrap_future(loop.submit(plain.close()))
            await pc.close()
            await asyncio.to_thread(loop.stop)

    async def cost_us(self, count: int, burst: int) -> float:
        """Return the mean CPU time of a packet, in µs, over ``count`` packets sent in bursts."""
        await self._sent(20 * burst, burst)  # warm up
        idle, _ = await self._sent(0, burst, turns=count // burst)
        spent, sending = await self._sent(count, burst)
        return (spent - idle - sending) / count * 1e6

    async def _sent(self, count: int, burst: int, turns: int = 0) -> tuple[float, float]:
        bursts = [list(self._protected(burst)) for _ in range(count // burst)] or [[]] * turns
        return await asyncio.wrap_future(self.loop.submit(_send(self._socket(), self._there(), bursts)))

    def _protected(self, count: int) -> Iterator[bytes]:
        transport: Any = self._sender.transport
        for _ in range(count):
            last = self._part == self.per_frame - 1
            if self._frame == 0 and self._part == 0:
                payload = _PARAMETERS
            elif self._part <= 1:
                first = b"\x85" if self._frame == 0 else b"\x81"
                payload = b"\x7c" + first + os.urandom(_PAYLOAD)
            else:
                payload = b"\x7c" + (b"\x45" if last else b"\x05") + os.urandom(_PAYLOAD)
            packet = RtpPacket(
                payload_type=self._kind,
                marker=int(last),
                sequence_number=self._number & 0xFFFF,
                timestamp=self._frame * 4500 & 0xFFFFFFFF,
                ssrc=self._sender._ssrc,
                payload=payload,
            )
            packet.extensions.abs_send_time = int(self._number / self.per_frame / 20 * (1 << 18)) & 0xFFFFFF
            packet.extensions.mid = self._sender._RTCRtpSender__mid
            yield transport._tx_srtp.protect(packet.serialize(transport._rtp_header_extensions_map))
            self._number += 1
            self._part = 0 if last else self._part + 1
            self._frame += last

    @property
    def _sender(self) -> Any:
        return self.sender.getSenders()[0]

    @property
    def _kind(self) -> int:
        codecs: Any = self.sender.getTransceivers()[0]._codecs
        return int(next(codec.payloadType for codec in codecs if codec.mimeType == "video/H264"))

    def _pair(self) -> Any:
        (pair,) = self._sender.transport.transport._connection._nominated.values()
        return pair

    def _socket(self) -> socket.socket:
        found: socket.socket = self._pair().protocol.transport._sock
        return found

    def _there(self) -> Any:
        return self._pair().remote_addr


def _only_the_end(put: Callable[[Any], None], task: Any) -> None:
    if task is None:
        put(task)


async def _send(by: socket.socket, to: Any, bursts: list[list[bytes]]) -> tuple[float, float]:
    """Send from the receiver's own thread; return its CPU time, and the part spent on sending, in s."""
    began, sending = time.thread_time(), 0.0
    for burst in bursts:
        before = time.thread_time()
        for data in burst:
            by.sendto(data, to)
        sending += time.thread_time() - before
        await asyncio.sleep(_PAUSE_S)
    return time.thread_time() - began, sending


async def _answered(offer: str) -> tuple[RTCPeerConnection, str]:
    pc = RTCPeerConnection()
    await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    return pc, pc.localDescription.sdp


class _Listener:
    """Takes reports, and ignores them."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None
