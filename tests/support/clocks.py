"""Clocks that tests set."""

from __future__ import annotations

__all__ = ["HandClock", "Time"]


class Time:
    """A clock that stands still until it is set."""

    def __init__(self, at: float = 100.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class HandClock:
    """A clock that is set by hand, so that 40 s pass at once."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time
