"""The bit rate of a stream: fixed, or following its receiver's reports on the link.

This module only decides. It has no socket, and its clock is an argument.
"""

from __future__ import annotations

import collections
import math
import time
from typing import TYPE_CHECKING, Final, Protocol

from .transport_cc import REFERENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport_cc import Report

__all__ = ["LEAST_BITS_PER_S", "BitRate", "FixedRate", "RateController", "rate_of"]

LEAST_BITS_PER_S: Final = 300_000
"""Lowest rate to which a stream with congestion control falls."""

_RESERVES_S: Final = (0.15, 0.05)
"""Reserves for a keyframe, in s: with a fixed rate, so that keyframes are as large as those of real senders; and
with a rate that may fall."""
_START: Final = 0.5
"""Part of the maximum at which a stream begins."""
_MODULUS: Final = 1 << 16  # of packet numbers
_KEPT: Final = 8192  # packets that may still be reported; 5 s at 16 Mbit/s
_REFERENCES: Final = 1 << 24  # of the reference times of reports
_PERIOD_S: Final = 0.2
"""Time between two decisions, during which several pictures are sent."""
_WINDOW_S: Final = 0.5
"""Time over which arrivals are counted."""
_LEAST_WINDOW_S: Final = 0.1
_BASES: Final = 50
"""Decisions (10 s) over which the shortest transit is taken as that of an empty queue."""
_FULL_S: Final = 0.06
"""Time in the queue above which a link counts as overused; jitter of ±20 ms stays below it."""
_EMPTY_S: Final = 0.03
"""Time in the queue below which the rate may rise."""
_DRAINING: Final = 0.9
"""Share of the queue of a period ago: if no more than this is left, the rate need not fall again."""
_AFTER_OVERUSE: Final = (0.5, 0.85)
"""Smallest and largest part of the arrival rate to send at, so that the queue is empty after about a second."""
_LOSS: Final = 0.1
"""Share of lost packets up to which losses are not a sign of overuse."""
_COUNTED: Final = 50  # packets; among fewer, a loss proves little
_RISE: Final = (1.25, 1.08)
"""Growth factor per second, before the first reduction and after it."""
_AHEAD: Final = 1.5
"""Highest rate to which the rate may rise, as a multiple of the arrival rate: higher ones are untested."""


class BitRate(Protocol):
    """The rate that an encoder must not exceed."""

    most: int
    """Maximum, in bits per s."""
    reserve_s: float
    """How much of the maximum a keyframe may take at once, in s."""

    @property
    def bits_per_s(self) -> int:
        """The rate now."""
        ...

    def take_estimate(self, bits_per_s: int, /) -> None:
        """Take a receiver's estimate of its link (REMB), in bits per s."""


class FixedRate:
    """A rate that nothing changes."""

    def __init__(self, bits_per_s: int) -> None:
        self.most = bits_per_s
        self.reserve_s = _RESERVES_S[0]
        self.bits_per_s = bits_per_s

    def take_estimate(self, _: int) -> None:
        """Ignore the receiver's estimate."""


class RateController:
    """A rate between 0.3 Mbit/s and ``most`` (in bits per s).

    It follows the receiver's estimates (REMB), or its transport-wide reports as soon as there are any: it falls
    while packets queue or many are lost, and rises slowly otherwise.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.reserve_s = _RESERVES_S[1]
        self._now = now
        self._rate = float(max(LEAST_BITS_PER_S, most * _START))
        self._number = 0
        self._sent: dict[int, tuple[float, int]] = {}  # by number: time, and bits
        self._reported = False
        self._reference = 0
        self._reference_s = 0.0
        self._arrivals: collections.deque[tuple[float, int]] = collections.deque(maxlen=_KEPT)  # when, and bits
        self._fates = [0, 0]  # numbers of lost packets and of packets that arrived
        self._way_s = math.inf  # the shortest transit of this period, plus a constant
        self._ways: collections.deque[float] = collections.deque(maxlen=_BASES)
        self._queue_s = 0.0
        self._decided_at = 0.0
        self._has_fallen = False

    @property
    def bits_per_s(self) -> int:
        """The rate now."""
        return round(self._rate)

    def take_estimate(self, bits_per_s: int) -> None:
        """Follow the receiver's estimate (REMB), unless it sends transport-wide reports."""
        if not self._reported:
            self._set(bits_per_s)

    def number(self, size: int) -> int:
        """Return the number of a packet of ``size`` bytes that is being sent."""
        number, self._number = self._number, (self._number + 1) % _MODULUS
        self._sent[number] = self._now(), 8 * size
        self._sent.pop((number - _KEPT) % _MODULUS, None)
        return number

    def take_report(self, report: Report) -> None:
        """Follow a transport-wide report."""
        now = self._now()
        if not self._reported:
            self._reported, self._decided_at, self._reference = True, now, report.reference
        self._learn(report)
        if now - self._decided_at >= _PERIOD_S and self._way_s < math.inf:
            self._decide(now)

    def _learn(self, report: Report) -> None:
        ahead = (report.reference - self._reference + _REFERENCES // 2) % _REFERENCES - _REFERENCES // 2
        self._reference = report.reference
        self._reference_s += ahead * REFERENCE_S
        for place, arrival in enumerate(report.arrivals):
            sent = self._sent.pop((report.first + place) % _MODULUS, None)
            if sent is not None:
                sent_at, bits = sent
                self._fates[arrival is not None] += 1
                if arrival is not None:
                    arrived_at = self._reference_s + arrival
                    self._arrivals.append((arrived_at, bits))
                    self._way_s = min(self._way_s, arrived_at - sent_at)

    def _decide(self, now: float) -> None:
        elapsed_s, self._decided_at = now - self._decided_at, now
        self._ways.append(self._way_s)
        before_s, self._queue_s = self._queue_s, self._way_s - min(self._ways)
        self._way_s = math.inf
        arriving = self._arriving()
        if self._queue_s > max(_FULL_S, _DRAINING * before_s) and arriving:
            least, most = _AFTER_OVERUSE
            self._fall(arriving * min(max(1 - self._queue_s, least), most))
        elif (loss := self._loss()) > _LOSS:
            self._fall(self._rate * (1 - loss / 2))
        elif self._queue_s < _EMPTY_S:
            growth: float = _RISE[self._has_fallen] ** elapsed_s
            self._set(max(self._rate, min(self._rate * growth, _AHEAD * arriving)))

    def _arriving(self) -> float:
        """Return how many bits arrive per second; 0 if that is not known."""
        while self._arrivals and self._arrivals[-1][0] - self._arrivals[0][0] > _WINDOW_S:
            self._arrivals.popleft()
        if not self._arrivals:
            return 0.0
        (first_at, first), (last_at, _) = self._arrivals[0], self._arrivals[-1]
        span_s = last_at - first_at
        return (sum(bits for _, bits in self._arrivals) - first) / span_s if span_s > _LEAST_WINDOW_S else 0.0

    def _loss(self) -> float:
        """Return the share of lost packets and begin a new count; return 0 while too few are counted."""
        lost, arrived = self._fates
        if lost + arrived < _COUNTED:
            return 0.0
        self._fates = [0, 0]
        return lost / (lost + arrived)

    def _fall(self, rate: float) -> None:
        self._set(min(rate, self._rate))
        self._has_fallen = True

    def _set(self, rate: float) -> None:
        self._rate = min(max(rate, LEAST_BITS_PER_S), self.most)


def rate_of(bits_per_s: int | None, *, adapts: bool) -> BitRate | None:
    """Return the rate of a new connection, fixed or adapting to the link; None leaves it to aiortc."""
    if bits_per_s is None:
        return None
    return RateController(bits_per_s) if adapts else FixedRate(bits_per_s)
