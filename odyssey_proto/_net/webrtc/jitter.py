"""The jitter buffer of a video receiver: frames are released by their marker bit, and their arrival is known.

aiortc releases a frame when the first packet of the next one arrives: 50 ms late at 20 fps, and the last frame of
a stream not before the next stream begins. RTP marks the last packet of each frame (the marker bit; RFC 6184,
RFC 7741), and that is all there is to wait for. A sender whose marks turn out to be wrong is believed no more.

After a loss, and at the beginning, frames are held back until a keyframe: decoded without the pictures that they
refer to, they would be garbage. What is lost is waited for while it may come again (aiortc waits until 512 others
have come, some seconds without a picture); then its frame is given up, and a keyframe is asked for. The rest is
left to aiortc's own buffer; and where aiortc has another shape than the one known here, so is everything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.utils import uint16_add, uint16_gt

from ..._video.meters import LinkMeter, VideoTotals

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..._base.clock import Clock

__all__ = ["ArrivedFrame", "MarkerJitterBuffer", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"  # aiortc has no public way
_ASK_EVERY_S: Final = 0.5  # between two requests for a keyframe
_REPAIRED_WITHIN_S: Final = 0.3  # lost packets that have not come again by then are not waited for any more
_START_CODE: Final = b"\x00\x00\x01"  # before each unit of an H.264 frame, as aiortc joins them
_IDR: Final = 5  # the type of the units of an H.264 keyframe
_VP8_START: Final = b"\x9d\x01\x2a"  # from byte 3 of a VP8 keyframe (RFC 6386, 9.1)
_REMEMBERED: Final = 256  # frames of which packets may still come


class ArrivedFrame(JitterFrame):
    """An encoded frame, and when its packets came."""

    def __init__(self, data: bytes, timestamp: int, arrived_at: float, whole_at: float) -> None:
        super().__init__(data, timestamp)
        self.arrived_at = arrived_at
        """When its first packet came, in s."""
        self.whole_at = whole_at
        """When it could be decoded, in s."""

    @property
    def is_keyframe(self) -> bool:
        """Whether it needs no other one."""
        return _is_keyframe(self.data)


class MarkerJitterBuffer(JitterBuffer):
    """aiortc's buffer for video, which also releases a frame that is complete, and notes when it arrived.

    What it sees is counted in ``totals``.
    """

    def __init__(self, clock: Clock, totals: VideoTotals | None = None) -> None:
        super().__init__(capacity=512, is_video=True)
        self.held = 0
        """Frames that were not handed out, because what they refer to was lost."""
        self.trusts_marks = True
        """Whether the marker bit is believed: until packets of a frame come after its marked one."""
        self.ssrc: int | None = None
        """The sender's number, as its packets tell."""
        self.payload_type: int | None = None
        """What its packets tell of the codec."""
        self._clock = clock
        self._totals = totals or VideoTotals(clock)
        self._meter = LinkMeter(self._totals)
        self._next: int | None = None  # the first packet of the frame after the last one
        self._newest: int | None = None  # the packet that is furthest on
        self._released: int | None = None  # the timestamp of the frame that a mark released last
        self._needs_keyframe = True
        self._is_whole = True  # the frame that was released last
        self._asked_at = float("inf")  # not before the first packet
        self._first_packet: dict[int, float] = {}

    def add(self, packet: RtpPacket) -> tuple[bool, ArrivedFrame | None]:
        """Take a packet; return whether a keyframe is to be asked for, and a frame where one can be shown."""
        now = self._clock.now()
        self.ssrc, self.payload_type = packet.ssrc, packet.payload_type
        self._meter.take_packet(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        self._first_packet.setdefault(packet.timestamp, now)
        if self._is_amidst(packet):
            self._packets[packet.sequence_number % self._capacity] = packet
            self._newest = packet.sequence_number
            return self._asks(now), None
        if self._is_late(packet):
            return self._asks(now), None
        if self._newest is None or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        self._check_mark(packet)
        _, frame = super().add(packet)
        if frame is None and self._gives_up(packet, now):
            frame = self._remove_frame(packet.sequence_number)
        while frame is not None and (not frame.data or self._is_held(frame)):
            held = bool(frame.data)  # and not padding alone, which is nothing to show
            self.held += held
            self._totals.frames_held += held
            frame = self._remove_frame(packet.sequence_number)
        arrived = None
        if frame is not None:
            arrived = ArrivedFrame(frame.data, frame.timestamp, self._first_packet[frame.timestamp], now)
        while len(self._first_packet) > _REMEMBERED:
            del self._first_packet[next(iter(self._first_packet))]
        return self._asks(now), arrived

    def wait_for_keyframe(self) -> None:
        """Hold frames back until a keyframe, and ask for it: some were left out later. Any thread may call it."""
        self._needs_keyframe = True

    def _is_late(self, packet: RtpPacket) -> bool:
        # aiortc takes more than 100 behind for a sender that counts anew, and waits for all that it had already.
        return self._origin is not None and 0 < (self._origin - packet.sequence_number) % 65536 <= self._capacity

    def _is_amidst(self, packet: RtpPacket) -> bool:
        """Whether it is one more packet of the first frame here, in order, and not the last: most are.

        There is nothing to find out for such a one, and that is a third of what this buffer costs.
        """
        if packet.marker or not self.trusts_marks or self._origin is None or self._newest is None:
            return False
        first = self._packets[self._origin % self._capacity]
        return (
            first is not None
            and first.timestamp == packet.timestamp
            and packet.sequence_number == uint16_add(self._newest, 1)
            and uint16_add(packet.sequence_number, -self._origin) < self._capacity
        )

    def _check_mark(self, packet: RtpPacket) -> None:
        if (
            _payload(packet)  # padding follows frames where senders probe the bandwidth
            and packet.timestamp == self._released
            and self._next is not None
            and not uint16_gt(self._next, packet.sequence_number)
        ):
            log.info("the sender marks packets that are not the last of their frame: frames come one frame later")
            self.trusts_marks = False
            self._released = None
            self._needs_keyframe = True  # part of a frame was taken for a whole one

    def _gives_up(self, packet: RtpPacket, now: float) -> bool:
        """Leave out the frame that lacks a packet for too long; return whether that was done."""
        assert self._origin is not None
        assert self._newest is not None
        if uint16_add(self._newest, -self._origin) >= self._capacity:
            self._newest = packet.sequence_number  # that one was released, or belongs to numbers given up
        gap = self._after_present(self._origin)
        if not uint16_gt(self._newest, gap):
            return False  # all is here that can be
        later = gap
        while self._at(later) is None:
            later = uint16_add(later, 1)
        # What follows the gap came no earlier than its frame began.
        if now - self._first_packet.get(self._at(later).timestamp, now) < _REPAIRED_WITHIN_S:
            return False
        timestamp = self._at(later).timestamp
        while (found := self._at(later)) is not None and found.timestamp == timestamp:
            later = uint16_add(later, 1)  # its first packet may be among the lost ones
        self.remove(uint16_add(later, -self._origin))
        self._next = later
        self._needs_keyframe = True
        return True

    def _after_present(self, place: int) -> int:
        while self._at(place) is not None:
            place = uint16_add(place, 1)
        return place

    def _at(self, place: int) -> Any:
        packet = self._packets[place % self._capacity]
        return packet if packet is not None and packet.sequence_number == place else None

    def _is_held(self, frame: JitterFrame) -> bool:
        if self._needs_keyframe and self._is_whole and _is_keyframe(frame.data):
            self._needs_keyframe = False
        return self._needs_keyframe

    def _asks(self, now: float) -> bool:
        if not self._needs_keyframe:
            self._asked_at = float("-inf")  # at once, after a loss
        elif self._asked_at == float("inf"):
            self._asked_at = now  # a sender begins with a keyframe: give it the time
        elif now - self._asked_at >= _ASK_EVERY_S:
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
            if packet.marker and self.trusts_marks:
                self._released = packet.timestamp
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
