"""A fast path for the packets of a video, from the socket to the jitter buffer.

In aiortc and aioice, a packet passes a STUN parser, a queue, five coroutines and a dozen objects, and asyncio
reads one packet each time that it polls the socket. The fast path is a few calls: it reads all waiting packets at
once, and parses their headers by `packets`. It is for ordinary packets. All others take the slow path: DTLS,
reports (RTCP), STUN, retransmissions in a stream of their own, sound, unknown senders, packets that `packets` does
not read, and, to keep the order, those that come while packets wait in aioice's queue. If the internals of aiortc,
aioice or asyncio differ from those known here, all packets take the slow path.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import selector_events
from typing import TYPE_CHECKING, Any, Final

import aiortc.rtcrtpreceiver
from aioice import Connection
from aioice.ice import StunProtocol
from aiortc import clock, rtcdtlstransport, rtp
from aiortc.codecs import depayload
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpRouter, State
from aiortc.rtcrtpreceiver import StreamStatistics

from .packets import DEPAYLOADERS, Packet, read

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from .jitter import MarkerJitterBuffer
    from .repair import Requester

__all__ = ["Intake", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_RECEIVER: Final = "_RTCRtpReceiver__"  # aiortc has no public way
_RECEIVERS_PARTS: Final = (
    "active_ssrc",
    "codecs",
    "decoder_error",
    "decoder_queue",
    "decoder_thread",
    "jitter_buffer",
    "nack_generator",
    "remote_bitrate_estimator",
    "remote_streams",
    "rtcp_ssrc",
    "timestamp_mapper",
)
_PACKETS: Final = "_RTCDtlsTransport__rx_packets"
_BYTES: Final = "_RTCDtlsTransport__rx_bytes"
_IDS: Final = "_HeaderExtensionsMap__ids"
_REPORTS: Final = range(64, 81)  # payload types that look like those of RTCP (RFC 5761, 4)
_MEDIA: Final = range(128, 192)  # the first byte of RTP and RTCP packets (RFC 7983)
_SHORTEST: Final = 20  # bytes; a header, and the authentication tag or part of it
_LONGEST: Final = 1500  # bytes that pylibsrtp takes
_DATAGRAM: Final = 65535  # bytes; asyncio makes room for four times as much for each, which costs a system call
_AT_ONCE: Final = 64  # datagrams, before the loop looks at anything else
_NotGenuine: Final = rtcdtlstransport.pylibsrtp.Error  # type: ignore[attr-defined]  # that of aiortc's own library


class Intake:
    """Takes the packets of one receiver whose connection is established. Runs on the loop's thread."""

    def __init__(
        self,
        receiver: Any,
        transport: Any,
        requester: Requester,
        buffer: MarkerJitterBuffer,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._receiver = receiver
        self._transport = transport
        self._router = transport._rtp_router
        self._ids = getattr(transport._rtp_header_extensions_map, _IDS)
        self._connection = transport.transport._connection
        self._queue = self._connection._queue
        self._long_way = self._connection.data_received
        self._requester = requester
        self._buffer = buffer
        self._spawn = spawn
        self._codecs: dict[int, tuple[Any, Callable[[bytes], bytes | None]]] = {}  # by payload type
        self._sockets: list[_Socket] = []

    def start(self) -> None:
        """Take packets from now on."""
        self._connection.data_received = self.take
        for protocol in self._connection._protocols:
            if _Socket.can_read(protocol):
                self._sockets.append(_Socket(protocol, self.take))

    def _learn(self) -> None:
        """Learn the codecs, which aiortc's receiver does not know before the connection is established."""
        for kind, codec in getattr(self._receiver, _RECEIVER + "codecs").items():
            if codec.name in DEPAYLOADERS and kind not in _REPORTS:
                self._codecs[kind] = codec, DEPAYLOADERS[codec.name]

    def stop(self) -> None:
        """Leave all packets to aiortc."""
        if self._connection.__dict__.get("data_received") == self.take:
            del self._connection.data_received
        for each in self._sockets:
            each.stop()
        self._sockets.clear()

    def take(self, data: bytes, component: int) -> None:
        """Take a datagram that is not STUN, as aioice's connection does."""
        size, transport = len(data), self._transport
        if not self._codecs:
            self._learn()
        if (
            size < _SHORTEST
            or data[1] & 0x7F not in self._codecs
            or not self._queue.empty()
            or transport._state is not State.CONNECTED
            or (packet := read(data, self._ids)) is None
            or not self._is_expected(packet)
        ):
            if size <= _LONGEST or data[0] not in _MEDIA:  # aiortc would end the connection
                self._long_way(data, component)
            return
        transport._RTCDtlsTransport__rx_packets += 1
        transport._RTCDtlsTransport__rx_bytes += size
        if size > _LONGEST:  # likewise
            return
        try:
            plain = transport._rx_srtp.unprotect(data)
        except _NotGenuine:
            return
        if packet.begin <= len(plain):
            packet.payload = plain[packet.begin :]
            self._receive(packet)

    def _is_expected(self, packet: Packet) -> bool:
        """Return whether the packet is certain to be for this receiver, by aiortc's rules."""
        router, receiver = self._router, self._receiver
        return router.ssrc_table.get(packet.ssrc) is receiver and receiver in router.payload_type_table.get(
            packet.payload_type, ()
        )

    def _receive(self, packet: Packet) -> None:
        """Do what aiortc's receiver does with a packet, in its order."""
        receiver: Any = self._receiver
        if not receiver._enabled:
            return
        codec, part = self._codecs[packet.payload_type]
        self._estimate(packet)
        ssrc = packet.ssrc
        if packet.marker or ssrc not in receiver._RTCRtpReceiver__active_ssrc:  # once a frame is often enough
            receiver._RTCRtpReceiver__active_ssrc[ssrc] = clock.current_datetime()
        streams = receiver._RTCRtpReceiver__remote_streams
        if ssrc not in streams:
            streams[ssrc] = StreamStatistics(codec.clockRate)
        streams[ssrc].add(packet)
        if self._requester.add(packet):  # type: ignore[arg-type]  # it has the attributes that are read
            self._spawn(receiver._send_rtcp_nack(ssrc, sorted(self._requester.missing)))
        try:
            data = part(packet.payload)
            packet._data = depayload(codec, packet.payload) if data is None and packet.payload else data or b""
        except ValueError:
            return
        asks, frame = self._buffer.add(packet)  # type: ignore[arg-type]  # likewise
        failed = receiver._RTCRtpReceiver__decoder_error
        if failed.is_set():
            failed.clear()
            asks = True
        if asks:
            self._spawn(receiver._send_rtcp_pli(ssrc))
        if frame is not None and receiver._RTCRtpReceiver__decoder_thread:
            frame.timestamp = receiver._RTCRtpReceiver__timestamp_mapper.map(frame.timestamp)
            receiver._RTCRtpReceiver__decoder_queue.put((codec, frame))

    def _estimate(self, packet: Packet) -> None:
        """Let aiortc estimate the bandwidth, as long as that is its task."""
        receiver: Any = self._receiver
        estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
        if estimator is None or packet.abs_send_time is None:
            return
        limit = estimator.add(
            abs_send_time=packet.abs_send_time,
            arrival_time_ms=clock.current_ms(),
            payload_size=len(packet.payload),
            ssrc=packet.ssrc,
        )
        sender = receiver._RTCRtpReceiver__rtcp_ssrc
        if limit is not None and sender is not None:
            report = rtp.RtcpPsfbPacket(
                fmt=rtp.RTCP_PSFB_APP, ssrc=sender, media_ssrc=0, fci=rtp.pack_remb_fci(*limit)
            )
            self._spawn(receiver._send_rtcp(report))


class _Socket:
    """Reads all datagrams that wait at a socket when asyncio reads the first one."""

    def __init__(self, protocol: Any, take: Callable[[bytes, int], None]) -> None:
        self._protocol = protocol
        self._take = take
        self._component = protocol.local_candidate.component
        self._one: Callable[[bytes, Any], None] = protocol.datagram_received
        self._transport: Any = protocol.transport
        self._socket: socket.socket = self._transport._sock
        self._transport.max_size = _DATAGRAM
        protocol.datagram_received = self._received

    @staticmethod
    def can_read(protocol: Any) -> bool:
        """Return whether this is a protocol of aioice on a socket of asyncio, both with known internals."""
        transport: Any = getattr(protocol, "transport", None)
        return (
            type(protocol) is StunProtocol
            and "datagram_received" not in vars(protocol)
            and type(transport) is selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
            and hasattr(transport, "_sock")
            and hasattr(transport, "max_size")
            and hasattr(protocol, "local_candidate")
        )

    def stop(self) -> None:
        """Leave the rest to asyncio and aioice."""
        if self._protocol.__dict__.get("datagram_received") == self._received:
            del self._protocol.datagram_received

    def _received(self, data: bytes, address: Any) -> None:
        for left in range(_AT_ONCE, 0, -1):
            if data and data[0] in _MEDIA:
                self._take(data, self._component)
            else:
                self._one(data, address)
            if left == 1 or self._transport.is_closing():
                return
            try:
                data, address = self._socket.recvfrom(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self._protocol.error_received(exc)
                return


def install(
    receiver: Any,
    requester: Requester,
    buffer: MarkerJitterBuffer,
    spawn: Callable[[Coroutine[Any, Any, None]], None],
) -> Intake | None:
    """Send the packets of ``receiver`` along the fast path, and return it; return None if that is not possible.

    Args:
        receiver: a receiver of aiortc with our ``requester`` and our ``buffer``, whose connection is established.
        requester: its requests for lost packets.
        buffer: its jitter buffer.
        spawn: starts a task that ends with the connection.
    """
    transport = getattr(receiver, "transport", None)
    if aiortc.rtcrtpreceiver.logger.isEnabledFor(logging.DEBUG):
        log.info("packets take the slow path, on which aiortc logs each of them")
        return None
    if not _is_known(receiver, transport):
        log.info("this version of aiortc takes packets in its own way, which costs more time for each")
        return None
    intake = Intake(receiver, transport, requester, buffer, spawn)
    intake.start()
    return intake


def _is_known(receiver: Any, transport: Any) -> bool:
    """Return whether the parts that the fast path bypasses are those known here."""
    connection = getattr(getattr(transport, "transport", None), "_connection", None)
    return (
        all(hasattr(receiver, _RECEIVER + part) for part in _RECEIVERS_PARTS)
        and hasattr(receiver, "_enabled")
        and type(transport) is RTCDtlsTransport
        and type(getattr(transport, "_rtp_router", None)) is RtpRouter
        and all(hasattr(transport, part) for part in (_PACKETS, _BYTES, "_state", "_rx_srtp"))
        and hasattr(getattr(transport, "_rtp_header_extensions_map", None), _IDS)
        and type(connection) is Connection
        and type(getattr(connection, "_queue", None)) is asyncio.Queue
        and "data_received" not in vars(connection)
        and hasattr(connection, "_protocols")
    )
