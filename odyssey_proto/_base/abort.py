"""Ending calls from outside: one `Abort` for all calls that end together. It wakes them without waiting."""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["Abort"]


class _Call(Protocol):
    """A call that an `Abort` can end."""

    def wake(self) -> None:
        """End the current wait at once; called under a lock."""


class Abort:
    """Ends calls from outside. Each connect attempt has one, and so have other calls that end together.

    ``abort()`` may be called from any thread and any number of times. It wakes all calls made with this object at
    once; they and all later ones raise `OdysseyConnectionError` with the code ``closed``.
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler may abort in the very thread that is registering a call.
        self._lock = threading.RLock()
        self._calls: set[_Call] = set()
        self._aborted = False

    @property
    def aborted(self) -> bool:
        """Whether `abort` has been called."""
        return self._aborted

    def abort(self) -> None:
        """Wake and end all calls, present and future."""
        with self._lock:  # held while waking them, so that none can close its socket meanwhile
            self._aborted = True
            for call in tuple(self._calls):
                call.wake()

    def _add(self, call: _Call) -> None:
        with self._lock:
            self._calls.add(call)
            if self._aborted:
                call.wake()

    def _remove(self, call: _Call) -> None:
        with self._lock:
            self._calls.discard(call)
