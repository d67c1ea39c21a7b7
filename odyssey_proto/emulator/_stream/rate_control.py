"""The bit rate of a stream: fixed, or following what its receiver reports of the link.

This only decides. It has no socket, and its clock is an argument.
"""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING, Final, Protocol

from .transport_cc import REFERENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport_cc import Report

__all__ = ["LEAST_BITS_PER_S", "FixedRate", "Rate", "RateController", "rate_of"]

LEAST_BITS_PER_S: Final = 300_000
"""Minimum to which a stream with congestion control falls."""

_START: Final = 0.5
"""Part of the maximum at which a stream begins."""
_MODULUS: Final = 1 << 16  # of the numbers of packets
_KEPT: Final = 8192  # packets that may still be reported; 5 s at 16 Mbit/s
_REFERENCES: Final = 1 << 24  # of the times that reports count from
_WINDOW_S: Final = 0.5
"""Time over which arrivals and losses are counted."""
_BASE_S: Final = 10.0
"""Time over which the shortest way is that of an empty queue."""
_FULL_S: Final = 0.06
"""Time in the queue from which a link is overused; ±20 ms of jitter stay below."""
_EMPTY_S: Final = 0.03
"""Time in the queue below which the rate may rise."""
_AFTER_OVERUSE: Final = 0.85
"""Part of what arrives that is sent, so that the queue drains."""
_PAUSE_S: Final = 0.25
"""Time between two reductions, in which the first has to show. The time in the queue comes on top."""
_LOSS: Final = (0.02, 0.10)
"""Part of the packets up to which the rate rises, and above which it falls. What is lost in between is no sign
of overuse."""
_LEAST_PACKETS: Final = 20
_RISE: Final = (1.25, 1.08)
"""Growth in a second, before the first reduction and after it."""
_AHEAD: Final = 1.5
"""Part of what arrives to which the rate rises: what was not tried is not known."""


class Rate(Protocol):
    """What an encoder has to keep to."""

    most: int
    """Maximum, in bits per s."""

    @property
    def bits_per_s(self) -> int:
        """The rate now."""
        ...

    def take_estimate(self, bits_per_s: int) -> None:
        """Take a receiver's estimate of its link (REMB)."""


class FixedRate:
    """A rate that nothing changes."""

    def __init__(self, bits_per_s: int) -> None:
        self.most = bits_per_s
        self.bits_per_s = bits_per_s

    def take_estimate(self, _: int) -> None:
        """Ignore what the receiver estimates."""


class RateController:
    """A rate between 0.3 Mbit/s and ``most``, in bits per s.

    It follows the receiver's estimates (REMB), or its transport-wide reports as soon as there are any: it falls
    while packets queue on their way or many are lost, and rises slowly otherwise.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._now = now
        self._rate = float(max(LEAST_BITS_PER_S, most * _START))
        self._number = 0
        self._sent: dict[int, tuple[float, int]] = {}  # by number: time, and bits
        self._reported = False
        self._has_fallen = False
        self._reference = 0
        self._reference_s = 0.0
        self._fates: collections.deque[tuple[float, int]] = (
            collections.deque()
        )  # when reported; bits, or 0 if lost
        self._ways: collections.deque[tuple[float, float]] = (
            collections.deque()
        )  # when reported; shortest way, in s
        self._decided_at = self._fell_at = 0.0
        self._queue_s = 0.0

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
            self._reported = True
            self._reference = report.reference
            self._decided_at = self._fell_at = now  # what arrives is not known before a moment has passed
        ways = self._learn_fates(report, now)
        while self._fates and now - self._fates[0][0] > _WINDOW_S:
            self._fates.popleft()
        if ways:
            self._decide(min(ways), now)

    def _learn_fates(self, report: Report, now: float) -> list[float]:
        """Count what arrived and what did not; return the time that each packet took, plus a constant, in s."""
        ahead = (report.reference - self._reference + _REFERENCES // 2) % _REFERENCES - _REFERENCES // 2
        self._reference = report.reference
        self._reference_s += ahead * REFERENCE_S
        ways = []
        for place, arrival in enumerate(report.arrivals):
            sent = self._sent.pop((report.first + place) % _MODULUS, None)
            if sent is not None:
                sent_at, bits = sent
                self._fates.append((now, 0 if arrival is None else bits))
                if arrival is not None:
                    ways.append(self._reference_s + arrival - sent_at)
        return ways

    def _decide(self, way_s: float, now: float) -> None:
        self._ways.append((now, way_s))
        while now - self._ways[0][0] > _BASE_S:
            self._ways.popleft()
        before_s, self._queue_s = self._queue_s, way_s - min(way for _, way in self._ways)
        elapsed_s, self._decided_at = now - self._decided_at, now
        since_s = now - self._fell_at
        arriving = sum(bits for _, bits in self._fates) / max(_PAUSE_S, min(_WINDOW_S, since_s))
        lost = sum(not bits for _, bits in self._fates)
        loss = lost / len(self._fates) if len(self._fates) >= _LEAST_PACKETS else 0.0
        may_fall = since_s >= _PAUSE_S + self._queue_s
        if may_fall and self._queue_s > _FULL_S and self._queue_s >= before_s:
            self._fall(min(self._rate, arriving) * _AFTER_OVERUSE, now)
        elif may_fall and loss > _LOSS[1]:
            self._fall(self._rate * (1 - loss / 2), now)
        elif self._queue_s < _EMPTY_S and loss <= _LOSS[0]:
            growth: float = _RISE[self._has_fallen] ** elapsed_s
            self._set(max(self._rate, min(self._rate * growth, _AHEAD * arriving)))

    def _fall(self, rate: float, now: float) -> None:
        self._set(rate)
        self._has_fallen, self._fell_at = True, now
        self._fates.clear()

    def _set(self, rate: float) -> None:
        self._rate = min(max(rate, LEAST_BITS_PER_S), self.most)


def rate_of(bits_per_s: int | None, *, adapts: bool) -> Rate | None:
    """Return the rate of a new connection, fixed or adapting to the link; None for that of the library."""
    if bits_per_s is None:
        return None
    return RateController(bits_per_s) if adapts else FixedRate(bits_per_s)
