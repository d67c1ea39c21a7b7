"""When each packet arrived, for a sender that adapts its rate to that. Numbers and times in, RTCP out; no I/O.

A sender that asks for these reports numbers all its packets, retransmissions included, in a header extension
(draft-holmer-rmcat-transport-wide-cc-extensions-01). From the reports it learns how fast the link is, and that
a queue grows, before any packet is lost.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from ..._video.meters import signed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KIND", "URI", "TransportFeedback"]

URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""The name of the extension in descriptions."""
KIND: Final = "transport-cc"
"""The name of these reports in descriptions."""

_SOONEST_S: Final = 0.05  # from the first packet in a report to the report
_LATEST_S: Final = 0.1  # if it covers few packets
_MANY: Final = 8
_REPORTED_AGAIN_S: Final = 0.5  # how long arrivals are reported again with a packet that they overtook
_TICKS_PER_S: Final = 4000  # the unit of times
_TICKS_OF_REFERENCE: Final = 256  # the unit of the time at the head of a report
_SHORT: Final = 0xFF  # ticks: the longest step that takes one byte
_LONG: Final = 0x7FFF  # ticks: the longest that takes two
_MOST_IN_REPORT: Final = 350  # packets that came, so that the report fits into a datagram
_MOST_SPAN: Final = 0x8000  # packets, whether they came or not
_MOST_AHEAD: Final = 0x4000  # a larger step, or one back, restarts the numbering

_LOST, _NEAR, _FAR = range(3)  # a packet's symbol: it did not come, or the size of its time
_RUN: Final = 0x1FFF  # the most packets in a chunk that repeats one symbol
_BITS: Final = 14  # packets in a chunk of one-bit symbols
_PAIRS: Final = 7  # and of two-bit symbols


class TransportFeedback:
    """The reports on the packets of one transport. All times are in s of the caller's clock.

    >>> feedback = TransportFeedback()
    >>> feedback.take(1, now=1.0)
    >>> feedback.take(3, now=1.01)
    >>> feedback.next_at
    1.1
    >>> [report.hex(" ", -4) for report in feedback.due(1.1, sender=10, source=11)]
    ['8fcd0005 0000000a 0000000b 00010003 00000f00 a800a028']
    """

    def __init__(self) -> None:
        self.next_at: float | None = None
        """When `due` has something to report; None if it has nothing."""
        self._highest: int | None = None  # counted beyond 65535
        self._arrived: dict[int, float] = {}  # the latest arrivals, in order
        self._known_from = 0  # packets before this one are forgotten
        self._next = 0  # the first packet that was not reported, whether it came or not
        self._first: int | None = None  # the first to report
        self._first_at = 0.0  # when the first packet that is to be reported came
        self._unreported: list[int] = []
        self._count = 0  # reports

    def take(self, number: int, now: float) -> None:
        """Note that the packet with this number in its header has come."""
        place = number
        if self._highest is not None:
            place = self._highest + signed(number - self._highest, 16)
        if self._highest is None or abs(place - self._highest) > _MOST_AHEAD:
            self._arrived.clear()
            self._first = None
            self._unreported.clear()
            self._next = self._highest = place = number
            self._known_from = place - _MOST_AHEAD  # packets sent earlier may have been overtaken
        elif place < self._known_from or place in self._arrived:
            return
        self._highest = max(self._highest, place)
        self._arrived[place] = now
        if self._first is None:
            self._first, self._first_at = min(place, self._next), now
        self._first = min(place, self._first)
        self._unreported.append(place)
        self.next_at = self._first_at + (_SOONEST_S if len(self._unreported) >= _MANY else _LATEST_S)

    def due(self, now: float, *, sender: int, source: int) -> list[bytes]:
        """Return the reports to send at ``now``, each an RTCP packet.

        Args:
            now: the time, in s.
            sender: our own SSRC, as the sender of reports.
            source: the SSRC of the stream to which a packet belonged.
        """
        if self._first is None or self.next_at is None or now < self.next_at:
            return []
        base, reports = self._first, []
        for places in self._shares(base):
            reports.append(self._report(base, places, sender, source))
            base = places[-1] + 1
        self._next = max(self._next, base)
        self._first = self.next_at = None
        self._unreported.clear()
        while self._arrived and now - self._arrived[oldest := next(iter(self._arrived))] > _REPORTED_AGAIN_S:
            del self._arrived[oldest]
            self._known_from = max(self._known_from, oldest + 1)
        return reports

    def _shares(self, base: int) -> Iterator[list[int]]:
        """Yield the packets of each report: together, they are those from ``base`` on that came."""
        share: list[int] = []
        before = 0
        came = self._unreported if base >= self._next else [place for place in self._arrived if place >= base]
        for place in sorted(came):
            ticks = _ticks(self._arrived[place])
            if share and (
                len(share) == _MOST_IN_REPORT or place - base >= _MOST_SPAN or abs(ticks - before) > _LONG
            ):
                yield share
                base, share = share[-1] + 1, []
            share.append(place)
            before = ticks
        yield share

    def _report(self, base: int, places: list[int], sender: int, source: int) -> bytes:
        reference = _ticks(self._arrived[places[0]]) // _TICKS_OF_REFERENCE
        before = reference * _TICKS_OF_REFERENCE
        runs: list[tuple[int, int]] = []
        times = bytearray()
        place, kind, count = base, _LOST, 0  # of the last run
        for arrived in places:
            if arrived > place:
                runs.append((kind, count))
                kind, count = _LOST, arrived - place
            ticks = _ticks(self._arrived[arrived])
            step, before = ticks - before, ticks
            if 0 <= step <= _SHORT:
                came = _NEAR
                times.append(step)
            else:
                came = _FAR
                times += struct.pack("!h", step)
            if came != kind:
                runs.append((kind, count))
                kind, count = came, 0
            count += 1
            place = arrived + 1
        runs.append((kind, count))
        head = struct.pack(
            "!LLHHL",
            sender,
            source,
            base & 0xFFFF,
            place - base,
            (reference & 0xFFFFFF) << 8 | self._count & 0xFF,
        )
        self._count += 1
        body = head + b"".join(_chunks(deque(run for run in runs if run[1]))) + times
        body += bytes(-len(body) % 4)
        return struct.pack("!BBH", 2 << 6 | 15, 205, len(body) // 4) + body


def _ticks(seconds: float) -> int:
    return round(seconds * _TICKS_PER_S)


def _chunks(runs: deque[tuple[int, int]]) -> Iterator[bytes]:
    """Yield chunks with the symbols of the packets, given as runs of equal ones; this empties ``runs``."""
    while runs:
        symbol, count = runs[0]
        ahead = _ahead(runs)
        most = _PAIRS if _FAR in ahead else _BITS
        if count >= most or len(runs) == 1:
            taken = min(count, _RUN)
            yield struct.pack("!H", symbol << 13 | taken)
        else:
            taken = min(len(ahead), most)
            width = 2 if most == _PAIRS else 1
            bits = 0
            for each in range(most):
                bits = bits << width | (ahead[each] if each < taken else _LOST)
            yield struct.pack("!H", 1 << 15 | (width - 1) << 14 | bits)
        _drop(runs, taken)


def _ahead(runs: deque[tuple[int, int]]) -> list[int]:
    found: list[int] = []
    for symbol, count in runs:
        found += [symbol] * min(count, _BITS - len(found))
        if len(found) == _BITS:
            break
    return found


def _drop(runs: deque[tuple[int, int]], count: int) -> None:
    while count:
        symbol, length = runs.popleft()
        if length > count:
            runs.appendleft((symbol, length - count))
            return
        count -= length
