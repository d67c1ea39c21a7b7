"""Thins out reports that repeat: a failure at every frame would fill a log. This module logs nothing itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from .clock import Clock

__all__ = ["Seldom"]

_APART_S: Final = 1.0

K = TypeVar("K", bound=Hashable)


class Seldom(Generic[K]):
    """Lets one report of each kind through per second, and counts the others. For one thread.

    >>> class Stopped:
    ...     def now(self) -> float: return 100.0
    >>> reports = Seldom(Stopped())
    >>> reports.passed("cat"), reports.passed("cat"), reports.passed("dog"), reports.held_back()
    (0, None, 0, {'cat': 1})
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._passed_at: dict[K, float] = {}
        self._held_back: dict[K, int] = {}

    def passed(self, kind: K) -> int | None:
        """Return None if this report is to be left out, else how many of its kind were left out just before it."""
        now = self._clock.now()
        if now - self._passed_at.get(kind, float("-inf")) < _APART_S:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return None
        self._passed_at[kind] = now
        return self._held_back.pop(kind, 0)

    def held_back(self) -> dict[K, int]:
        """Return how many reports of each kind were left out since the last one passed."""
        return dict(self._held_back)
