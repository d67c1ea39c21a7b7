"""When frames are due if they are to be shown smoothly: at the sender's pace, a target delay after the fastest.

A frame that the network held up, because a packet had to be retransmitted, is late against the sender's times. If
every frame waits for the target delay, such a frame is still in time. The target is the delay that nearly all such
frames need, and no more: 0 as long as nothing is held up. It grows at once and falls slowly.

Times of frames go in, due times come out. Nothing here knows frames, threads or a clock.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

__all__ = ["MOST_DELAY_S", "Playout"]

MOST_DELAY_S: Final = 0.25
"""The longest target delay, in s. Longer delays, as in an outage, cannot be smoothed."""
_SHARE: Final = 0.95  # of the delayed frames, for which the target is long enough
_REMEMBERED_S: Final = 30.0  # how long a delay counts
_MOST_REMEMBERED: Final = 200  # delays
_LEAST_DELAYS: Final = 2  # a single one may not recur
_NOT_HELD_UP_S: Final = 0.02  # frames that are less late are not held up
_FALLS: Final = 0.02  # by how much the target falls in a second, in s
_FASTEST_FRAME_OF_S: Final = 10.0  # the window for the fastest frame; in a longer one, clocks drift apart
_PART_S: Final = 0.5  # of that window, for which one fastest frame is kept
_MOVED_AFTER_S: Final = 1.0  # if all frames are late for so long, the path has become longer


class Playout:
    """The due time of each frame. All times are in s.

    >>> playout = Playout()
    >>> playout.take(ready_at=10.0, sent_at=0.0), playout.take(ready_at=10.06, sent_at=0.05)
    (10.0, 10.06)
    >>> for ready_at, sent_at in ((10.25, 0.1), (10.25, 0.15), (10.25, 0.2), (10.25, 0.25), (10.45, 0.3)):
    ...     due_at = playout.take(ready_at, sent_at)
    >>> round(playout.target_s, 3), round(playout.take(ready_at=10.45, sent_at=0.35), 3)
    (0.15, 10.5)
    """

    def __init__(self) -> None:
        self.target_s = 0.0
        """The target delay."""
        self._delays: deque[tuple[float, float]] = deque(maxlen=_MOST_REMEMBERED)  # when, and how long
        self._newest_at = self._due_at = -math.inf
        self._fastest: deque[tuple[float, float]] = deque()  # since when, and ready_at - sent_at of the fastest
        self._late_since: float | None = None
        self._latest_s = self._least_s = 0.0  # since then: the longest delay, and the least ready_at - sent_at

    def renew(self) -> None:
        """Expect the next frame over another path, or of another stream: the delay so far remains."""
        self._fastest.clear()
        self._late_since = None

    def take(self, ready_at: float, sent_at: float) -> float:
        """Return when the next frame is due: never before it is ready, nor before the previous frame is due.

        Args:
            ready_at: when it could be shown at the earliest.
            sent_at: its time by the sender's clock.
        """
        way_s = ready_at - sent_at
        self._note_fastest(ready_at, way_s)
        late_s = way_s - self._way_s
        self._note_delay(ready_at, way_s, late_s)
        self._adapt(ready_at)
        self._due_at = max(ready_at, self._due_at, sent_at + self._way_s + self.target_s)
        return self._due_at

    @property
    def _way_s(self) -> float:
        return min(way_s for _, way_s in self._fastest)

    def _note_fastest(self, now: float, way_s: float) -> None:
        while self._fastest and now - self._fastest[0][0] > _FASTEST_FRAME_OF_S:
            self._fastest.popleft()
        if self._fastest and now - self._fastest[-1][0] < _PART_S:
            since, before_s = self._fastest.pop()
            self._fastest.append((since, min(way_s, before_s)))
        else:
            self._fastest.append((now, way_s))

    def _note_delay(self, now: float, way_s: float, late_s: float) -> None:
        """Count a delay once, with its longest time: the frames behind one that is held up are late as well."""
        if late_s < _NOT_HELD_UP_S:
            self._late_since = None
            return
        if self._late_since is None:
            self._late_since, self._latest_s, self._least_s = now, late_s, way_s
            self._delays.append((now, late_s))
            return
        self._least_s = min(way_s, self._least_s)
        if now - self._late_since >= _MOVED_AFTER_S:
            self._delays.pop()
            self._fastest = deque([(now, self._least_s)])
            self._late_since = None
        elif late_s > self._latest_s:
            self._latest_s = late_s
            self._delays[-1] = (now, late_s)

    def _adapt(self, now: float) -> None:
        while self._delays and now - self._delays[0][0] > _REMEMBERED_S:
            self._delays.popleft()
        delays = sorted(seconds for _, seconds in self._delays if seconds <= MOST_DELAY_S)
        wanted_s = delays[math.ceil(_SHARE * len(delays)) - 1] if len(delays) >= _LEAST_DELAYS else 0.0
        passed_s = min(1.0, max(0.0, now - self._newest_at))
        self.target_s = max(wanted_s, self.target_s - _FALLS * passed_s)
        self._newest_at = now
