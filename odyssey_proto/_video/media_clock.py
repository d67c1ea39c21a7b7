"""The time of a frame in its connection, from the time that its sender gave it and from its arrival.

A sender's clock is unreliable. It restarts with each connection; a restarted encoder sets it back or ahead; it may
stop while the sender pauses; a 32-bit counter wraps around after 13 hours. So the sender's times are used, because
they have no jitter, as long as they agree with the arrival of the frames; otherwise the arrival decides. Nothing
here knows frames or threads.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MediaClock"]

_JUMP_MS: Final = 500.0
"""If a frame comes more than this earlier, by the sender's clock, than the quickest one before it, the clock was
set ahead."""
_BEHIND_MS: Final = 500.0
"""How far the sender's clock may fall behind the arrival of the frames during a pause."""
_SETTLING_MS: Final = 250
"""How long frames are watched after a pause: if they catch up, only the network paused."""
_CATCHING_UP_MS: Final = 100
"""By how much late frames catch up within that time, at least."""
_DRIFT: Final = 0.001
"""How much two clocks may differ in speed; real ones differ by less than a tenth of that."""
_LONGEST_DRIFT_MS: Final = 1000
"""The longest part of a pause in which they may drift apart, so that its end can still be judged."""


class MediaClock:
    """The time of each frame of a connection, in ms: it never goes back, and keeps pace with the arrival.

    >>> clock = MediaClock()
    >>> clock.place(0, 7.0), clock.place(50, 7.04)
    (0, 50)
    >>> clock.place(3_600_100, 7.1), clock.place(3_600_150, 7.16)  # set ahead by an hour
    (110, 160)
    >>> clock.place(120, 7.2), clock.place(170, 7.26)  # set back
    (200, 250)
    """

    def __init__(self) -> None:
        self._has_begun = False
        self._is_another = False  # whether the next frame has another clock than those before
        self._sent_ms = self._placed_ms = self._arrived_ms = 0
        self._lead_ms = 0.0  # of the frame that came most quickly: its time minus its arrival
        self._behind: tuple[float, int] | None = None  # since a pause: how much, and since when

    def renew(self) -> None:
        """Expect the next frame from another clock: that of another connection or stream."""
        self._is_another = True

    def place(self, sent_ms: int | None, now: float) -> int:
        """Return the time of the next frame.

        Args:
            sent_ms: its time by the sender's clock, in ms; None if it has none.
            now: when it arrived, in s.
        """
        now_ms = round(now * 1000)
        waited_ms = max(0, now_ms - self._arrived_ms)
        step_ms = None if sent_ms is None else sent_ms - self._sent_ms
        if not self._has_begun:
            placed_ms = sent_ms or 0
            self._lead_ms = placed_ms - now_ms
        elif step_ms is None or self._is_another or self._has_jumped(step_ms, now_ms):
            placed_ms = self._placed_ms + max(1, waited_ms)
            self._lead_ms, self._behind = placed_ms - now_ms, None
        else:
            placed_ms = self._placed_ms + step_ms
            self._lead_ms = max(placed_ms - now_ms, self._lead_ms - _DRIFT * min(waited_ms, _LONGEST_DRIFT_MS))
            placed_ms += self._lost_in_pause(placed_ms, now_ms, waited_ms - step_ms)
        self._has_begun, self._is_another = True, False
        self._placed_ms, self._arrived_ms = placed_ms, now_ms
        self._sent_ms = self._sent_ms if sent_ms is None else sent_ms
        return placed_ms

    def _has_jumped(self, step_ms: int, now_ms: int) -> bool:
        """Return whether the sender set its clock back, or so far ahead that no frame can come that quickly."""
        return step_ms < 0 or self._placed_ms + step_ms - now_ms - self._lead_ms > _JUMP_MS

    def _lost_in_pause(self, placed_ms: int, now_ms: int, late_ms: int) -> int:
        """Return by how much the sender's clock stood still during a pause, in ms.

        If only the network paused, the frames that it held back come in quick succession. So the next frames
        decide.
        """
        behind_ms = self._lead_ms - (placed_ms - now_ms)
        if self._behind is None:
            if late_ms >= _BEHIND_MS:
                self._behind = (behind_ms, now_ms)
            return 0
        before_ms, since_ms = self._behind
        if behind_ms < _BEHIND_MS:
            self._behind = None
        elif now_ms - since_ms >= _SETTLING_MS:
            if behind_ms > before_ms - _CATCHING_UP_MS:
                self._behind = None
                return round(behind_ms)
            self._behind = (behind_ms, now_ms)
        return 0
