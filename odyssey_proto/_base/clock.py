"""The clocks of the client, and deadlines.

Whatever depends on the time asks a `Clock`; tests pass their own. A `Deadline` is a point in time that all steps
of a call share. Neither sleeps: waiting is up to the owner of the lock, future or socket.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TURN_S", "Clock", "Deadline", "MonotonicClock", "SteadyClock", "seconds_since"]

# 31 years. People write inf or sys.maxsize for "never", and locks and futures refuse such numbers.
_NEVER_S: Final = 1e9
_JUMP_S: Final = 1.0  # far more than the readings of threads that race each other can differ by
TURN_S: Final = 0.2
"""The longest turn, in s, of a wait that a signal may fail to wake: half of the time that Ctrl-C may take."""


class Clock(Protocol):
    """Any source of the time in s, on a scale that never jumps back."""

    def now(self) -> float:
        """Return the current time in s; only differences are meaningful."""
        ...


def _finest(platform: str, python: tuple[int, ...]) -> Callable[[], float]:
    """Return the machine's monotonic clock with the finest resolution."""
    # On Windows, `time.monotonic` had steps of 15.6 ms until Python 3.13; decoding a frame takes a tenth of that.
    return time.perf_counter if platform == "win32" and python < (3, 13) else time.monotonic


_read: Final = _finest(sys.platform, sys.version_info[:2])


class MonotonicClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return `time.monotonic()`, in s; on Windows before Python 3.13 `time.perf_counter()`, which is finer."""
        return _read()


def seconds_since(date: float) -> float:
    """Return the time in s since ``date`` (in s since 1970), by the system's clock, which may be set meanwhile."""
    return time.time() - date


class SteadyClock:
    """Another clock without its jumps back, which would stall a session that runs for hours.

    A jump ahead is passed on: it means that the machine was suspended. Any thread may use it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._taken_back = 0.0
        self._last = clock.now()

    def now(self) -> float:
        """Return the other clock's time, in s, plus all that it has jumped back so far."""
        now = self._clock.now() + self._taken_back
        if self._last - now > _JUMP_S:
            with self._lock:  # look again: another thread may have corrected it, or this one may have slept
                now = self._clock.now() + self._taken_back
                if self._last - now > _JUMP_S:
                    self._taken_back += self._last - now
                    now = self._last
        self._last = now
        return now


class Deadline:
    """A point in time by which all steps of one call must be done; a timeout of ``None`` or ``inf`` means never.

    >>> class Stopped:
    ...     def now(self) -> float: return 100.0
    >>> deadline = Deadline(5.0, Stopped())
    >>> deadline.remaining(), deadline.expired, deadline.remaining(at_most=1.0)
    (5.0, False, 1.0)
    """

    __slots__ = ("_at", "_clock", "timeout")

    def __init__(self, timeout: float | None, clock: Clock) -> None:
        self.timeout: float | None = timeout
        """The whole time limit in s, or None for no limit; for error texts."""
        self._clock = clock
        self._at = None if timeout is None or timeout >= _NEVER_S else clock.now() + timeout

    def remaining(self, *, at_most: float | None = None) -> float | None:
        """Return the time left, in s, never below 0; None without a limit. ``at_most`` caps the result."""
        if self._at is None:
            return at_most
        left = max(0.0, self._at - self._clock.now())
        return left if at_most is None else min(left, at_most)

    def waits(self) -> Iterator[float]:
        """Yield the time to wait for a lock, in s: at least once, and again until the deadline has passed.

        The wait is cut into turns, because a signal that comes just before a thread blocks does not wake it:
        Ctrl-C takes effect at the next turn.
        """
        while True:
            yield cast("float", self.remaining(at_most=TURN_S))
            if self.expired:
                return

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self._at is not None and self._clock.now() >= self._at

    def within(self, timeout: float) -> Deadline:
        """Return a deadline for one step: ``timeout`` s from now, but never later than this one."""
        return Deadline(self.remaining(at_most=timeout), self._clock)

    def __repr__(self) -> str:
        left = self.remaining()
        return "Deadline(never)" if left is None else f"Deadline({left:.3f} s left)"
