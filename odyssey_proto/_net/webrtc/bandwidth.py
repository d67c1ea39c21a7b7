"""Bandwidth estimation by the receiver: packets and times in, bits per s out; no I/O.

For senders that take limits (REMB, draft-alvestrand-rmcat-remb-03) but no reports on each packet
(`transport_feedback`). A link counts as full if packets queue before it, or if the loss is too high to have
another cause. Queueing delay is measured against the fastest packets of the last seconds, so the two clocks need
not agree. A sender may send each frame as one burst, whose last packets wait for the first ones on any link; so
only the shortest delay in each tenth of a second counts.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final

__all__ = ["REMB", "Bandwidth", "limit"]

REMB: Final = "goog-remb"
"""The name of these limits in session descriptions."""

_WINDOW_S: Final = 0.1
_PAUSE_S: Final = 0.5  # after which the measurement of the rate restarts
_RATE_WINDOWS: Final = 10  # over which the rate is measured
_FASTEST_OF_S: Final = 10.0
_QUEUE_S: Final = 0.04  # a delay from which on packets may be queueing,
_SHRINKS_S: Final = 0.01  # unless it becomes shorter by this in each window
_EMPTY_S: Final = 0.02
_ANOTHER_CLOCK_S: Final = 5.0  # a longer delay is not real: the sender's clock was set, or misread
_BELOW: Final = 0.85  # of what arrived while the link was full
_DRAIN_S: Final = 0.3  # the time to wait for the effect of a lower limit, plus the queueing delay
_MOST_DRAIN: Final = 0.25  # the most by which that is lowered further: by the queueing delay in s
_AFTER_DRAIN: Final = 0.9
_LOW_LOSS: Final = 0.05  # a share up to which the limit still grows
_HIGH_LOSS: Final = 0.1  # from which on it falls
_LOSS_OF_S: Final = 1.0
_TRIED_TO: Final = 0.55  # if, below this share of the limit at which such a loss began,
_AS_MUCH: Final = 0.75  # the loss stays above this share of what it was, the rate does not cause it
_BEYOND: Final = 1.25  # up to this many times a loss with such another cause is normal
_LONGER_PATH: Final = 3  # limits that did not shorten a delay: the path has become longer, and nothing queues
_GROWTH_AT_FIRST: Final = 2.0  # per s, until the link has been full once
_GROWTH: Final = 1.08  # per s
_GROWTH_NEAR: Final = 60_000.0  # bits per s in each s, near what the link can carry
_NEAR: Final = (0.8, 1.2)
_MOST_OVER_RATE: Final = 1.5  # times the rate: a sender that sends less does not show what the link can carry
_FIRST_AFTER_S: Final = 1.0
_EVERY_S: Final = 0.5
_LEAST_BPS: Final = 100_000.0


class Bandwidth:
    """The limit for one sender. All times are in s; sending times are by the sender's clock.

    >>> bandwidth = Bandwidth()
    >>> for moment in range(300):
    ...     bandwidth.take(1000, sent=moment / 100, now=5 + moment / 100, lost=0, expected=moment + 1)
    >>> round(bandwidth.estimate / 1e6, 1), round(bandwidth.rate / 1e6, 1)
    (1.2, 0.8)
    """

    def __init__(self) -> None:
        self.estimate: float | None = None
        """The limit, in bits per s; None until something is known."""
        self._began: float | None = None
        self._window_at = 0.0
        self._bits = 0
        self._transit: float | None = None  # the shortest of this window, with the difference of the clocks in it
        self._fastest: deque[tuple[float, float]] = deque()  # moments and transits, both growing
        self._rates: deque[tuple[float, int]] = deque(maxlen=_RATE_WINDOWS)  # how long, how many bits
        self._queue_s = 0.0
        self._quiet_until = 0.0
        self._capacity: float | None = None
        self._draining = False
        self._cuts: list[float] = []  # the wait at each lowering, until the queue becomes shorter
        self._losses: deque[tuple[float, int, int]] = deque()
        self._loss_at = 0.0
        self._tried: tuple[float, float] | None = None  # the limit and the loss before it was lowered for loss
        self._other_loss = 0.0  # the share lost at any rate
        self._last_limit_at: float | None = None
        self._last_limit = 0.0

    @property
    def rate(self) -> float:
        """The current rate of arrival, in bits per s."""
        seconds = sum(seconds for seconds, _ in self._rates)
        return sum(bits for _, bits in self._rates) / seconds if seconds else 0.0

    def take(self, size: int, *, sent: float, now: float, lost: int, expected: int) -> None:
        """Take a packet.

        Args:
            size: its size in bytes.
            sent: when it was sent, by the sender's clock.
            now: when it came.
            lost: how many packets were lost so far, whether or not they were retransmitted.
            expected: how many were sent so far.
        """
        if self._began is None:
            self._began = self._window_at = now
            self._losses.append((now, lost, expected))
        if now - self._window_at >= _WINDOW_S:
            self._close(now, lost, expected)
        self._bits += 8 * size
        if self._transit is None or now - sent < self._transit:
            self._transit = now - sent

    def due(self, now: float) -> int | None:
        """Return the limit in bits per s if it is due for sending: at intervals, and if it falls; else None."""
        if self.estimate is None:
            return None
        if (
            self._last_limit_at is not None
            and now - self._last_limit_at < _EVERY_S
            and self.estimate > 0.97 * self._last_limit
        ):
            return None
        self._last_limit_at, self._last_limit = now, self.estimate
        return int(self.estimate)

    def _close(self, now: float, lost: int, expected: int) -> None:
        assert self._began is not None
        span, self._window_at = now - self._window_at, now
        bits, self._bits = self._bits, 0
        if span > _PAUSE_S:
            self._rates.clear()
            self._transit = None  # by a clock whose short counter may have wrapped around meanwhile
            return
        self._rates.append((span, bits))
        before = self._queue_s
        if self._transit is not None:
            self._queue_s = self._waited(self._transit, now)
            self._transit = None
        loss = self._loss(now, lost, expected)
        stands = self._queue_s > _QUEUE_S and before > _QUEUE_S and before - self._queue_s < _SHRINKS_S
        if self._queue_s < _EMPTY_S:
            self._cuts.clear()
            if self._draining and self._capacity is not None and self.estimate is not None:
                self.estimate = max(self.estimate, _AFTER_DRAIN * self._capacity)
                self._draining = False
        if stands:
            if now >= self._quiet_until:
                self._lower_for_queue(now, loss)
        elif loss > _HIGH_LOSS:
            self._lower_for_loss(now, loss)
        elif self.estimate is None:
            if now - self._began >= _FIRST_AFTER_S:
                self.estimate = max(_LEAST_BPS, _MOST_OVER_RATE * self.rate)
        elif not self._draining and loss <= _LOW_LOSS and self._queue_s <= _QUEUE_S:
            self._raise(span)

    def _waited(self, transit: float, now: float) -> float:
        fastest = self._fastest
        if fastest and transit - fastest[0][1] > _ANOTHER_CLOCK_S:
            fastest.clear()
        while fastest and fastest[-1][1] >= transit:
            fastest.pop()
        fastest.append((now, transit))
        while now - fastest[0][0] > _FASTEST_OF_S:
            fastest.popleft()
        return transit - fastest[0][1]

    def _loss(self, now: float, lost: int, expected: int) -> float:
        losses = self._losses
        losses.append((now, lost, expected))
        while len(losses) > 2 and now - losses[1][0] >= _LOSS_OF_S:
            losses.popleft()
        _, lost_before, expected_before = losses[0]
        if expected <= expected_before or lost < lost_before:
            return 0.0
        loss = (lost - lost_before) / (expected - expected_before)
        self._other_loss = min(self._other_loss, loss)
        return loss - min(loss, self._other_loss * _BEYOND)

    def _lower_for_queue(self, now: float, loss: float) -> None:
        self._cuts.append(self._queue_s)
        if len(self._cuts) > _LONGER_PATH and not loss and self._queue_s > self._cuts[0] - _SHRINKS_S:
            transit = self._fastest[0][1] + self._queue_s
            self._fastest.clear()
            self._fastest.append((now, transit))
            self._cuts.clear()
            self._queue_s = 0.0
            return
        rate = self.rate
        self._capacity = rate if self._capacity is None else (self._capacity + rate) / 2
        self._lower(rate * (_BELOW - min(_MOST_DRAIN, self._queue_s)))
        self._draining = True
        self._quiet_until = now + _DRAIN_S + self._queue_s

    def _lower_for_loss(self, now: float, loss: float) -> None:
        if now - self._loss_at < _LOSS_OF_S:
            return
        self._loss_at = now
        if self._tried is None:
            self._tried = self.estimate or self.rate, loss
        before, loss_before = self._tried
        if self.estimate is not None and self.estimate < _TRIED_TO * before and loss > _AS_MUCH * loss_before:
            self.estimate, self._other_loss, self._tried = before, loss, None
            return
        self._capacity = self.rate
        self._lower(self.rate / (1 - min(0.9, loss)) * (1 - loss / 2))

    def _lower(self, to: float) -> None:
        self.estimate = max(_LEAST_BPS, to if self.estimate is None else min(self.estimate, to))

    def _raise(self, seconds: float) -> None:
        assert self.estimate is not None
        self._tried = None
        seconds = min(1.0, seconds)
        if self._capacity is None:
            grown = self.estimate * _GROWTH_AT_FIRST**seconds
        elif _NEAR[0] * self._capacity < self.estimate < _NEAR[1] * self._capacity:
            grown = self.estimate + _GROWTH_NEAR * seconds
        else:
            grown = self.estimate * _GROWTH**seconds
        self.estimate = max(self.estimate, min(grown, _MOST_OVER_RATE * self.rate))


def limit(bits_per_s: int, *, sender: int, sources: list[int]) -> bytes:
    """Return the RTCP packet that asks a sender for at most ``bits_per_s``.

    Args:
        bits_per_s: the limit.
        sender: our own SSRC, as the sender of reports.
        sources: the SSRCs of the streams that share the limit.

    >>> limit(1_000_000, sender=10, sources=[11]).hex(" ", -4)
    '8fce0005 0000000a 00000000 52454d42 010bd090 0000000b'
    """
    exponent = max(0, bits_per_s.bit_length() - 18)
    body = struct.pack("!LL4sL", sender, 0, b"REMB", len(sources) << 24 | exponent << 18 | bits_per_s >> exponent)
    body += struct.pack(f"!{len(sources)}L", *sources)
    return struct.pack("!BBH", 2 << 6 | 15, 206, len(body) // 4) + body
