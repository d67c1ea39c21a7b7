"""The RTCP reports of a video receiver to the sender: this module gives three others the time and the network.

Receiver reports come from `reception`. Reports on each packet come from `transport_feedback` if both sides agreed
on them, and limits from `bandwidth` otherwise. aiortc's own receiver reports do not count repaired packets as
lost, and their highest number wraps around; its own limits let a sender that does not pace its packets keep a slow
link full. If aiortc's internals differ from those known here, it reports in its own way.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._base.limits import RTP_SOURCES_MOST
from ..._video.meters import signed
from . import bandwidth, transport_feedback
from .reception import Reception

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from aiortc import RTCPeerConnection, RTCRtpReceiver
    from aiortc.rtcrtpreceiver import StreamStatistics
    from aiortc.rtp import RtpPacket
    from aiortc.sdp import MediaDescription

    from ..._base.clock import Clock
    from ..._video.meters import VideoTotals
    from .recovery import Recovery

__all__ = ["Feedback", "Terms", "agree", "install", "is_possible", "offering", "terms"]

log = logging.getLogger("odyssey_proto.webrtc")

_PREFIX: Final = "_RTCRtpReceiver__"  # aiortc has no public way
_STREAMS: Final = _PREFIX + "remote_streams"
_ESTIMATOR: Final = _PREFIX + "remote_bitrate_estimator"
_CODECS: Final = _PREFIX + "codecs"
_OUR_NUMBER: Final = _PREFIX + "rtcp_ssrc"
_SEND_TIME_BITS: Final = 24  # of abs-send-time, in units of 2**-18 s
_SEND_TIME_PER_S: Final = 1 << 18
_TIMESTAMP_BITS: Final = 32
_IDS: Final = range(1, 15)  # of header extensions with a one-byte header (RFC 8285)


# --- descriptions


@attrs.frozen
class Terms:
    """The terms for reports on each packet in a section of the other side's description."""

    extension: int
    """The id of the header extension that numbers packets."""
    payload_types: frozenset[int]
    """The payload types of the packets to report."""


def terms(media: Iterable[MediaDescription]) -> dict[str, Terms]:
    """Return the terms in a description that aiortc has parsed, by the ids of its video sections."""
    found = {}
    for each in media:
        ids = [extension.id for extension in each.rtp.headerExtensions if extension.uri == transport_feedback.URI]
        reported = frozenset(
            codec.payloadType
            for codec in each.rtp.codecs
            if codec.payloadType is not None
            and not _repeats(codec)
            and _feedback_of(codec, transport_feedback.KIND)
        )
        if each.kind == "video" and ids and reported:
            found[each.rtp.muxId] = Terms(ids[0], reported)
    return found


def agree(pc: RTCPeerConnection, receiver: RTCRtpReceiver, offered: Mapping[str, Terms]) -> None:
    """Accept reports on each packet for the video of ``receiver``, if the other side ``offered`` them.

    Call this as soon as aiortc knows the other side's description; aiortc then answers accordingly.
    """
    from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpHeaderExtensionParameters

    (transceiver,) = (each for each in pc.getTransceivers() if each.receiver is receiver)
    wanted = offered.get(str(transceiver.mid))
    accepted = False
    for codec in transceiver._codecs:
        # For retransmissions, aiortc repeats the offer.
        kept = [each for each in codec.rtcpFeedback if each.type != transport_feedback.KIND]
        if wanted is not None and codec.payloadType in wanted.payload_types:
            kept = [each for each in kept if each.type != bandwidth.REMB]
            kept.append(RTCRtcpFeedback(type=transport_feedback.KIND))
            accepted = True
        codec.rtcpFeedback = kept
    if wanted is not None and accepted:
        numbering = RTCRtpHeaderExtensionParameters(id=wanted.extension, uri=transport_feedback.URI)
        transceiver._headerExtensions = [*transceiver._headerExtensions, numbering]


def offering(offer: str) -> str:
    """Return an offer of aiortc that also offers reports on each packet of its video."""
    taken = {int(number) for number in re.findall(r"^a=extmap:(\d+)", offer, re.MULTILINE)}
    extension = next(number for number in _IDS if number not in taken)

    def video(found: re.Match[str]) -> str:
        numbers = re.findall(r"^a=rtpmap:(\d+) (?!rtx/)", found[0], re.MULTILINE)
        lines = (
            f"a=extmap:{extension} {transport_feedback.URI}",
            *(f"a=rtcp-fb:{number} {transport_feedback.KIND}" for number in numbers),
        )
        return found[0] + "".join(f"{line}\r\n" for line in lines)

    return re.sub(r"^m=video .*?(?=^m=|\Z)", video, offer, count=1, flags=re.MULTILINE | re.DOTALL)


def _repeats(codec: Any) -> bool:
    """Return whether the packets of a "codec" are retransmissions (RFC 4588)."""
    return bool(codec.name.lower() == "rtx")


def _feedback_of(codec: Any, kind: str) -> bool:
    return any(each.type == kind and not each.parameter for each in codec.rtcpFeedback)


# --- reports


class Feedback:
    """The reports of one receiver. Runs on the loop's thread.

    Args:
        receiver: aiortc's receiver, which sends the reports; it makes the receiver reports by itself.
        recovery: knows which packets were requested.
        clock: for the times of arrival.
        totals: receives the estimated bandwidth.
        spawn: starts a task that ends with the connection.
    """

    def __init__(
        self,
        receiver: Any,
        recovery: Recovery,
        clock: Clock,
        totals: VideoTotals,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._receiver = receiver
        self._recovery = recovery
        self._clock = clock
        self._totals = totals
        self._spawn = spawn
        self._transport = transport_feedback.TransportFeedback()
        self._bandwidth = bandwidth.Bandwidth()
        self._kinds: dict[int, tuple[bool, bool]] = {}  # whether it is video, and limited; by payload type
        self._ssrc = 0  # of the video
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._stopped = False

    def take(self, packet: RtpPacket, stream: _Stream) -> None:
        """Take a packet, before anything else does."""
        now, number = self._clock.now(), packet.sequence_number
        is_video, is_limited = self._kinds.get(packet.payload_type) or self._learn(packet.payload_type)
        repaired = is_video and self._recovery.answers(number, now)
        stream.reception.take(number, timestamp=packet.timestamp, now=now, repaired=repaired)
        if is_video:
            self._ssrc = packet.ssrc
            self._measure(packet, stream, now)
            if is_limited and (limit := self._bandwidth.due(now)) is not None:
                self._send(bandwidth.limit(limit, sender=self._our_number, sources=[packet.ssrc]))
        place = packet.extensions.transport_sequence_number
        if place is not None:
            self._transport.take(place, now)
            self._set_timer(now)

    def _learn(self, payload_type: int) -> tuple[bool, bool]:
        codec = getattr(self._receiver, _CODECS)[payload_type]
        kind = self._kinds[payload_type] = not _repeats(codec), _feedback_of(codec, bandwidth.REMB)
        return kind

    def _measure(self, packet: RtpPacket, stream: _Stream, now: float) -> None:
        reception = stream.reception
        self._bandwidth.take(
            len(packet.payload) + packet.padding_size,
            sent=stream.sent(packet),
            now=now,
            lost=reception.lost,
            expected=reception.expected,
        )
        self._totals.bandwidth_bps = self._bandwidth.estimate

    @property
    def _our_number(self) -> int:
        return getattr(self._receiver, _OUR_NUMBER) or 0

    def _send(self, report: bytes) -> None:
        if not self._stopped:
            self._spawn(self._receiver._send_rtcp(report))

    def _set_timer(self, now: float) -> None:
        at = self._transport.next_at
        if at is None or self._stopped:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._report)

    def _report(self) -> None:
        self._timer = None
        now = self._clock.now()
        for report in self._transport.due(now, sender=self._our_number, source=self._ssrc):
            self._send(report)
        self._set_timer(now)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Stream:
    """The packets of one SSRC, in place of aiortc's statistics of them."""

    def __init__(self, feedback: Feedback, clock_rate: int) -> None:
        self.reception = Reception(clock_rate)
        self._feedback = feedback
        self._clock_rate = clock_rate
        self._sent: int | None = None  # in units of the sender's clock
        self._units_per_s, self._bits = clock_rate, _TIMESTAMP_BITS

    def add(self, packet: RtpPacket) -> None:
        """Take a packet."""
        self._feedback.take(packet, self)

    def sent(self, packet: RtpPacket) -> float:
        """Return when a packet was sent, or else the time of its frame, in s, by the sender's clock."""
        stamp = packet.extensions.abs_send_time
        bits, units_per_s = _SEND_TIME_BITS, _SEND_TIME_PER_S
        if stamp is None:
            stamp, bits, units_per_s = packet.timestamp, _TIMESTAMP_BITS, self._clock_rate
        if self._sent is None or bits != self._bits:
            self._sent, self._bits, self._units_per_s = stamp, bits, units_per_s
        self._sent += signed(stamp - self._sent, bits)
        return self._sent / units_per_s

    # The attributes that aiortc reads for its receiver reports and its statistics.

    @property
    def packets_received(self) -> int:
        """Packets that came."""
        return self.reception.received

    @property
    def packets_lost(self) -> int:
        """Packets lost, including those that came only after a request."""
        return self.reception.lost_in_report

    @property
    def fraction_lost(self) -> int:
        """The share of packets lost since this was last read, in units of 1/256."""
        return self.reception.fraction()

    @property
    def max_seq(self) -> int:
        """The highest sequence number, extended by the count of wraparounds."""
        return self.reception.highest & 0xFFFFFFFF

    @property
    def jitter(self) -> int:
        """The variation of the times between packets, in timestamp units."""
        return self.reception.jitter


class _Streams(dict[int, Any]):
    """aiortc's statistics of streams by SSRC, each replaced as it is inserted."""

    def __init__(self, feedback: Feedback, known: type[StreamStatistics]) -> None:
        super().__init__()
        self._feedback = feedback
        self._known = known

    def __setitem__(self, ssrc: int, statistics: Any) -> None:
        while len(self) >= RTP_SOURCES_MOST:
            del self[next(iter(self))]
        if type(statistics) is self._known:
            statistics = _Stream(self._feedback, statistics._clockrate)
        super().__setitem__(ssrc, statistics)


def is_possible(receiver: RTCRtpReceiver) -> bool:
    """Return whether the internals of ``receiver``, which has received nothing yet, are those known here."""
    from aiortc.rate import RemoteBitrateEstimator
    from aiortc.rtcrtpreceiver import StreamStatistics

    streams, codecs = getattr(receiver, _STREAMS, None), getattr(receiver, _CODECS, None)
    return (
        type(streams) is dict
        and not streams
        and type(codecs) is dict
        and type(getattr(receiver, _ESTIMATOR, None)) is RemoteBitrateEstimator
        and hasattr(receiver, _OUR_NUMBER)
        and hasattr(receiver, "_send_rtcp")
        and vars(StreamStatistics(1)).get("_clockrate") == 1
    )


def install(
    receiver: RTCRtpReceiver,
    recovery: Recovery,
    clock: Clock,
    totals: VideoTotals,
    spawn: Callable[[Coroutine[Any, Any, None]], None],
) -> Feedback | None:
    """Have ``receiver`` report through a `Feedback`, and return that; return None if that is not possible."""
    from aiortc.rtcrtpreceiver import StreamStatistics

    if not is_possible(receiver):
        log.info("this version of aiortc reports to senders in its own way")
        return None
    feedback = Feedback(receiver, recovery, clock, totals, spawn)
    setattr(receiver, _STREAMS, _Streams(feedback, StreamStatistics))
    setattr(receiver, _ESTIMATOR, None)
    return feedback
