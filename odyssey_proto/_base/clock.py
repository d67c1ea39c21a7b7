"""The only reader of time.

`Clock` is what everything asks; tests hand in their own. `Deadline` is one point in time shared by all the
steps of a call. Neither sleeps: waiting belongs to whoever owns the lock, future or socket.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TURN_S", "Clock", "Deadline", "MonotonicClock", "SteadyClock"]

# 31 years. inf or sys.maxsize are how people write "never", and locks and futures refuse such numbers.
_NEVER_S: Final = 1e9
_JUMP_S: Final = 1.0  # what threads that take turns see of each other is far less
TURN_S: Final = 0.2
"""How long one turn of a wait takes at most: half of what Ctrl-C may take, where a wait cannot be woken."""


class Clock(Protocol):
    """Anything that tells the time in seconds on a scale that never jumps back."""

    def now(self) -> float:
        """Return the current time in s; only differences mean something."""
        ...


def _finest(platform: str, python: tuple[int, ...]) -> Callable[[], float]:
    """Return the monotonic clock of the machine that has the finest steps."""
    # There `time.monotonic` goes on in steps of 15.6 ms, in which a frame is decoded ten times over.
    return time.perf_counter if platform == "win32" and python < (3, 13) else time.monotonic


_read: Final = _finest(sys.platform, sys.version_info[:2])


class MonotonicClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return `time.monotonic()`, in s; on Windows before Python 3.13 `time.perf_counter()`, which is finer."""
        return _read()


class SteadyClock:
    """Another clock, without its jumps back: a session that lives for hours must not stand still for one.

    A jump ahead is let through: it is what a machine that was suspended looks like. Any thread may ask.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken_back = 0.0
        self._last = clock.now()

    def now(self) -> float:
        """Return the other clock's time, in s, and what it has taken back so far."""
        now = self._clock.now() + self._taken_back
        if self._last - now > _JUMP_S:
            with self._lock:  # and look again: another thread may have been here, or this one have slept
                now = self._clock.now() + self._taken_back
                if self._last - now > _JUMP_S:
                    self._taken_back += self._last - now
                    now = self._last
        self._last = now
        return now


class Deadline:
    """A point in time until which all steps of one call must be done; ``None`` or ``inf`` s means never.

    >>> class Stopped:
    ...     def now(self) -> float: return 100.0
    >>> deadline = Deadline(5.0, Stopped())
    >>> deadline.remaining(), deadline.expired, deadline.remaining(at_most=1.0)
    (5.0, False, 1.0)
    """

    __slots__ = ("_at", "_clock", "timeout")

    def __init__(self, timeout: float | None, clock: Clock) -> None:
        self.timeout: float | None = timeout
        """The whole span in s, or None for no limit: for messages."""
        self._clock = clock
        self._at = None if timeout is None or timeout >= _NEVER_S else clock.now() + timeout

    def remaining(self, *, at_most: float | None = None) -> float | None:
        """Return the s that are left, never below 0; None without a limit. ``at_most`` caps the answer."""
        if self._at is None:
            return at_most
        left = max(0.0, self._at - self._clock.now())
        return left if at_most is None else min(left, at_most)

    def waits(self) -> Iterator[float]:
        """Yield how many s to wait for a lock: at least once, and again until the point in time has passed.

        In turns, because a signal that comes just before a thread blocks wakes nobody: Ctrl-C is seen at the next.
        """
        while True:
            yield cast("float", self.remaining(at_most=TURN_S))
            if self.expired:
                return

    @property
    def expired(self) -> bool:
        """Whether the point in time has passed."""
        return self._at is not None and self._clock.now() >= self._at

    def within(self, timeout: float) -> Deadline:
        """Return a deadline for one step: ``timeout`` s from now, but never later than this one."""
        return Deadline(self.remaining(at_most=timeout), self._clock)

    def __repr__(self) -> str:
        left = self.remaining()
        return "Deadline(never)" if left is None else f"Deadline({left:.3f} s left)"
