"""Which lost packets of a video to request again, and when. Packets and time in, requests out; no I/O.

A gap in the numbers may be a loss, or mere reordering: `Recovery` learns how late reordered packets come, and
requests a number once it is later than that. Requests and retransmissions are lost too, so a number is requested
again after a round trip (RFC 4585, 6.2.1), until it comes, the buffer continues without it, senders no longer keep
it, or `TRIES` requests were made. While packets are lost, each request is made twice, unless the sender answers
both. The packets at the end of a frame leave no gap before the next frame comes, so they are requested if the
frame just stops.

Requests are limited, because on a full link each retransmission displaces another packet.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..._video.meters import CLOCK_RATE_HZ, RENUMBERED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OUTAGE_S", "Recovery"]

OUTAGE_S: Final = 0.35
"""A silence longer than this, in s, is an outage, to which the packets missing after it are put down."""
TRIES: Final = 12
"""How often one number is requested at most, without the copies of requests."""
MOST_MISSING: Final = 4096
"""How many numbers are kept at most; a larger gap is beyond repair."""

_KEPT_S: Final = 1.0  # how long a sender keeps its packets,
_KEPT_ROUND_TRIPS: Final = 3  # or longer, as libwebrtc does
_REORDERED_S: Final = 0.05  # the longest time to wait for reordered packets
_HALVED_AFTER_S: Final = 5.0  # observations of reordering lose half of their weight in this time
_MARGIN: Final = 1.15  # over the latest packet so far
_ASSUMED_ROUND_TRIP_S: Final = 0.1
_SHORTEST_WAIT_S: Final = 0.015  # from a request to the next one for the same number
_LONGEST_WAIT_S: Final = 1.0
_LEAST_MARGIN_S: Final = 0.01  # by which that wait exceeds the round trip
_TOO_EARLY: Final = 0.6  # share of the round trip; a packet that comes so soon answers the previous request
_LESS_HASTE: Final = 1.25
_MOST_PATIENCE: Final = 4.0
_EVEN_TRIES: Final = 4  # after that, the waits grow
_GROWTH: Final = 1.5
_SECOND_AFTER_S: Final = 0.012  # from a request to its copy, in case the request is lost
_SOME_LOST: Final = 0.005  # share of packets from which on copies are made, unless they are wasted,
_MANY_LOST: Final = 0.035  # and from which on they are made for the first requests even so
_WASTED_MOST: Final = 0.3  # share of the copies
_WASTED_WEIGHT: Final = 1 / 8  # of the newest copy in that share
_LATE_S: Final = 0.01  # a request that is more than this too late is put off,
_CATCH_UP_S: Final = 0.005  # by this
_TAIL_S: Final = 0.012  # the shortest pause within a frame after which its end may be lost
_PROBED: Final = 2  # packets
_BEFORE: Final = 3  # packets, at the start
_MARKS_WITHIN: Final = 256  # packets; a sender whose frames have no marked packet is not probed
_BUDGET: Final = 150.0  # requests at once
_BUDGET_PER_S: Final = 30.0
_BUDGET_SHARE: Final = 0.5  # of the packets that come
_FOR_COPIES: Final = _BUDGET / 2  # what must be left of it for a request to be sent twice
_SPENT: Final = 10.0  # requests; if fewer are left, loss exceeds what can be repaired soon
_WITHOUT_BUDGET_S: Final = 0.02
_BEFORE_ALL: Final = -0x10000  # lower than any number, even one before the first packet


class _Missing:
    """A number that is missing."""

    __slots__ = ("asked_at", "before_at", "copy_at", "due_at", "since", "tries", "was_late")

    def __init__(self, since: float, due_at: float) -> None:
        self.since = since
        self.tries = 0
        self.asked_at = 0.0  # the last request
        self.before_at = 0.0  # the one before it
        self.copy_at: float | None = None  # when to repeat the last request, which may be lost
        self.due_at = due_at
        self.was_late = False  # whether this request was put off already, because it came late

    @property
    def at(self) -> float:
        """When to request it again."""
        return self.due_at if self.copy_at is None else min(self.due_at, self.copy_at)


class Recovery:
    """The requests for one stream of packets. All times are in s of the caller's clock.

    Args:
        round_trip: returns a round trip measured by other means, in s, or None; used until one is known here.
        wants_all: returns whether packets lost in an outage are requested too.

    >>> recovery = Recovery()
    >>> for number in (1, 2, 4):
    ...     _ = recovery.take(number, now=1.0)
    >>> recovery.due(now=1.0), round(recovery.next_at, 3)
    ([3], 1.135)
    >>> recovery.due(now=1.14)
    [3]
    """

    def __init__(
        self,
        round_trip: Callable[[], float | None] = lambda: None,
        wants_all: Callable[[], bool] = lambda: False,
    ) -> None:
        self.requested = 0
        """How many requests for single numbers were made."""
        self.repaired = 0
        """How many missing packets were retransmitted on request."""
        self.in_vain = 0
        """How many packets came that were not missing: duplicates."""
        self.loss = 0.0
        """The current share of lost packets."""
        self.next_at: float | None = None
        """When `due` has something to do; None if it has nothing."""
        self._round_trip = round_trip
        self._wants_all = wants_all
        self._measured_s: float | None = None
        self._varies_s = 0.0
        self._patience = 1.0  # grows while it is not known which requests are answered
        self._reordered_s = 0.0
        self._reordered_at = 0.0
        self._tokens, self._tokens_at = _BUDGET, 0.0
        self._per_s = 0.0
        self._arrived = self._gone = 0
        self._counting_since = 0.0
        self._says_again = False
        self._wasted = 0.0  # the share of the copies, lately, for which a packet came twice
        self._restart()

    def _restart(self) -> None:
        self._highest: int | None = None  # counted beyond 65535
        self._lowest: int | None = None  # of all; None once some were passed
        self._heard_at = 0.0
        self._timestamp: int | None = None  # of the newest packet
        self._ended = True  # whether the newest packet is the last of its frame
        self._marked: int | None = None  # the newest packet that is the last of its frame
        self._pause_s = 0.0  # within a frame
        self._missing: dict[int, _Missing] = {}  # in order
        self._first = _BEFORE_ALL  # the lowest number that is requested before all others
        self._given_up = _BEFORE_ALL  # the highest number that is no longer requested, though it did not come
        self._probe_at: float | None = None
        self._probed: tuple[int, float] = (_BEFORE_ALL, 0.0)  # after which packet, and when
        self.next_at = None

    @property
    def round_trip_s(self) -> float:
        """The time from a request to its packet in s, or the best guess at it."""
        return self._measured_s or self._round_trip() or _ASSUMED_ROUND_TRIP_S

    @property
    def _too_early_s(self) -> float:
        """How soon after a request a packet still answers the one before it, in s; 0 if that cannot be known."""
        return _TOO_EARLY * (self._measured_s or self._round_trip() or 0.0)

    @property
    def repair_s(self) -> float | None:
        """The measured time from a request to its packet, in s; None before the first."""
        return self._measured_s

    @property
    def wait_s(self) -> float:
        """The time after which a request counts as lost, in s: longer than the round trip, which varies."""
        return self._wait(1)

    def missing_since(self, number: int) -> float | None:
        """Return when ``number`` was found missing; None if it is not missing, or is no longer requested."""
        missing = None if self._highest is None else self._missing.get(self._unwrapped(number))
        return None if missing is None else missing.since

    def has_given_up(self, number: int) -> bool:
        """Return whether ``number``, which did not come, is no longer requested."""
        if self._highest is None:
            return False
        place = self._unwrapped(number)
        return place <= self._given_up and place not in self._missing

    def is_spent(self, now: float) -> bool:
        """Return whether more is lost than can be requested."""
        self._refill(now)
        return self._tokens < _SPENT

    def prefer_from(self, number: int) -> None:
        """Request the missing packets from ``number`` on first: the buffer will probably continue from there."""
        if self._highest is not None:
            self._first = self._unwrapped(number)

    def give_up_before(self, number: int) -> None:
        """Request nothing before ``number`` from now on: the buffer will continue from there."""
        if self._highest is not None:
            self._given_up = max(self._given_up, self._unwrapped(number) - 1)
            self.passed(number)

    def answers(self, number: int, now: float) -> bool:
        """Return whether a packet with ``number`` that comes at ``now`` was retransmitted at our request."""
        missing = None if self._highest is None else self._missing.get(self._unwrapped(number))
        return missing is not None and self._is_answer(missing, now)

    def _is_answer(self, missing: _Missing, now: float) -> bool:
        return missing.tries > 0 and now - missing.asked_at >= self.round_trip_s / 2

    def passed(self, number: int) -> None:
        """Forget everything before ``number``: it is no longer needed."""
        self._lowest = None
        if self._missing:
            first = self._unwrapped(number)
            for place in list(self._missing):
                if place >= first:
                    break
                del self._missing[place]

    def want_before(self, number: int, now: float) -> None:
        """Request packets before ``number``, the lowest that came: the beginning of its frame may be lost."""
        first = self._unwrapped(number)
        self._add_before(range(first - _BEFORE, first), now + _TAIL_S, now)

    def _add_before(self, places: range, due_at: float, now: float) -> None:
        before = {place: _Missing(now, due_at) for place in places if place not in self._missing}
        self._missing = dict(sorted({**before, **self._missing}.items()))
        self._wake(due_at)

    def _unwrapped(self, number: int) -> int:
        assert self._highest is not None
        return self._highest + ((number - self._highest + 0x8000) & 0xFFFF) - 0x8000

    # --- packets

    def take(
        self, number: int, now: float, *, timestamp: int | None = None, again: bool = False, marked: bool = True
    ) -> bool:
        """Take a packet; return whether it shows an outage, or a gap beyond repair: what is missing is given up.

        Args:
            number: its sequence number.
            now: when it came, in s.
            timestamp: the time of its frame, in RTP timestamps. Without it, a silence of this process looks like
                an outage of the network.
            again: whether it is known to be a retransmission.
            marked: whether it is the last packet of a frame.
        """
        if self._highest is None:
            self._begin(number, now)
            self._note_end(now, timestamp, marked)
            return False
        place = self._highest + 1  # as most are
        if number != place & 0xFFFF:
            place = self._unwrapped(number)
        ahead = place - self._highest
        self._arrived += not again
        self._says_again |= again
        if now - self._counting_since >= 1:
            self._count(now)
        outage = False
        if ahead > 1:
            outage = self._find_gap(place, timestamp, now)
        elif ahead < 1:
            if ahead < -RENUMBERED:
                self._restart()
                self._begin(number, now)
                self._note_end(now, timestamp, marked)
            else:
                self._take_late(place, now, again)
                self._heard_at = now
            return False
        else:
            if again:
                self._measure_probe(place, now)
            elif not self._ended:
                self._learn_pause(now - self._heard_at)
        self._highest = place
        self._heard_at = now
        self._note_end(now, timestamp, marked)
        return outage

    def _begin(self, number: int, now: float) -> None:
        self._highest = self._lowest = number
        self._heard_at = now
        self._counting_since = self._tokens_at = now
        self._arrived = self._gone = 0

    def _count(self, now: float) -> None:
        share = max(0, self._gone) / max(1, self._arrived + self._gone)
        self.loss += (share - self.loss) / 2
        self._per_s = self._arrived / (now - self._counting_since)
        self._arrived = self._gone = 0
        self._counting_since = now

    def _find_gap(self, place: int, timestamp: int | None, now: float) -> bool:
        assert self._highest is not None
        count = place - self._highest - 1
        silent = now - self._heard_at > OUTAGE_S
        if silent and timestamp is not None and self._timestamp is not None:
            # If this process merely did not read its socket for so long, the packets in between are waiting there.
            ahead = (timestamp - self._timestamp + 0x80000000) % 2**32 - 0x80000000
            silent = ahead > OUTAGE_S * CLOCK_RATE_HZ
        if count > MOST_MISSING or (silent and not self._wants_all()):
            self._missing.clear()
            return True
        self._gone += 0 if silent else count
        due_at = now + self._reordering(now)
        after, asked_at = self._probed
        for missing in range(self._highest + 1, place):
            entry = self._missing[missing] = _Missing(now, due_at)
            if after < missing <= after + _PROBED:
                entry.tries, entry.asked_at, entry.due_at = 1, asked_at, max(now, asked_at + self._wait(1))
        for oldest in tuple(islice(self._missing, max(0, len(self._missing) - MOST_MISSING))):
            del self._missing[oldest]
        self._wake(due_at)
        return False

    def _take_late(self, place: int, now: float, again: bool) -> None:
        missing = self._missing.pop(place, None)
        if self._lowest is not None and place < self._lowest:
            # Packets overtook the first ones.
            self._add_before(range(place + 1, self._lowest), now + self._reordering(now), now)
            self._lowest = place
        elif missing is None:
            self.in_vain += 1
            self._wasted += (1 - self._wasted) * _WASTED_WEIGHT
        if missing is None:
            return
        if not again and not self._says_again:
            # If retransmissions look like other packets, the time distinguishes them.
            again = self._is_answer(missing, now)
        if again:
            self.repaired += 1
            self._measure(missing, now)
        else:
            self._gone -= 1
            late_s = min(_REORDERED_S, (now - missing.since) * _MARGIN)
            if late_s >= self._reordering(now):
                self._reordered_s, self._reordered_at = late_s, now

    def _reordering(self, now: float) -> float:
        if not self._reordered_s:
            return 0.0
        return self._reordered_s * math.exp2((self._reordered_at - now) / _HALVED_AFTER_S)

    def _measure(self, missing: _Missing, now: float) -> None:
        """Measure the round trip, if it is known which request was answered (Karn's rule)."""
        if missing.tries == 1:
            self._patience = 1.0
            self._add_round_trip(now - missing.asked_at)
        elif missing.tries == 2 and now - missing.asked_at < self._too_early_s:
            self._add_round_trip(now - missing.before_at)  # the last request was made too early
        else:
            self._patience = min(_MOST_PATIENCE, self._patience * _LESS_HASTE)

    def _measure_probe(self, place: int, now: float) -> None:
        after, asked_at = self._probed
        if after < place <= after + _PROBED:
            self.repaired += 1
            self._gone += 1
            self._add_round_trip(now - asked_at)

    def _add_round_trip(self, seconds: float) -> None:
        seconds = min(_LONGEST_WAIT_S, seconds)
        if self._measured_s is None:
            self._measured_s, self._varies_s = seconds, seconds / 4
        else:
            self._varies_s += (abs(seconds - self._measured_s) - self._varies_s) / 4
            self._measured_s += (seconds - self._measured_s) / 8

    def _wait(self, tries: int) -> float:
        """Return the time from request number ``tries`` for a packet to the next, in s."""
        if self._measured_s is None:
            wait = self.round_trip_s * 1.25 + _LEAST_MARGIN_S
        else:
            wait = self._measured_s + max(_LEAST_MARGIN_S, 4 * self._varies_s)
        wait = max(wait, _SHORTEST_WAIT_S) * self._patience * _GROWTH ** max(0, tries - _EVEN_TRIES)
        return min(wait, _LONGEST_WAIT_S)

    # --- the end of a frame

    def _note_end(self, now: float, timestamp: int | None, marked: bool) -> None:
        assert self._highest is not None
        self._ended, self._timestamp = marked, timestamp
        self._probe_at = None
        if not self._missing:
            self.next_at = None
        if marked:
            self._marked = self._highest
        elif self._marked is not None and self._highest - self._marked <= _MARKS_WITHIN:
            late_s = self._reordering(now) if self._reordered_s else 0.0
            self._probe_at = now + max(_TAIL_S, 2 * late_s, 1.5 * self._pause_s)
            self._wake(self._probe_at)

    def _learn_pause(self, seconds: float) -> None:
        # A sender may pace its packets. This value falls slowly, and a pause of the sender itself counts little.
        self._pause_s = max(min(seconds, _REORDERED_S), 0.99 * self._pause_s)

    # --- requests

    def due(self, now: float) -> list[int]:
        """Return the numbers to request at ``now``, in order."""
        if self.next_at is None or now < self.next_at:
            return []
        self._refill(now)
        wanted: list[int] = []
        self.next_at = None
        kept_s = self._kept_s
        for place, missing in sorted(self._missing.items(), key=lambda each: each[0] < self._first):
            if missing.at <= now:
                if now - missing.at > _LATE_S and not missing.was_late:
                    # This process did not run for a while: the packet may be among those that wait to be read.
                    missing.was_late, missing.copy_at, missing.due_at = True, None, now + _CATCH_UP_S
                    self._wake(missing.due_at)
                    continue
                if (missing.tries >= TRIES and missing.due_at <= now) or now - missing.since > kept_s:
                    del self._missing[place]
                    self._given_up = max(self._given_up, place)
                    continue
                if missing.due_at > now and self._tokens < _FOR_COPIES:
                    missing.copy_at = None  # a link with so much loss is full rather than bad
                    self._wake(missing.due_at)
                    continue
                if self._tokens < 1:
                    self._wake(now + _WITHOUT_BUDGET_S)
                    break
                self._request(missing, now)
                wanted.append(place & 0xFFFF)
            self._wake(missing.at)
        if self._probe_at is not None:
            if self._probe_at <= now:
                wanted += self._probe(now)
            else:
                self._wake(self._probe_at)
        self.requested += len(wanted)
        return wanted

    def _request(self, missing: _Missing, now: float) -> None:
        self._tokens -= 1
        missing.was_late = False
        if missing.due_at > now:
            missing.copy_at = None  # this was the copy
            self._wasted -= self._wasted * _WASTED_WEIGHT
            return
        missing.tries += 1
        missing.before_at, missing.asked_at = missing.asked_at, now
        missing.due_at = now + self._wait(missing.tries)
        missing.copy_at = now + _SECOND_AFTER_S if self._copies(missing.tries) else None

    def _copies(self, tries: int) -> bool:
        """Return whether to make request number ``tries`` for a packet twice.

        Most senders send no packet twice within a round trip, so copies cost them nothing.
        """
        if self.loss >= _MANY_LOST and tries == 1:
            return True
        return self.loss >= _SOME_LOST and self._wasted < _WASTED_MOST

    def _probe(self, now: float) -> list[int]:
        self._probe_at = None
        if self._highest is None or self._tokens < _PROBED:
            return []
        self._tokens -= _PROBED
        self._probed = self._highest, now
        return [(self._highest + ahead) & 0xFFFF for ahead in range(1, _PROBED + 1)]

    @property
    def _kept_s(self) -> float:
        """How long after it was found missing a packet can still be requested in time, in s."""
        return max(_KEPT_S, _KEPT_ROUND_TRIPS * self.round_trip_s) - self.round_trip_s

    def _refill(self, now: float) -> None:
        grown = (now - self._tokens_at) * (_BUDGET_PER_S + _BUDGET_SHARE * self._per_s)
        self._tokens, self._tokens_at = min(_BUDGET, self._tokens + grown), now

    def _wake(self, at: float) -> None:
        if self.next_at is None or at < self.next_at:
            self.next_at = at
