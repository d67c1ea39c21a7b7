"""The jitter buffer of a video receiver: it releases frames by their marker bit, and waits for lost packets.

aiortc releases a frame when the first packet of the next one arrives: 50 ms late at 20 fps, and the last frame of
a stream only when the next stream begins. RTP marks the last packet of each frame (the marker bit; RFC 6184,
RFC 7741), so there is nothing else to wait for. If a sender's marks turn out to be wrong, they are ignored from
then on.

A gap is never given up by time alone: `recovery` keeps requesting its packets. If that takes long, a keyframe is
requested too, and the buffer continues with it if it is complete before the gap is filled. After an outage, a
keyframe is requested at once. Frames are held back until a keyframe at the start, and whenever frames that they
refer to are missing: without those, they would be garbage. The rest is left to aiortc's own buffer; if aiortc's
internals differ from those known here, everything is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.utils import uint16_add, uint16_gt

from ..._video.meters import RENUMBERED, LinkMeter, VideoTotals, signed
from .keyframes import begins_keyframe, is_keyframe, payload, shows_keyframe

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..._base.clock import Clock
    from .recovery import Recovery

__all__ = ["ArrivedFrame", "MarkerJitterBuffer", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"  # aiortc has no public way
_CAPACITY: Final = 4096  # packets: 2.5 s at 16 Mbit/s
_FIRST_ASK_AFTER_S: Final = 0.5  # after the first packet: a sender begins with a keyframe
_ASK_EVERY_S: Final = 0.3  # between two requests for a keyframe, or longer
_ASK_EVERY_ROUND_TRIPS: Final = 2.5
_LONGEST_S: Final = 1.0  # to wait for any of these: few senders can resend older packets
# If more is lost than can be repaired, do not wait for the rest of a keyframe: the sender slows down, and less of
# the next may be lost.
_IN_HASTE: Final = 2  # requests for another keyframe
_ARRIVES_WITHIN_S: Final = 0.6  # a keyframe of which a part has come
_ASK_AFTER_S: Final = 0.3  # the least age of a gap for requesting a keyframe, and for skipping to one
_ASK_AFTER_ROUND_TRIPS: Final = 5
_ASK_AFTER_REQUESTS: Final = 4
_COMPLETE_OLD_AFTER_S: Final = 1.2  # when to skip a gap if every frame is wanted: few senders keep packets longer
_ROUND_TRIP_S: Final = 0.1  # if it is not known
_REQUEST_S: Final = 0.14  # likewise, from one request to the next
_BEHIND_START: Final = 512  # packets that may come after one that overtook them at the start
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
        """Its time by the sender's clock, in RTP timestamp units from the first frame, without the counter's
        wraparound. It may go back. In ``timestamp``, aiortc mistakes every step back for a wraparound."""
        self.followers: tuple[ArrivedFrame, ...] = ()
        """Frames that were already complete, and only waited for this one."""

    @property
    def is_keyframe(self) -> bool:
        """Whether it can be decoded without any other frame."""
        return is_keyframe(self.data)


class MarkerJitterBuffer(JitterBuffer):
    """aiortc's buffer for video, which also releases a frame once it is complete, and records when it arrived.

    It counts packets and frames in ``totals``, and ``recovery`` knows since when packets are missing.
    """

    def __init__(
        self,
        clock: Clock,
        totals: VideoTotals | None = None,
        recovery: Recovery | None = None,
        wants_all: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(capacity=_CAPACITY, is_video=True)
        self.held = 0
        """How many frames were held back because frames that they refer to were lost."""
        self.trusts_marks = True
        """Whether the marker bit is trusted: until packets of a frame come after its marked one."""
        self.ssrc: int | None = None
        """The SSRC of its packets."""
        self.payload_type: int | None = None
        """The payload type in its packets, which identifies the codec."""
        self.releases_all = False
        """Whether a frame carries the frames that only waited for it; otherwise each comes with a later packet."""
        self._clock = clock
        self._totals = totals or VideoTotals(clock)
        self._recovery = recovery
        self._wants_all = wants_all
        self._meter = LinkMeter(self._totals)
        self._next: int | None = None  # the first packet of the frame after the last one
        self._newest: int | None = None  # the packet with the highest number
        self._released: int | None = None  # the timestamp of the last frame that a mark released
        self._needs_keyframe = True
        self._is_whole = True  # whether the frame released last is complete
        self._after_outage = False  # until the next keyframe
        self._gap: int | None = None  # the first missing packet
        self._gap_at = self._now = 0.0
        self._start_until: float | None = None  # until when to wait for the beginning of the first frame
        self._jumped = False  # since the last frame
        self._left_out = 0  # whole frames, in that jump
        self._keyframes: list[int] = []  # first packets of whole keyframes behind the gap
        self._asked = 0  # times, since a keyframe came over a link that was not full
        self._arriving: int | None = None  # the first packet of the newest keyframe of which a part has come
        self._ask_at: float | None = None  # not earlier; None before the first packet
        self._first_packet: dict[int, float] = {}  # of each frame that was not removed yet, by timestamp
        self._timestamp: int | None = None  # that of the newest removed frame
        self._sent = 0  # its time since the first one

    def add(self, packet: RtpPacket) -> tuple[bool, ArrivedFrame | None]:
        """Take a packet; return whether to request a keyframe, and a frame, or None if none can be decoded."""
        now = self._now = self._clock.now()
        self.ssrc, self.payload_type = packet.ssrc, packet.payload_type
        self._meter.take_packet(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        if self._is_amidst(packet):
            self._packets[packet.sequence_number % self._capacity] = packet
            self._newest = packet.sequence_number
            return self.asks(now), None
        if self._begins(packet):
            self._origin = packet.sequence_number
            self._look_for_start(packet, now)
        elif self._is_late(packet):
            return self.asks(now), None
        self._first_packet.setdefault(packet.timestamp, now)
        if self._newest is None or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        self._expect_keyframe(packet, now)
        self._check_mark(packet)
        _, frame = super().add(packet)
        if frame is None and self._goes_on(packet, now):
            frame = self._remove_frame(packet.sequence_number)
        arrived = self._arrived(frame, packet, now)
        if arrived is not None and self.releases_all:
            followers = []
            while (later := self._arrived(self._remove_frame(packet.sequence_number), packet, now)) is not None:
                followers.append(later)
            arrived.followers = tuple(followers)
        if frame is not None:
            self._pass_gap()
        while len(self._first_packet) > _REMEMBERED:
            del self._first_packet[next(iter(self._first_packet))]
        return self.asks(now), arrived

    def _begins(self, packet: RtpPacket) -> bool:
        """Return whether this is the first packet, or one that it overtook, and no frame was released yet."""
        if self._origin is None:
            return True
        return self._next is None and 0 < (self._origin - packet.sequence_number) % 65536 <= _BEHIND_START

    def _look_for_start(self, packet: RtpPacket, now: float) -> None:
        if begins_keyframe(packet):
            return
        if self._start_until is None:
            self._start_until = now + self._patience_s
        if self._recovery is not None:
            self._recovery.want_before(packet.sequence_number, now)

    def _arrived(self, frame: JitterFrame | None, packet: RtpPacket, now: float) -> ArrivedFrame | None:
        """Return ``frame``, or the next frame that is not held back, or None."""
        while frame is not None and (not frame.data or self._is_held(frame)):
            held = bool(frame.data)  # padding alone is not a frame
            self.held += held
            self._totals.frames_held += held
            self._first_packet.pop(frame.timestamp, None)
            frame = self._remove_frame(packet.sequence_number)
        if frame is None:
            return None
        # Forgotten with its frame: a clock that was set back gives the same timestamps again.
        arrived_at = self._first_packet.pop(frame.timestamp, now)
        return ArrivedFrame(frame.data, frame.timestamp, arrived_at, now, self._sent)

    def remove(self, count: int) -> None:
        """Forget the first ``count`` slots, as aiortc's own buffer does, in a third of the time."""
        assert self._origin is not None
        for place in range(self._origin, self._origin + count):
            self._packets[place % self._capacity] = None
        self._origin = self._origin + count & 0xFFFF

    def wait_for_keyframe(self) -> None:
        """Hold frames back until a keyframe, and request one: the decoder left some out. For any thread."""
        self._needs_keyframe = True

    def note_outage(self) -> None:
        """Request a keyframe at once, and continue with it: an outage has swallowed packets."""
        self._after_outage = True

    def _is_late(self, packet: RtpPacket) -> bool:
        # If a packet is more than 100 behind, aiortc assumes that the numbering has restarted, and waits again for
        # all packets that it already had.
        if self._origin is None:
            return False
        return 0 < (self._origin - packet.sequence_number) % 65536 <= RENUMBERED

    def _is_amidst(self, packet: RtpPacket) -> bool:
        """Return whether this is the next packet, in order, of the first frame here, and not its last.

        Most packets are. Skipping the checks for them saves a third of the cost of this buffer.
        """
        if packet.marker or not self.trusts_marks or self._origin is None or self._newest is None:
            return False
        first = self._packets[self._origin % self._capacity]
        return (
            first is not None
            and first.timestamp == packet.timestamp
            and packet.sequence_number == self._newest + 1 & 0xFFFF
            and (packet.sequence_number - self._origin & 0xFFFF) < self._capacity
        )

    def _check_mark(self, packet: RtpPacket) -> None:
        if (
            payload(packet)  # padding follows frames when senders probe the bandwidth
            and packet.timestamp == self._released
            and self._next is not None
            and not uint16_gt(self._next, packet.sequence_number)
        ):
            log.info("the sender marks packets that are not the last of their frame: frames come one frame later")
            self.trusts_marks = False
            self._released = None
            self._needs_keyframe = True  # part of a frame was treated as a whole one

    # --- gaps

    def _goes_on(self, packet: RtpPacket, now: float) -> bool:
        """Skip to a complete keyframe if the gap before it is not worth waiting for; return whether it did."""
        assert self._origin is not None
        assert self._newest is not None
        if uint16_add(self._newest, -self._origin) >= self._capacity:
            self._newest = packet.sequence_number  # the old one was released, or belongs to an earlier numbering
        gap = uint16_add(self._origin, -1) if self._lacks_start(now) else self._after_present(self._origin)
        if not uint16_gt(self._newest, gap):
            self._gap, self._after_outage = None, False  # everything so far has arrived
            self._keyframes.clear()
            return False
        if gap != self._gap:
            since = None if self._recovery is None else self._recovery.missing_since(gap)
            self._gap, self._gap_at = gap, now if since is None else since
        if self._arriving is not None:
            self._prefer_arriving(gap, now)
        self._find_keyframe(packet)
        before = self._at(uint16_add(packet.sequence_number, -1))
        if before is not None and before.timestamp != packet.timestamp:
            self._find_keyframe(before)  # it is now known to be the last one of its frame, even without a mark
        while self._keyframes and (not uint16_gt(self._keyframes[0], gap) or self._at(self._keyframes[0]) is None):
            del self._keyframes[0]  # it was passed, or belongs to an earlier numbering
        if not self._keyframes or not (self._after_outage or self._needs_keyframe or self._is_old(now)):
            return False
        self._leave_out(self._keyframes.pop(0))
        return True

    def _beginning(self, packet: RtpPacket) -> int:
        """Return the first slot that may belong to the frame of ``packet``."""
        first = packet.sequence_number
        while (place := uint16_add(first, -1)) != self._origin:
            before = self._at(place)
            if before is not None and before.timestamp != packet.timestamp:
                break
            first = place
        return first

    def _prefer_arriving(self, gap: int, now: float) -> None:
        """Have the arriving keyframe repaired first, and nothing before it if the gap is old."""
        assert self._arriving is not None
        if self._recovery is None or self._wants_all() or not uint16_gt(self._arriving, gap):
            self._arriving = None
        elif self._is_hopeless(now):
            self._recovery.give_up_before(self._arriving)
            self._arriving = None
        else:
            self._recovery.prefer_from(self._arriving)

    def _lacks_start(self, now: float) -> bool:
        """Return whether to wait for the beginning of the first frame."""
        if self._start_until is None:
            return False
        if self._next is not None or now >= self._start_until or self._has_beginning(self._origin):
            self._start_until = None
        return self._start_until is not None

    def _pass_gap(self) -> None:
        """Note that a frame was removed."""
        assert self._origin is not None
        if self._gap is not None and uint16_gt(self._origin, self._gap):
            self._gap = None
        if self._recovery is not None:
            self._recovery.passed(self._origin)

    def _is_old(self, now: float) -> bool:
        """Return whether the gap is too old to wait for its packets, if there is a keyframe behind it."""
        if self._wants_all():
            requested = self._recovery is not None and self._recovery.missing_since(self._gap or 0) is not None
            return not requested or now - self._gap_at >= _COMPLETE_OLD_AFTER_S
        return self._is_hopeless(now)

    def _is_hopeless(self, now: float) -> bool:
        """Return whether the gap is not likely to be filled: it is old, or its packet is no longer requested."""
        if self._gap is None:
            return False
        given_up = self._recovery is not None and self._recovery.has_given_up(self._gap)
        return given_up or now - self._gap_at >= self._patience_s

    def _find_keyframe(self, packet: RtpPacket) -> None:
        """Note the keyframe that ``packet`` completes, if it does."""
        begin = end = packet.sequence_number
        if not self._ends_frame(end) and self._at(uint16_add(end, 1)) is None:
            return  # as with most packets that come in order
        while (before := self._at(uint16_add(begin, -1))) is not None and before.timestamp == packet.timestamp:
            begin = uint16_add(begin, -1)
        parts: list[bytes] = []
        while (part := self._at(end := uint16_add(begin, len(parts)))) is not None:
            if part.timestamp != packet.timestamp:
                return
            parts.append(payload(part))
            if self._ends_frame(end):
                break
        else:
            return
        if (before is not None or begins_keyframe(self._at(begin))) and is_keyframe(b"".join(parts)):
            place = next((at for at, each in enumerate(self._keyframes) if not uint16_gt(begin, each)), None)
            if place is None:
                self._keyframes.append(begin)
            elif self._keyframes[place] != begin:
                self._keyframes.insert(place, begin)

    def _ends_frame(self, place: int) -> bool:
        """Return whether the packet at ``place``, which has come, is known to be the last of its frame."""
        packet = self._at(place)
        if self.trusts_marks and packet.marker:
            return True
        after = self._at(uint16_add(place, 1))
        return after is not None and after.timestamp != packet.timestamp

    def _leave_out(self, until: int) -> None:
        """Continue with the keyframe that begins at ``until``."""
        assert self._origin is not None
        begin, before = self._origin, None
        is_whole = self._next == begin  # whether all of the current frame has come so far
        for ahead in range(uint16_add(until, -begin)):
            place = uint16_add(begin, ahead)
            packet = self._at(place)
            if packet is None:
                is_whole = False
            else:
                self._first_packet.pop(packet.timestamp, None)
                if before is not None and before.timestamp != packet.timestamp:
                    is_whole = True
                self._left_out += is_whole and self._ends_frame(place)
            before = packet
        self.held += self._left_out
        self._totals.frames_held += self._left_out
        self.remove(uint16_add(until, -begin))
        self._next = until
        self._jumped = self._needs_keyframe = True
        self._after_outage = False
        self._gap = None

    def _after_present(self, place: int) -> int:
        while self._at(place) is not None:
            place = uint16_add(place, 1)
        return place

    def _at(self, place: int) -> Any:
        packet = self._packets[place % self._capacity]
        return packet if packet is not None and packet.sequence_number == place else None

    def _is_held(self, frame: JitterFrame) -> bool:
        if self._needs_keyframe and self._is_whole and is_keyframe(frame.data):
            self._needs_keyframe = False
            self._ask_at = self._now  # the next request has another cause
            if self._recovery is None or not self._recovery.is_spent(self._now):
                self._asked = 0
        return self._needs_keyframe

    # --- requests for keyframes

    @property
    def _round_trip_s(self) -> float:
        return _ROUND_TRIP_S if self._recovery is None else self._recovery.round_trip_s

    @property
    def _request_s(self) -> float:
        """The time from one request for a packet to the next, in s."""
        return _REQUEST_S if self._recovery is None else self._recovery.wait_s

    @property
    def _patience_s(self) -> float:
        """How long to wait for a missing packet before a keyframe is requested too, in s."""
        by_round_trip = _ASK_AFTER_ROUND_TRIPS * self._round_trip_s
        patience_s = max(_ASK_AFTER_S, by_round_trip, _ASK_AFTER_REQUESTS * self._request_s)
        return min(patience_s, _LONGEST_S)

    def asks(self, now: float) -> bool:
        """Return whether to request a keyframe at ``now`` (s); if so, it counts as requested."""
        if self._ask_at is None:
            if self.ssrc is not None:
                self._ask_at = now + _FIRST_ASK_AFTER_S
            return False
        if now < self._ask_at or not self._wants_keyframe(now):
            return False
        self._ask_at = now + min(max(_ASK_EVERY_S, _ASK_EVERY_ROUND_TRIPS * self._round_trip_s), _LONGEST_S)
        self._totals.keyframes_requested += 1
        self._asked += 1
        return True

    def _wants_keyframe(self, now: float) -> bool:
        if self._needs_keyframe or self._after_outage:
            return True
        return self._is_hopeless(now)

    def _expect_keyframe(self, packet: RtpPacket, now: float) -> None:
        """Request no other keyframe while one arrives."""
        if (
            (self._needs_keyframe or self._gap is not None)
            and self._ask_at is not None
            and packet.sequence_number == self._newest
            and shows_keyframe(payload(packet))
        ):
            if self._asked > _IN_HASTE or self._recovery is None or not self._recovery.is_spent(now):
                self._ask_at = max(self._ask_at, now + min(_ARRIVES_WITHIN_S + self._round_trip_s, _LONGEST_S))
            self._arriving = self._beginning(packet)

    # --- frames

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        begin = self._origin
        if self._lacks_start(self._now):
            return None
        begins = self._next is None and self._has_beginning(begin)
        frame = self._first_complete(sequence_number)
        if frame is not None:
            # The frame is certain to be complete only if it directly follows the previous frame, or at the start,
            # where a keyframe shows how it begins.
            self._is_whole = begin == self._next if self._next is not None else begins
            self._needs_keyframe |= not self._is_whole
            follows = self._is_whole and not self._jumped
            self._meter.take_frame(frame.timestamp, follows=follows, held=self._left_out)
            self._jumped, self._left_out = False, 0
            self._sent += 0 if self._timestamp is None else signed(frame.timestamp - self._timestamp, 32)
            self._timestamp = frame.timestamp
            self._next = self._origin
        return frame

    def _has_beginning(self, place: int | None) -> bool:
        packet = None if place is None else self._at(place)
        return packet is not None and begins_keyframe(packet)

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
                return JitterFrame(b"".join(payload(each) for each in packets), packet.timestamp)
        return super()._remove_frame(sequence_number)


def install(
    receiver: RTCRtpReceiver,
    clock: Clock,
    totals: VideoTotals | None = None,
    recovery: Recovery | None = None,
    wants_all: Callable[[], bool] = lambda: False,
) -> MarkerJitterBuffer | None:
    """Install a buffer in a video receiver that has received nothing yet, and return it; None if not possible."""
    present: Any = getattr(receiver, _ATTRIBUTE, None)
    shape = {"_capacity": 512, "_is_video": True, "_origin": None, "_prefetch": 0}
    if (
        not hasattr(receiver, "_send_rtcp_pli")
        or type(present) is not JitterBuffer
        or not shape.items() <= vars(present).items()
    ):
        log.info("this version of aiortc keeps its own jitter buffer: frames come one frame later, uncounted")
        return None
    buffer = MarkerJitterBuffer(clock, totals, recovery, wants_all)
    setattr(receiver, _ATTRIBUTE, buffer)
    return buffer
