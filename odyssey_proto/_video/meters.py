"""The counters behind `SessionStats`.

They belong to a session, not to one of its links, so that nothing is reset when it rejoins: the jitter buffer
counts packets, the hub counts frames, and `SessionStats` is their sum. aiortc's own statistics would not do: they
end with the peer connection, and those of the retransmission stream hide those of the video. Nothing here starts a
thread or knows what a session is.
"""

from __future__ import annotations

import contextlib
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from .._base.forks import RLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._base.clock import Clock

__all__ = ["Freezes", "LinkMeter", "Mean", "Rate", "VideoTotals", "signed"]

RATE_WINDOW_S: Final = 2.0
"""The time over which rates are measured, in s."""
_BUCKET_S: Final = 0.1  # amounts within this time are kept as one
FREEZE_S: Final = 0.15
"""How much longer than the usual interval a frame has to stand before that counts as a freeze, in s."""
_INTERVAL_S: Final = 0.05  # from one frame to the next, before it is known
_LONGEST_INTERVAL_S: Final = 0.5  # a longer one is a pause
_PATH_KEPT_S: Final = 10.0  # data channels are acknowledged late, so other measurements take precedence
RENUMBERED: Final = 3000
"""A step of this many numbers or more is not a loss: the numbering has restarted (RFC 3550, A.1)."""
CLOCK_RATE_HZ: Final = 90_000
"""RTP timestamps of video per s (RFC 6184, RFC 7741)."""
_NEW_CLOCK: Final = 3 * CLOCK_RATE_HZ  # a link that loses every frame for so long is given up before


class Mean:
    """The average duration of something. Any thread may call any method."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = RLock()
        self._count, self._seconds = 0, 0.0

    def add(self, seconds: float) -> None:
        """Add a duration, in s."""
        with self._lock:
            self._count += 1
            self._seconds += seconds

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Add the duration of the ``with`` block, unless the block raises."""
        began = self._clock.now()
        yield
        self.add(self._clock.now() - began)

    @property
    def ms(self) -> float | None:
        """The average in ms; None if nothing was added."""
        with self._lock:
            return self._seconds * 1000 / self._count if self._count else None


class Rate:
    """The amount that arrives per s, over the last `RATE_WINDOW_S` s. Any thread may call any method.

    >>> rate = Rate()
    >>> for moment in range(20, 60):
    ...     rate.add(1, moment / 20)
    >>> rate.per_second(3.0), rate.per_second(4.0), rate.per_second(9.0)
    (20.0, 10.0, 0.0)
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._began: float | None = None
        self._buckets: deque[list[float]] = deque()  # the start and the amount of each

    def add(self, amount: float, now: float) -> None:
        """Add an ``amount`` that arrived at ``now`` (s)."""
        with self._lock:
            if self._began is None:
                self._began = now
            elif self._buckets and now - self._buckets[-1][0] < _BUCKET_S:
                self._buckets[-1][1] += amount
                return
            self._buckets.append([now, amount])
            while self._buckets[0][0] < now - RATE_WINDOW_S - _BUCKET_S:
                self._buckets.popleft()

    def per_second(self, now: float) -> float:
        """Return the rate at ``now`` (s). During the first second, the amount so far counts as that of 1 s."""
        with self._lock:
            if self._began is None:
                return 0.0
            span = min(RATE_WINDOW_S, max(1.0, now - self._began))
            # A bucket counts when it began within the window, to within a rounding error.
            return sum(held for began, held in self._buckets if began > now - RATE_WINDOW_S - 1e-6) / span


class Freezes:
    """How often and for how long the picture froze, as a user sees it. Any thread may call any method.

    A freeze is a time without a new frame that is more than `FREEZE_S` longer than the interval of the frames. It
    lasts from one frame to the next.

    >>> freezes = Freezes()
    >>> for ready_at, sent_ms in ((1.0, 0), (1.05, 50), (1.25, 100), (1.5, 150)):
    ...     freezes.take(ready_at, sent_ms)
    >>> freezes.so_far(now=1.6), freezes.so_far(now=2.5)
    ((1, 0.25, 0.25), (2, 1.25, 1.0))
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._count, self._total_s, self._longest_s = 0, 0.0, 0.0
        self._newest_at: float | None = None
        self._sent_ms = 0
        self._interval_s = _INTERVAL_S

    def take(self, ready_at: float, sent_ms: int) -> None:
        """Take a frame that can be shown at ``ready_at`` (s); its time is ``sent_ms`` (ms)."""
        with self._lock:
            self._count, self._total_s, self._longest_s = self.so_far(ready_at)
            if self._newest_at is not None:
                step_s = (sent_ms - self._sent_ms) / 1000
                if 0 < step_s < _LONGEST_INTERVAL_S:
                    # It grows slowly: a longer step may only show that frames were lost.
                    self._interval_s = min(step_s, 1.1 * self._interval_s)
            self._newest_at, self._sent_ms = ready_at, sent_ms

    def restart(self, frozen_until: float | None = None) -> None:
        """Expect another stream: no picture stands still until then.

        Args:
            frozen_until: when the stream ended, in s, if a freeze that lasts until then counts.
        """
        with self._lock:
            if frozen_until is not None:
                self._count, self._total_s, self._longest_s = self.so_far(frozen_until)
            self._newest_at = None

    def so_far(self, now: float) -> tuple[int, float, float]:
        """Return the number of freezes, their total length and that of the longest, in s.

        A freeze that still lasts at ``now`` (s) is included.
        """
        with self._lock:
            stands_s = 0.0 if self._newest_at is None else now - self._newest_at
            if stands_s <= self._interval_s + FREEZE_S:
                return self._count, self._total_s, self._longest_s
            return self._count + 1, self._total_s + stands_s, max(stands_s, self._longest_s)


class VideoTotals:
    """The network side's counters of a session's video, over all links. The loop's thread writes them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connections = 0
        """How often a peer connection was established."""
        self.packets = self.packets_lost = self.payload_bytes = 0
        self.frames_lost = self.frames_held = 0
        self.keyframes_requested = 0
        self.requested = self.repaired = self.in_vain = 0
        """Packets requested; those retransmitted on request; duplicates of packets that were not missing."""
        self.frames_too_late = 0
        """Frames left out because decoding was too slow; written by the decoder's thread."""
        self.held_up_s: float = 0.0
        """The delay of frames against the sender's times, if it amounts to a freeze; written by the decoder's
        thread."""
        self.packet_at: float | None = None
        """When the newest packet came, in s."""
        self.bits: Rate = Rate()
        self.decoding: Mean = Mean(clock)
        self.codec: str | None = None
        self.jitter_s: float | None = None
        self.round_trip_s: float | None = None
        self.repair_s: float | None = None
        """The time from the request for a packet to its arrival, in s."""
        self.path_s: float | None = None
        """The round trip that was measured last, in s: of a repair, of a sign of life, or of the data channels."""
        self.path_at: float | None = None
        """When that was, in s: a link without loss may go without a measurement for hours."""
        self.bandwidth_bps: float | None = None
        """The estimated bandwidth of the path from the sender, in bit/s."""
        self.is_local = False
        """Whether the service runs on this machine, and so shares its clock."""

    def note_round_trip(self, seconds: float | None) -> None:
        """Note the round trip of the data channels, in s; None if it is not known."""
        if seconds is not None and seconds != self.round_trip_s:
            self.round_trip_s = seconds
            if self.path_at is None or self.clock.now() - self.path_at > _PATH_KEPT_S:
                self.note_path(seconds)

    def note_repair(self, seconds: float | None) -> None:
        """Note the time from a request to its packet, in s; None if it is not known."""
        if seconds is not None and seconds != self.repair_s:
            self.repair_s = seconds
            self.note_path(seconds)

    def note_path(self, seconds: float) -> None:
        """Note a round trip of the network, in s."""
        self.path_s, self.path_at = seconds, self.clock.now()


class LinkMeter:
    """Counts the packets of one link into the totals: the numbers and times of two links are unrelated."""

    def __init__(self, totals: VideoTotals) -> None:
        self._totals = totals
        self._expected: int | None = None  # the sequence number after the highest
        self._missing: dict[int, None] = {}  # missing numbers below it, in order
        self._bits = 0  # that came, and are not in the totals yet
        self._timestamp: int | None = None
        self._arrived = 0.0
        self._frame: int | None = None  # timestamp of the newest frame
        self._interval: int | None = None  # between two frames, in RTP timestamps

    def take_packet(self, sequence_number: int, timestamp: int, size: int, now: float) -> None:
        """Count an RTP packet with ``size`` bytes of video that came at ``now`` (s), once it is decrypted."""
        totals = self._totals
        totals.packets += 1
        totals.packet_at = now
        totals.payload_bytes += size
        self._bits += 8 * size
        if sequence_number == self._expected:  # as most are
            self._expected = sequence_number + 1 & 0xFFFF
        else:
            self._take_number(sequence_number)
        if timestamp != self._timestamp:
            self._add_bits(now)
            if self._timestamp is not None:
                self._take_transit(now - self._arrived - signed(timestamp - self._timestamp, 32) / CLOCK_RATE_HZ)
            self._timestamp, self._arrived = timestamp, now

    def _add_bits(self, now: float) -> None:
        # Once a frame: adding them takes longer than anything else that is counted for a packet.
        self._totals.bits.add(self._bits, now)
        self._bits = 0

    def _take_number(self, number: int) -> None:
        ahead = 1 if self._expected is None else signed(number - self._expected + 1, 16)
        if ahead <= 0 and abs(ahead) < RENUMBERED:
            if number in self._missing:  # late, or retransmitted
                del self._missing[number]
                self._totals.packets_lost -= 1
            return
        if 0 < ahead < RENUMBERED:
            for lost in range(number - ahead + 1, number):
                self._missing[lost % 2**16] = None
                self._totals.packets_lost += 1
            for oldest in tuple(islice(self._missing, max(0, len(self._missing) - RENUMBERED))):
                del self._missing[oldest]
        else:
            self._missing.clear()
        self._expected = number + 1 & 0xFFFF

    def _take_transit(self, difference_s: float) -> None:
        jitter_s = self._totals.jitter_s or 0.0
        if abs(difference_s) < 1:  # more is a pause, not jitter
            self._totals.jitter_s = jitter_s + (abs(difference_s) - jitter_s) / 16

    def take_frame(self, timestamp: int, *, follows: bool, held: int = 0) -> None:
        """Count a frame.

        ``follows`` says whether no packet is missing between the previous frame and this one; ``held`` is how many
        whole frames between them are not lost, but held back.
        """
        if self._bits:
            self._add_bits(self._totals.clock.now())
        step = 0 if self._frame is None else signed(timestamp - self._frame, 32)
        self._frame = timestamp
        if step <= 0:
            return
        if follows:
            # It grows slowly, because a new stream may have begun after a pause.
            self._interval = step if self._interval is None else min(step, 2 * self._interval)
        elif self._interval is not None:
            # If the sender's clock was set ahead, the number of lost frames is unknown: one, at least.
            step -= held * self._interval
            lost = round(step / self._interval) - 1 if step < _NEW_CLOCK else 1
            self._totals.frames_lost += max(0, lost)


def signed(difference: int, bits: int) -> int:
    """Return the signed difference of two counters that wrap around after 2**bits."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
