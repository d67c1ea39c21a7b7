"""The figures of one stream in receiver reports: packets lost, the highest number, jitter (RFC 3550, 6.4). No I/O.

Reports are about the link. So a lost packet stays lost in them even if it is retransmitted on request, and a
duplicate makes up for no loss: otherwise, our own repairs would hide from the sender how bad the link is.
"""

from __future__ import annotations

from typing import Final

from ..._video.meters import signed

__all__ = ["Reception"]

_MOST_AHEAD: Final = 3000  # packets; a longer step may restart the numbering,
_MOST_BEHIND: Final = 1000  # and so may a step back (RFC 3550, A.1, with more room for retransmissions)
_MOST_TRANSIT_S: Final = 5.0  # a longer pause is not jitter
_LARGEST_LOSS: Final = 0x7FFFFF  # that fits into a report


class Reception:
    """One stream, from its first packet.

    Args:
        clock_rate: the timestamp units per s.

    >>> reception = Reception(90_000)
    >>> for number in (65534, 65535, 1):
    ...     reception.take(number, timestamp=0, now=1.0, repaired=False)
    >>> hex(reception.highest), reception.lost, reception.expected, reception.fraction()
    ('0x10001', 1, 4, 64)
    """

    def __init__(self, clock_rate: int) -> None:
        self.received = 0
        """Packets that came."""
        self.lost = 0
        """Packets lost, including those that came only after a request."""
        self.highest = 0
        """The highest sequence number so far; the bits above the lower 16 count the wraparounds."""
        self._clock_rate = clock_rate
        self._base: int | None = None  # the first number
        self._missing: dict[int, None] = {}  # in order
        self._suspect: int | None = None  # the number after one that does not fit
        self._jitter = 0.0  # in timestamp units
        self._timestamp = 0
        self._arrived = 0.0
        self._expected_before = self._lost_before = 0

    @property
    def expected(self) -> int:
        """How many packets were sent, as their numbers show."""
        return 0 if self._base is None else self.highest - self._base + 1

    @property
    def jitter(self) -> int:
        """The variation of the times between packets, in timestamp units."""
        return int(self._jitter)

    def take(self, number: int, *, timestamp: int, now: float, repaired: bool) -> None:
        """Count a packet.

        Args:
            number: its sequence number.
            timestamp: the time of its frame, in timestamp units.
            now: when it came, in s.
            repaired: whether it was retransmitted on request.
        """
        self.received += 1
        if self._base is None:
            self._begin(number, timestamp, now)
            return
        ahead = signed(number - self.highest, 16)
        if not -_MOST_BEHIND <= ahead <= _MOST_AHEAD:
            if number == self._suspect:
                self._begin(number, timestamp, now)
            else:
                self._suspect = (number + 1) & 0xFFFF
        elif ahead > 0:
            self._suspect = None
            self._take_next(ahead, timestamp, now)
        else:
            place = self.highest + ahead
            if place in self._missing:
                del self._missing[place]
                self.lost -= not repaired

    def _begin(self, number: int, timestamp: int, now: float) -> None:
        self._base = self.highest = number
        self._missing.clear()
        self._suspect = None
        self._timestamp, self._arrived = timestamp, now
        self.lost = self._expected_before = self._lost_before = 0

    def _take_next(self, ahead: int, timestamp: int, now: float) -> None:
        if ahead > 1:
            self.lost += ahead - 1
            oldest = self.highest + ahead - _MOST_BEHIND
            for place in tuple(self._missing):
                if place >= oldest:
                    break
                del self._missing[place]
            self._missing.update(dict.fromkeys(range(max(oldest, self.highest + 1), self.highest + ahead)))
        self.highest += ahead
        if timestamp != self._timestamp:
            transit_s = now - self._arrived - signed(timestamp - self._timestamp, 32) / self._clock_rate
            if abs(transit_s) < _MOST_TRANSIT_S:
                self._jitter += (abs(transit_s) * self._clock_rate - self._jitter) / 16
            self._timestamp, self._arrived = timestamp, now

    def fraction(self) -> int:
        """Return the share of packets lost since the last call, in units of 1/256."""
        expected, lost = self.expected - self._expected_before, self.lost - self._lost_before
        self._expected_before, self._lost_before = self.expected, self.lost
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0

    @property
    def lost_in_report(self) -> int:
        """`lost`, within the range that a report can hold."""
        return min(self.lost, _LARGEST_LOSS)
