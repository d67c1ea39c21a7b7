"""Requests for lost packets, in a receiver of aiortc: this connects `recovery` to the clock and the network.

aiortc requests missing packets only when a new gap appears, and then all of them; it remembers 128 numbers. A
`Requester` replaces that part of a receiver; it also requests by timer. If aiortc's internals differ from
those known here, aiortc keeps requesting in its own way.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiortc.rtcrtpreceiver import NackGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    from ..._base.clock import Clock
    from ..._video.meters import VideoTotals
    from .jitter import MarkerJitterBuffer
    from .recovery import Recovery

__all__ = ["Requester", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_GENERATOR: Final = "_RTCRtpReceiver__nack_generator"  # aiortc has no public name for it
_SENT_AGAIN: Final = "_RTCRtpReceiver__rtx_ssrc"
_LEAST_TIMER_S: Final = 0.002  # the shortest time on a timer, and how late one may be


class Requester:
    """Takes each packet before the jitter buffer does, and requests missing ones. Runs on the loop's thread.

    aiortc calls `add`, and requests the numbers in `missing` if it returns True.

    Args:
        receiver: aiortc's receiver, which sends the requests made by timer.
        buffer: its jitter buffer.
        recovery: decides what to request.
        totals: counts the requests.
        spawn: starts a task that ends with the connection.
    """

    def __init__(
        self,
        receiver: Any,
        buffer: MarkerJitterBuffer,
        recovery: Recovery,
        clock: Clock,
        totals: VideoTotals,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.missing: list[int] = []
        """The numbers to request now."""
        self.again = SentAgain()
        """Replaces aiortc's map of the SSRCs of retransmissions."""
        self._receiver = receiver
        self._buffer = buffer
        self._recovery = recovery
        self._clock = clock
        self._totals = totals
        self._spawn = spawn
        self._ssrc: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._stopped = False

    def add(self, packet: RtpPacket) -> bool:
        """Take a packet; return whether to request the numbers now in `missing`."""
        now, recovery = self._clock.now(), self._recovery
        again, self.again.looked_up = self.again.looked_up, False
        self._ssrc = packet.ssrc
        number, timestamp = packet.sequence_number, packet.timestamp
        if recovery.take(number, now, timestamp=timestamp, again=again, marked=bool(packet.marker)):
            self._buffer.note_outage()
        at = recovery.next_at
        if at is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return False
        if now < at and self._timer is not None and self._timer_at <= at + _LEAST_TIMER_S:
            return False  # the timer will do it
        self.missing = recovery.due(now)
        self._set_timer(now)
        self._count()
        return bool(self.missing)

    def stop(self) -> None:
        """Request nothing more by timer."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, now: float) -> None:
        at = self._recovery.next_at
        if at is None or self._stopped:
            return
        if self._timer is not None:
            if self._timer_at <= at + _LEAST_TIMER_S:
                return  # that timer is early enough
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(_LEAST_TIMER_S, at - now), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.now()
        assert self._ssrc is not None
        numbers = self._recovery.due(now)
        if numbers:
            self._spawn(self._receiver._send_rtcp_nack(self._ssrc, sorted(numbers)))
        if self._buffer.asks(now):
            self._spawn(self._receiver._send_rtcp_pli(self._ssrc))
        self._set_timer(now)
        self._count()

    def _count(self) -> None:
        totals, recovery = self._totals, self._recovery
        totals.requested += recovery.requested
        totals.repaired += recovery.repaired
        totals.in_vain += recovery.in_vain
        recovery.requested = recovery.repaired = recovery.in_vain = 0
        totals.note_repair(recovery.repair_s)


class SentAgain(dict[int, int]):
    """A map of the SSRCs of retransmissions (RFC 4588) that notices when one is looked up.

    aiortc looks one up for each retransmission, right before it turns that into an ordinary packet.
    """

    looked_up = False

    def get(self, key: int, default: Any = None) -> Any:
        """Return the SSRC of the video whose packets ``key`` retransmits, or ``default``."""
        self.looked_up = True
        return super().get(key, default)


def install(
    receiver: RTCRtpReceiver,
    buffer: MarkerJitterBuffer,
    recovery: Recovery,
    clock: Clock,
    totals: VideoTotals,
    spawn: Callable[[Coroutine[Any, Any, None]], None],
) -> Requester | None:
    """Install a `Requester` in a receiver with our jitter ``buffer`` and return it; None if that is impossible."""
    present = getattr(receiver, _GENERATOR, None)
    numbers = getattr(receiver, _SENT_AGAIN, None)
    if (
        type(present) is not NackGenerator
        or getattr(present, "max_seq", 0) is not None
        or type(numbers) is not dict
        or not hasattr(receiver, "_send_rtcp_nack")
        or not hasattr(receiver, "_send_rtcp_pli")
    ):
        log.info("this version of aiortc requests lost packets in its own way")
        return None
    requester = Requester(receiver, buffer, recovery, clock, totals, spawn)
    requester.again.update(numbers)
    setattr(receiver, _GENERATOR, requester)
    setattr(receiver, _SENT_AGAIN, requester.again)
    return requester
