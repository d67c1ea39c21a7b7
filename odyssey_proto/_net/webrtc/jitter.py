"""The jitter buffer of a video receiver: it releases frames by their marker bit, and records when they arrived.

aiortc releases a frame when the first packet of the next one arrives: 50 ms late at 20 fps, and the last frame of
a stream only when the next stream begins. RTP marks the last packet of each frame (the marker bit; RFC 6184,
RFC 7741), so there is nothing else to wait for. If a sender's marks turn out to be wrong, they are ignored from
then on.

After a loss, and at the start, frames are held back until a keyframe: without the pictures that they refer to they
would be garbage. A lost packet is waited for while it may be sent again (aiortc waits for 512 other packets, some
seconds without a picture); then its frame is given up, and a keyframe requested. The rest is left to aiortc's own
buffer; if aiortc's internals differ from those known here, so is everything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.utils import uint16_add, uint16_gt

from ..._video.meters import LinkMeter, VideoTotals, signed

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..._base.clock import Clock

__all__ = ["ArrivedFrame", "MarkerJitterBuffer", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"  # aiortc has no public way
_ASK_EVERY_S: Final = 0.5  # between two requests for a keyframe
_REPAIRED_WITHIN_S: Final = 0.3  # how long to wait for lost packets to be sent again
_START_CODE: Final = b"\x00\x00\x01"  # before each unit of an H.264 frame, as aiortc joins them
_IDR: Final = 5  # the type of the units of an H.264 keyframe
_VP8_START: Final = b"\x9d\x01\x2a"  # from byte 3 of a VP8 keyframe (RFC 6386, 9.1)
_REMEMBERED: Final = 256  # frames that may still receive packets


class ArrivedFrame(JitterFrame):
    """An encoded frame, its time, and the arrival times of its packets."""

    def __init__(self, data: bytes, timestamp: int, arrived_at: float, whole_at: float, sent: int) -> None:
        super().__init__(data, timestamp)
        self.arrived_at = arrived_at
        """When its first packet came, in s."""
        self.whole_at = whole_at
        """When it was complete, in s."""
        self.sent = sent
        """Its time by the sender's clock, in RTP timestamps from the first frame, without the leap of the counter
        from its end to 0. It may go back. In ``timestamp``, aiortc takes every step back for that leap."""

    @property
    def is_keyframe(self) -> bool:
        """Whether it can be decoded without any other frame."""
        return _is_keyframe(self.data)


class MarkerJitterBuffer(JitterBuffer):
    """aiortc's buffer for video, which also releases a frame once it is complete, and records when it arrived.

    It counts packets and frames in ``totals``.
    """

    def __init__(self, clock: Clock, totals: VideoTotals | None = None) -> None:
        super().__init__(capacity=512, is_video=True)
        self.held = 0
        """How many frames were held back because frames that they refer to were lost."""
        self.trusts_marks = True
        """Whether the marker bit is trusted: until packets of a frame come after its marked one."""
        self.ssrc: int | None = None
        """The sender's number in its packets."""
        self.payload_type: int | None = None
        """The payload type in its packets, which identifies the codec."""
        self._clock = clock
        self._totals = totals or VideoTotals(clock)
        self._meter = LinkMeter(self._totals)
        self._next: int | None = None  # the first packet of the frame after the last one
        self._newest: int | None = None  # the packet with the highest number
        self._released: int | None = None  # the timestamp of the last frame that a mark released
        self._needs_keyframe = True
        self._is_whole = True  # whether the frame released last is complete
        self._asked_at = float("inf")  # not before the first packet
        self._first_packet: dict[int, float] = {}  # of each frame that was not removed yet, by timestamp
        self._timestamp: int | None = None  # that of the newest removed frame
        self._sent = 0  # its time since the first one

    def add(self, packet: RtpPacket) -> tuple[bool, ArrivedFrame | None]:
        """Take a packet; return whether to request a keyframe, and a frame if one can be decoded."""
        now = self._clock.now()
        self.ssrc, self.payload_type = packet.ssrc, packet.payload_type
        self._meter.take_packet(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        if self._is_amidst(packet):
            self._packets[packet.sequence_number % self._capacity] = packet
            self._newest = packet.sequence_number
            return self._asks(now), None
        if self._is_late(packet):
            return self._asks(now), None
        self._first_packet.setdefault(packet.timestamp, now)
        if self._newest is None or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        self._check_mark(packet)
        _, frame = super().add(packet)
        if frame is None and self._gives_up(packet, now):
            frame = self._remove_frame(packet.sequence_number)
        while frame is not None and (not frame.data or self._is_held(frame)):
            held = bool(frame.data)  # padding alone is not a frame
            self.held += held
            self._totals.frames_held += held
            self._first_packet.pop(frame.timestamp, None)
            frame = self._remove_frame(packet.sequence_number)
        arrived = None
        if frame is not None:
            # Forgotten with its frame: a clock that was set back gives the same timestamps again.
            arrived_at = self._first_packet.pop(frame.timestamp, now)
            arrived = ArrivedFrame(frame.data, frame.timestamp, arrived_at, now, self._sent)
        while len(self._first_packet) > _REMEMBERED:
            del self._first_packet[next(iter(self._first_packet))]
        return self._asks(now), arrived

    def wait_for_keyframe(self) -> None:
        """Hold frames back until a keyframe, and request one: the decoder left some out. For any thread."""
        self._needs_keyframe = True

    def _is_late(self, packet: RtpPacket) -> bool:
        # If a packet is more than 100 behind, aiortc assumes that the numbering has restarted, and waits again for
        # all packets that it already had.
        return self._origin is not None and 0 < (self._origin - packet.sequence_number) % 65536 <= self._capacity

    def _is_amidst(self, packet: RtpPacket) -> bool:
        """Return whether this is the next packet in order of the first frame here, and not its last; most are.

        Skipping the checks for such packets saves a third of the cost of this buffer.
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
            _payload(packet)  # padding follows frames when senders probe the bandwidth
            and packet.timestamp == self._released
            and self._next is not None
            and not uint16_gt(self._next, packet.sequence_number)
        ):
            log.info("the sender marks packets that are not the last of their frame: frames come one frame later")
            self.trusts_marks = False
            self._released = None
            self._needs_keyframe = True  # part of a frame was treated as a whole one

    def _gives_up(self, packet: RtpPacket, now: float) -> bool:
        """Leave out a frame that has lacked a packet for too long; return whether one was left out."""
        assert self._origin is not None
        assert self._newest is not None
        if uint16_add(self._newest, -self._origin) >= self._capacity:
            self._newest = packet.sequence_number  # the old one was released, or is of an abandoned numbering
        gap = self._after_present(self._origin)
        if not uint16_gt(self._newest, gap):
            return False  # everything so far has arrived
        later = gap
        while self._at(later) is None:
            later = uint16_add(later, 1)
        # The gap is at least as old as the arrival of the frame that follows it.
        timestamp = self._at(later).timestamp
        if now - self._first_packet.setdefault(timestamp, now) < _REPAIRED_WITHIN_S:
            return False
        while (found := self._at(later)) is not None and found.timestamp == timestamp:
            later = uint16_add(later, 1)  # its first packet may be among the lost ones
        count = uint16_add(later, -self._origin)
        for place in range(self._origin, self._origin + count):
            if (left_out := self._at(place % 65536)) is not None:
                self._first_packet.pop(left_out.timestamp, None)
        self.remove(count)
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
            self._asked_at = now  # a sender begins with a keyframe: give it time
        elif now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now
            return True
        return False

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        begin = self._origin
        frame = self._first_complete(sequence_number)
        if frame is not None:
            # The frame is certain to be complete only if it directly follows the previous frame.
            self._is_whole = self._next in (None, begin)
            self._needs_keyframe |= not self._is_whole
            self._meter.take_frame(frame.timestamp, follows=self._is_whole)
            self._sent += 0 if self._timestamp is None else signed(frame.timestamp - self._timestamp, 32)
            self._timestamp = frame.timestamp
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
    """Return whether an encoded frame, H.264 or VP8, can be decoded without any other."""
    if data.startswith((b"\x00" + _START_CODE, _START_CODE)):
        return any(unit[:1] and unit[0] & 0x1F == _IDR for unit in data.split(_START_CODE))
    return data[3:6] == _VP8_START and not data[0] & 1


def _payload(packet: Any) -> bytes:
    data: bytes = packet._data  # aiortc's own buffer uses this attribute
    return data


def install(
    receiver: RTCRtpReceiver, clock: Clock, totals: VideoTotals | None = None
) -> MarkerJitterBuffer | None:
    """Give this buffer to a video receiver that has received nothing yet; return None if that is not possible."""
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
