"""The jitter buffer of a video receiver: frames are released by their marker bit, and their arrival is known.

aiortc releases a frame when the first packet of the next one arrives: 50 ms late at 20 fps, and the last frame of
a stream not before the next stream begins. RTP marks the last packet of each frame (the marker bit; RFC 6184,
RFC 7741), and that is all there is to wait for. Everything else, losses among it, is left to aiortc's own buffer;
and where aiortc has another shape than the one known here, so is everything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import TimestampMapper

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..clock import Clock

__all__ = ["MarkerJitterBuffer", "install"]

log = logging.getLogger(__name__)

_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"  # aiortc has no public way
_REMEMBERED: Final = 256  # frames between the network and the user; more than that are lost


class MarkerJitterBuffer(JitterBuffer):
    """aiortc's buffer for video, which also releases a frame that is complete, and notes when it arrived."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(capacity=512, is_video=True)
        self._clock = clock
        self._first_packet: dict[int, float] = {}
        self._arrival: dict[int, float] = {}
        self._to_pts = TimestampMapper()

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; return whether a keyframe is needed, and a frame where one is complete."""
        self._first_packet.setdefault(packet.timestamp, self._clock.now())
        needs_keyframe, frame = super().add(packet)
        if frame is not None:
            # aiortc maps the same timestamps in the same order when it decodes: these are the frames' `pts`.
            self._arrival[self._to_pts.map(frame.timestamp)] = self._first_packet[frame.timestamp]
        for known in (self._first_packet, self._arrival):
            while len(known) > _REMEMBERED:
                del known[next(iter(known))]
        return needs_keyframe, frame

    def arrived_at(self, pts: int | None) -> float | None:
        """Return when the first packet of the frame with this ``pts`` came, in s; None where it is not known."""
        return None if pts is None else self._arrival.pop(pts, None)

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
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


def _payload(packet: Any) -> bytes:
    data: bytes = packet._data  # what aiortc's own buffer takes
    return data


def install(receiver: RTCRtpReceiver, clock: Clock) -> MarkerJitterBuffer | None:
    """Give a video receiver that has received nothing yet this buffer; None where that is not possible."""
    present: Any = getattr(receiver, _ATTRIBUTE, None)
    shape = {"_capacity": 512, "_is_video": True, "_origin": None, "_prefetch": 0}
    if type(present) is not JitterBuffer or not shape.items() <= vars(present).items():
        log.info("this version of aiortc keeps its own jitter buffer: frames come one frame later")
        return None
    buffer = MarkerJitterBuffer(clock)
    setattr(receiver, _ATTRIBUTE, buffer)
    return buffer
