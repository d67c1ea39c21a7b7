"""A limit of events per second, with room for a burst. This module neither waits nor drops anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .._base.clock import Clock

__all__ = ["Pace"]

_ROUNDING_S: Final = 1e-6


class Pace:
    """Counts events. For one thread.

    Args:
        per_s: the rate, in s⁻¹.
        burst: how many events may come at once.
        clock: the source of the time.
    """

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        self._per_s = per_s
        self._burst_s = burst / per_s
        self._clock = clock
        self._full_at = clock.now()  # when all events so far would have come at this rate

    def take(self) -> float:
        """Count one event, and return by how many s it came too early; 0 if it did not."""
        now = self._clock.now()
        self._full_at = max(self._full_at, now) + 1 / self._per_s
        early_s = self._full_at - now - self._burst_s
        return early_s if early_s > _ROUNDING_S else 0.0
