"""The jitter buffer of a video receiver: frames are released by their marker bit, and their arrival is known.

aiortc releases a frame when the first packet of the next one arrives: 50 ms late at 20 fps, and the last frame of
a stream not before the next stream begins. RTP marks the last packet of each frame (the marker bit; RFC 6184,
RFC 7741), and that is all there is to wait for. After a loss, and at the beginning, frames are held back until a
keyframe: decoded without the pictures that they refer to, they would be garbage. What is lost is waited for while
it may come again; then a keyframe is asked for, and shown past the gap. Everything else is left to
aiortc's own buffer; and where aiortc has another shape than the one known here, so is everything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import TimestampMapper

from ..stats import LinkMeter, VideoTotals

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..clock import Clock

__all__ = ["MarkerJitterBuffer", "install"]

log = logging.getLogger(__name__)

_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"  # aiortc has no public way
_ASK_EVERY: Final = 0.5  # s between two requests for a keyframe
_REPAIRED_WITHIN: Final = 0.3  # s; lost packets that have not come again by then are not waited for any more
_START_CODE: Final = b"\x00\x00\x01"  # before each unit of an H.264 frame, as aiortc joins them
_IDR: Final = 5  # the type of the units of an H.264 keyframe
_VP8_START: Final = b"\x9d\x01\x2a"  # from byte 3 of a VP8 keyframe (RFC 6386, 9.1)
_REMEMBERED: Final = 256  # frames between the network and the user; more than that are lost


class MarkerJitterBuffer(JitterBuffer):
    """aiortc's buffer for video, which also releases a frame that is complete, and notes when it arrived.

    What it sees is counted in ``totals``.
    """

    def __init__(self, clock: Clock, totals: VideoTotals | None = None) -> None:
        super().__init__(capacity=512, is_video=True)
        self.held = 0
        """Frames that were not handed out, because what they refer to was lost."""
        self.ssrc: int | None = None
        """The sender's number, as its packets tell."""
        self.payload_type: int | None = None
        """What its packets tell of the codec."""
        self._clock = clock
        self._totals = totals or VideoTotals(clock)
        self._meter = LinkMeter(self._totals)
        self._next: int | None = None  # the first packet of the frame after the last one
        self._needs_keyframe = True
        self._is_whole = True  # the frame that was released last
        self._asked_at = float("inf")  # not before the first packet
        self._gap_since: float | None = None  # since when a frame is complete, but one before it is not
        self._first_packet: dict[int, float] = {}
        self._arrival: dict[int, tuple[float, float]] = {}  # of the first packet, and of the last
        self._to_pts = TimestampMapper()

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; return whether a keyframe is to be asked for, and a frame where one can be shown."""
        now = self._clock.now()
        self.ssrc, self.payload_type = packet.ssrc, packet.payload_type
        self._meter.take_packet(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        self._first_packet.setdefault(packet.timestamp, now)
        if self._is_late(packet):
            return self._asks(now), None
        _, frame = super().add(packet)
        if frame is not None:
            self._gap_since = None
        elif packet.marker:
            frame = self._past_gap(packet, now)
        while frame is not None and self._is_held(frame):
            self.held += 1
            self._totals.frames_held += 1
            frame = self._remove_frame(packet.sequence_number)
        if frame is not None:
            # aiortc maps the same timestamps in the same order when it decodes: these are the frames' `pts`.
            self._arrival[self._to_pts.map(frame.timestamp)] = (self._first_packet[frame.timestamp], now)
        for known in (self._first_packet, self._arrival):
            while len(known) > _REMEMBERED:
                del known[next(iter(known))]
        return self._asks(now), frame

    def arrived_at(self, pts: int | None) -> float | None:
        """Return when the first packet of the frame with this ``pts`` came, in s; None where it is not known.

        To be asked once, as soon as it is decoded: how long that took is noted.
        """
        first, last = (None, 0.0) if pts is None else self._arrival.pop(pts, (None, 0.0))
        if first is not None:
            self._totals.decoding.add(self._clock.now() - last)
        return first

    def _is_late(self, packet: RtpPacket) -> bool:
        # aiortc takes more than 100 behind for a sender that counts anew, and waits for all that it had already.
        return self._origin is not None and 0 < (self._origin - packet.sequence_number) % 65536 <= self._capacity

    def _past_gap(self, last: RtpPacket, now: float) -> JitterFrame | None:
        """Return the keyframe that ends with this packet, where what is missing before it has not come in time."""
        if self._gap_since is None:
            self._gap_since = now
        if not self._gives_gap_up(now):
            return None
        packets: list[RtpPacket] = []
        while (packet := self._packets[(last.sequence_number - len(packets)) % self._capacity]) is not None:
            if packet.timestamp != last.timestamp:
                break
            packets.insert(0, packet)
        # Its first packet is known to be that where the one before it is there, and of another frame.
        if packet is None or not _is_keyframe(b"".join(_payload(each) for each in packets)):
            return None
        assert self._origin is not None
        self.remove((packets[0].sequence_number - self._origin) % 65536)
        self._next, self._gap_since = self._origin, None
        return self._remove_frame(last.sequence_number)

    def _gives_gap_up(self, now: float) -> bool:
        return self._gap_since is not None and now - self._gap_since >= _REPAIRED_WITHIN

    def _is_held(self, frame: JitterFrame) -> bool:
        if self._needs_keyframe and self._is_whole and _is_keyframe(frame.data):
            self._needs_keyframe = False
        return self._needs_keyframe

    def _asks(self, now: float) -> bool:
        if not self._needs_keyframe and not self._gives_gap_up(now):
            self._asked_at = float("-inf")  # at once, after a loss
        elif self._asked_at == float("inf"):
            self._asked_at = now  # a sender begins with a keyframe: give it the time
        elif now - self._asked_at >= _ASK_EVERY:
            self._asked_at = now
            return True
        return False

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        begin = self._origin
        frame = self._first_complete(sequence_number)
        if frame is not None:
            # Its first packet is known to be that only where it follows the last one of the frame before.
            self._is_whole = self._next in (None, begin)
            self._needs_keyframe |= not self._is_whole
            self._meter.take_frame(frame.timestamp, follows=self._is_whole)
            self._next = self._origin
        return frame

    def _first_complete(self, sequence_number: int) -> JitterFrame | None:
        packets: list[RtpPacket] = []
        assert self._origin is not None
        for place in range(self._origin, self._origin + self._capacity):
            packet = self._packets[place % self._capacity]
            if packet is None or (packets and packet.timestamp != packets[0].timestamp):
                break
            packets.append(packet)
            if packet.marker:
                self.remove(len(packets))
                return JitterFrame(b"".join(_payload(each) for each in packets), packet.timestamp)
        return super()._remove_frame(sequence_number)


def _is_keyframe(data: bytes) -> bool:
    """Return whether an encoded frame, H.264 or VP8, needs no other one."""
    if data.startswith((b"\x00" + _START_CODE, _START_CODE)):
        return any(unit[:1] and unit[0] & 0x1F == _IDR for unit in data.split(_START_CODE))
    return data[3:6] == _VP8_START and not data[0] & 1


def _payload(packet: Any) -> bytes:
    data: bytes = packet._data  # what aiortc's own buffer takes
    return data


def install(
    receiver: RTCRtpReceiver, clock: Clock, totals: VideoTotals | None = None
) -> MarkerJitterBuffer | None:
    """Give a video receiver that has received nothing yet this buffer; None where that is not possible."""
    present: Any = getattr(receiver, _ATTRIBUTE, None)
    shape = {"_capacity": 512, "_is_video": True, "_origin": None, "_prefetch": 0}
    if (
        not hasattr(receiver, "_send_rtcp_pli")
        or type(present) is not JitterBuffer
        or not shape.items() <= vars(present).items()
    ):
        log.info("this version of aiortc keeps its own jitter buffer: frames come one frame later, uncounted")
        return None
    buffer = MarkerJitterBuffer(clock, totals)
    setattr(receiver, _ATTRIBUTE, buffer)
    return buffer
