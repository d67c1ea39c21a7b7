"""The fast path of packets beside aiortc's own: the same packets give the same frames, requests and counts.

Both have aiortc's transport, router and receiver, and aioice's connection; only the network is missing.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import socket
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest
from aioice.ice import StunProtocol
from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import Policy, RTCCertificate, RTCDtlsTransport, Session, State
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket, wrap_rtx

from odyssey_proto._net.webrtc import intake
from odyssey_proto._net.webrtc.receiving import Receiving
from odyssey_proto._video.meters import VideoTotals
from tests.support.clocks import Time
from tests.support.coroutines import in_time
from tests.support.rtp import INTER, KEYFRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_KEY: Final = bytes(range(30))
_VIDEO, _AGAIN, _STRANGER = 7, 8, 9  # SSRCs
_VP8, _H264, _RTX = 97, 99, 98  # payload types
_CERTIFICATE: Final = RTCCertificate.generateCertificate()


def session(kind: int) -> Session:
    policy = Policy(key=_KEY, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
    policy.allow_repeat_tx, policy.window_size = True, 1024
    return Session(policy)


def parameters() -> RTCRtpReceiveParameters:
    feedback = [RTCRtcpFeedback(type="nack"), RTCRtcpFeedback(type="goog-remb")]
    return RTCRtpReceiveParameters(
        codecs=[
            RTCRtpCodecParameters("video/VP8", 90000, payloadType=_VP8, rtcpFeedback=feedback),
            RTCRtpCodecParameters("video/rtx", 90000, payloadType=_RTX, parameters={"apt": _VP8}),
            RTCRtpCodecParameters("video/H264", 90000, payloadType=_H264, rtcpFeedback=feedback),
        ],
        encodings=[
            RTCRtpDecodingParameters(ssrc=_VIDEO, payloadType=_VP8, rtx=RTCRtpRtxParameters(ssrc=_AGAIN)),
        ],
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
            RTCRtpHeaderExtensionParameters(
                id=2, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
            ),
        ],
        muxId="0",
    )


class _Frames:
    """Takes encoded frames, in place of a decoder."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytes, int]] = []
        self._end: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, task: Any) -> None:
        if task is None:
            self._end.put(None)
            return
        codec, frame = task
        for each in (frame, *frame.followers):
            self.found.append((codec.name, each.data, each.sent))

    def get(self) -> None:
        self._end.get()


class Receiver:
    """A receiver behind an established encrypted transport, with a record of its actions."""

    def __init__(self, *, short: bool) -> None:
        self.clock = Time()
        self.totals = VideoTotals(self.clock)
        self.sent: list[tuple[str, Any]] = []
        self.long = 0  # packets that took the slow path
        self._short = short
        self._protect = session(Policy.SSRC_ANY_OUTBOUND)

    async def start(self) -> None:
        loop: Any = asyncio.get_running_loop()
        loop.call_later = lambda *_: asyncio.TimerHandle(
            0, len, (), loop
        )  # no timer ever fires: only packets count
        self.transport: Any = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer()), [_CERTIFICATE])
        self.connection: Any = self.transport.transport._connection
        self.connection._nominated = {1: None}
        self.transport._state = State.CONNECTED
        self.transport._RTCDtlsTransport__handshake_done = True
        self.transport._rx_srtp = session(Policy.SSRC_ANY_INBOUND)
        self.receiver: Any = RTCRtpReceiver("video", self.transport)
        self.receiver._track = RemoteStreamTrack("video")
        self.receiver._send_rtcp_nack = self._note("packets")
        self.receiver._send_rtcp_pli = self._note("keyframe")
        self.receiver._send_rtcp = self._note("report")
        self.receiver._RTCRtpReceiver__rtcp_ssrc = 1
        self.receiving = Receiving(
            self.receiver,
            self.totals,
            on_frame=lambda *_: None,
            round_trip=lambda: 0.05,
            wants_all=lambda: False,
            spawn=self._spawn,
            max_pixels=10**6,
            on_oversize=lambda *_: None,
        )
        self.frames = self.receiver._RTCRtpReceiver__decoder_queue = _Frames()
        if self._short:
            self.receiving.start()
            assert self.connection.data_received != type(self.connection).data_received
            way = self.receiving._intake._long_way  # type: ignore[union-attr]  # the fast path was installed
            self.receiving._intake._long_way = self._counted(way)  # type: ignore[union-attr]
        await self.receiver.receive(parameters())
        self.task = asyncio.ensure_future(self.transport._RTCDtlsTransport__run())

    def _note(self, what: str) -> Callable[..., Coroutine[Any, Any, None]]:
        async def send(*arguments: Any) -> None:
            self.sent.append((what, arguments if what == "packets" else arguments[:0]))

        return send

    @staticmethod
    def _spawn(coroutine: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            coroutine.send(None)  # at once, so that the order can be compared

    def _counted(self, way: Callable[[bytes, int], None]) -> Callable[[bytes, int], None]:
        def take(data: bytes, component: int) -> None:
            self.long += 1
            way(data, component)

        return take

    def protected(self, data: bytes) -> bytes:
        is_report = 192 <= data[1] <= 208
        return (self._protect.protect_rtcp if is_report else self._protect.protect)(data)

    async def settle(self) -> None:
        while not self.connection._queue.empty() and not self.task.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self.receiving.give_up()
        self.task.cancel()
        await self.receiver.stop()

    @property
    def outcome(self) -> dict[str, Any]:
        """All visible effects of the packets."""
        receiver, totals = self.receiver, self.totals
        streams = receiver._RTCRtpReceiver__remote_streams
        counted = "packets packets_lost payload_bytes frames_lost frames_held requested repaired in_vain"
        return {
            "frames": self.frames.found,
            "sent": [each for each in self.sent if each[0] != "report"],
            "sources": set(receiver._RTCRtpReceiver__active_ssrc),
            "streams": {
                ssrc: (each.packets_received, each.max_seq, each.packets_lost) for ssrc, each in streams.items()
            },
            "transport": (
                self.transport._RTCDtlsTransport__rx_packets,
                self.transport._RTCDtlsTransport__rx_bytes,
            ),
            "totals": {name: getattr(totals, name) for name in (*counted.split(), "keyframes_requested")},
            "bits": totals.bits.per_second(self.clock.now()),
            "alive": not self.task.done(),
        }


def stream(draw: random.Random) -> Iterator[tuple[float, bytes]]:
    """Yield packets, not yet encrypted, each with the time in s since the one before."""
    known = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer()), [_CERTIFICATE])._rtp_header_extensions_map
    known.configure(parameters())
    number, again, rate = draw.randrange(2**16), draw.randrange(2**16), draw.choice([0.0, 0.02, 0.1])
    repeated: list[RtpPacket] = []
    for frame in range(60):
        size = draw.randrange(1, 9)
        for part in range(size):
            kind = _H264 if draw.random() < 0.02 else _VP8
            begin = b"" if part else KEYFRAME if frame % 20 == 0 else INTER
            content = (b"\x90\x80\x81\x02" if not part else b"\x80\x80\x05") + begin + draw.randbytes(20)
            if kind == _H264:
                content = b"\x7c\x85" + draw.randbytes(10)
            packet = RtpPacket(kind, int(part == size - 1), number, frame * 4500, _VIDEO, content)
            packet.extensions.abs_send_time = draw.choice([None, frame * 13107 & 0xFFFFFF])
            packet.extensions.mid = draw.choice([None, "0"])
            packet.padding_size = draw.choice([0] * 30 + [4])
            packet.csrc = draw.choice([[]] * 30 + [[3]])
            number = number + 1 & 0xFFFF
            chance = draw.random()
            if chance < rate:
                repeated.append(packet)
            elif chance < rate + 0.01:
                yield 0.0, b"\x80\x61\x00\x01"  # too short
            else:
                yield (0.05 if part == 0 else draw.choice([0.0, 0.0, 0.001])), packet.serialize(known)
                if draw.random() < 0.01:
                    yield 0.0, packet.serialize(known)  # twice
            if repeated and draw.random() < 0.3:
                once = wrap_rtx(repeated.pop(0), _RTX, again, _AGAIN)
                again = again + 1 & 0xFFFF
                yield 0.001, once.serialize(known)
        yield from others(draw, frame)


def others(draw: random.Random, frame: int) -> Iterator[tuple[float, bytes]]:
    """Yield, now and then, a packet that is not video for this receiver."""
    if draw.random() < 0.1:
        yield 0.0, bytes(RtcpSrPacket(_VIDEO, RtcpSenderInfo(frame << 32, frame * 4500, frame, frame)))
    if draw.random() < 0.1:
        yield 0.0, RtpPacket(111, 0, frame, frame, _STRANGER, b"sound").serialize()
    if draw.random() < 0.05:
        yield 0.0, RtpPacket(_VP8, 1, frame, frame * 4500, _STRANGER + 1, b"\x10who").serialize()


def test_both_ways_lead_to_the_same() -> None:
    async def run(seed: int, *, short: bool) -> tuple[dict[str, Any], int, int]:
        draw, receiver = random.Random(seed), Receiver(short=short)
        await receiver.start()
        count = 0
        for ahead, data in stream(draw):
            if ahead or draw.random() < 0.2:
                await receiver.settle()  # otherwise the packets come as a burst
            receiver.clock.at += ahead
            whole = receiver.protected(data) if len(data) >= 12 else data
            if draw.random() < 0.01:
                whole = whole[:-1] + bytes([whole[-1] ^ 1])  # fails the authentication
            receiver.connection.data_received(whole, 1)
            count += 1
        await receiver.settle()
        await receiver.stop()
        return receiver.outcome, receiver.long, count

    kinds: Counter[str] = Counter()
    for seed in range(16):
        ours, long, count = asyncio.run(run(seed, short=True))
        theirs, _, _ = asyncio.run(run(seed, short=False))
        assert ours == theirs, f"seed {seed}"
        kinds.update(packets=count, long=long, frames=len(ours["frames"]), sent=len(ours["sent"]))
    assert kinds["frames"] > 300
    assert kinds["sent"] > 50
    assert kinds["long"] < kinds["packets"] / 2


async def established() -> Receiver:
    receiver = Receiver(short=True)
    await receiver.start()
    return receiver


def plain(number: int, size: int = 20) -> bytes:
    return RtpPacket(_VP8, 1, number, number * 4500, _VIDEO, b"\x10" + KEYFRAME + bytes(size)).serialize()


def test_a_datagram_that_is_too_long_to_decrypt_does_not_end_the_connection() -> None:
    async def run() -> tuple[bool, int, int]:
        receiver = await established()
        receiver.connection.data_received(b"\x80\x61" + bytes(1600), 1)
        receiver.connection.data_received(b"\xa0\x61" + bytes(1600), 1)  # with padding: not for the fast path
        await receiver.settle()
        receiver.connection.data_received(receiver.protected(plain(1)), 1)
        await receiver.settle()
        alive = not receiver.task.done()
        await receiver.stop()
        return alive, receiver.long, len(receiver.frames.found)

    assert asyncio.run(run()) == (True, 0, 1)


@pytest.mark.parametrize("length", [1, 2, 4, 16])
def test_an_extension_of_a_wrong_length_does_not_end_the_connection(length: int) -> None:
    async def run() -> tuple[bool, int, int]:
        receiver = await established()
        element = bytes([2 << 4 | length - 1]) + bytes(length)  # abs-send-time
        element += bytes(-len(element) % 4)
        head, rest = plain(1)[:12], plain(1)[12:]
        wrong = bytes([head[0] | 0x10]) + head[1:] + b"\xbe\xde" + (len(element) // 4).to_bytes(2) + element + rest
        receiver.connection.data_received(receiver.protected(wrong), 1)
        await receiver.settle()
        receiver.connection.data_received(receiver.protected(plain(2)), 1)
        await receiver.settle()
        alive = not receiver.task.done()
        await receiver.stop()
        return alive, receiver.long, len(receiver.frames.found)

    assert asyncio.run(run()) == (True, 1, 1)


def test_packets_go_the_long_way_once_this_has_ended() -> None:
    async def run() -> tuple[int, int]:
        receiver = await established()
        receiver.receiving.give_up()
        assert "data_received" not in vars(receiver.connection)
        receiver.connection.data_received(receiver.protected(plain(1)), 1)
        waiting = receiver.connection._queue.qsize()
        await receiver.settle()
        await receiver.stop()
        return waiting, len(receiver.frames.found)

    assert asyncio.run(run()) == (1, 1)


@pytest.mark.parametrize("where", ["receiver", "transport", "connection"])
def test_everything_goes_the_long_way_if_a_part_is_not_as_known(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> Any:
        receiver = await established()
        receiver.receiving.give_up()
        if where == "receiver":
            del receiver.receiver._RTCRtpReceiver__remote_streams
        elif where == "transport":
            receiver.transport._rtp_router = object()
        else:
            receiver.connection._queue = asyncio.PriorityQueue()
        parts = receiver.receiving._requester, receiver.receiving._buffer
        found = intake.install(receiver.receiver, *parts, receiver._spawn)  # type: ignore[arg-type]  # both are there
        receiver.receiver._RTCRtpReceiver__remote_streams = {}
        receiver.transport._rtp_router = type("Router", (), {"unregister_receiver": lambda *_: None})()
        await receiver.stop()
        return found

    with caplog.at_level(logging.INFO, "odyssey_proto.webrtc"):
        assert asyncio.run(run()) is None
    assert "takes packets in its own way" in caplog.text


def test_aiortc_logs_each_packet_if_it_is_asked_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "aiortc.rtcrtpreceiver"):
        receiver: Any = None
        assert intake.install(receiver, receiver, receiver, receiver) is None


class _Connection:
    """Takes datagrams, as aioice's connection does."""

    def __init__(self) -> None:
        self.took: list[bytes] = []

    def data_received(self, data: bytes, component: int) -> None:
        self.took.append(data)


def test_what_waits_at_a_socket_is_read_all_at_once_and_in_order() -> None:
    async def run() -> tuple[list[bytes], list[bytes], list[bytes]]:
        loop, connection = asyncio.get_running_loop(), _Connection()
        endpoint: Any = await loop.create_datagram_endpoint(
            lambda: StunProtocol(connection),  # type: ignore[arg-type]  # it has the one method that is called
            local_addr=("127.0.0.1", 0),
        )
        transport, protocol = endpoint
        protocol.local_candidate = SimpleNamespace(component=1)
        assert intake._Socket.can_read(protocol)
        reader = intake._Socket(protocol, connection.data_received)
        assert not intake._Socket.can_read(protocol), "only once"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sent = [bytes([128 + number % 2 * 64, number]) for number in range(70)]  # every other one is not media
            for data in (b"", *sent):
                sender.sendto(data, transport.get_extra_info("sockname"))
            before = len(connection.took)
            while len(connection.took) < len(sent) + 1:
                before = len(connection.took)
                await asyncio.sleep(0)
            first = connection.took[:before]
            reader.stop()
            assert "datagram_received" not in vars(protocol)
            sender.sendto(b"\x80last", transport.get_extra_info("sockname"))
            while connection.took[-1] != b"\x80last":
                await asyncio.sleep(0)
        transport.close()
        await asyncio.sleep(0)
        return sent, first, connection.took

    sent, first, took = in_time(run())
    assert took == [b"", *sent, b"\x80last"]
    assert len(first) == 64
