"""When the packets of a stream may leave: spread over the time until the next picture, as real senders do.

A picture of 40 packets that leaves at once fills the queue of a slow link, which then drops the picture's
end. This module only decides. It has no socket and no clock: the time is an argument, in s.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pacer"]

_HASTE: Final = 2.5
"""Speed of sending, as a multiple of the bit rate of the stream, so that a keyframe is not late."""


class Pacer:
    """The packets that wait to be sent: retransmissions first, then the others, each in order.

    They leave at 2.5 times the bit rate, or faster if they would otherwise wait too long.

    Args:
        bits_per_s: returns the bit rate of the stream.
        at_most_s: how long a packet may wait, in s.
    """

    def __init__(self, bits_per_s: Callable[[], int], at_most_s: float) -> None:
        self._bits_per_s = bits_per_s
        self._at_most_s = at_most_s
        self._again: collections.deque[bytes] = collections.deque()
        self._first: collections.deque[bytes] = collections.deque()
        self._waiting = 0  # bits
        self._owed = 0.0  # bits that have left too early: the next packet leaves when there are none
        self._speed = 0.0  # bits per s; it must not fall while packets wait, or the oldest would wait too long
        self._now = 0.0

    def put(self, packet: bytes, now: float, *, again: bool = False) -> None:
        """Add a packet; with ``again``, a retransmission."""
        self._pass_time(now)
        if not self._waiting:
            self._owed = max(self._owed, 0.0)  # a pause is no reason to hurry
            self._speed = 0.0
        (self._again if again else self._first).append(packet)
        self._waiting += 8 * len(packet)
        needed = (self._owed + self._waiting) / self._at_most_s
        self._speed = max(self._speed, _HASTE * self._bits_per_s(), needed)

    def take(self, now: float) -> list[bytes]:
        """Return the packets that leave now, in order."""
        self._pass_time(now)
        leaving = []
        while self._waiting and self._owed <= 0:
            packet = (self._again or self._first).popleft()
            self._waiting -= 8 * len(packet)
            self._owed += 8 * len(packet)
            leaving.append(packet)
        return leaving

    def wait_s(self, now: float) -> float | None:
        """Return how long the next packet has to wait, in s; None if there is none."""
        self._pass_time(now)
        return max(0.0, self._owed / self._speed) if self._waiting else None

    def _pass_time(self, now: float) -> None:
        self._owed -= (now - self._now) * self._speed
        self._now = now
