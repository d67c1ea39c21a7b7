"""What the child of a fork needs: locks that are free, and modules that are fully loaded.

Only the thread that forked lives on in the child. Locks that the parent's other threads held would stay held for
ever, and modules that they were loading would stay half loaded. Actions for the child are registered with
`process_end`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from . import process_end

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Lock", "RLock"]

_forks = 0  # how many forks led to this process
_renewing = threading.Lock()

_LOADING_S: Final = 5.0  # several times what loading everything takes
_GLANCE_S: Final = 0.001
_IMPORTING: Final = "<frozen importlib._bootstrap>"  # the file of every frame that imports
_PACKAGE: Final = ("odyssey_proto", "odyssey_models")


class Lock:
    """A `threading.Lock` that is free in the child of a fork, whoever held it in the parent.

    For objects that a child inherits and may use even if the fork interrupted a change of them.
    """

    __slots__ = ("_forks", "_lock")

    def __init__(self) -> None:
        self._forks = _forks
        self._lock = self._new()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire the lock, as `threading.Lock.acquire` does."""
        self._renew()
        return bool(self._lock.acquire(blocking, timeout))

    def release(self) -> None:
        """Release the lock; do nothing if it was acquired before the fork, by the thread that forked."""
        if not self._renew():
            self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _new(self) -> Any:
        return threading.Lock()

    def _renew(self) -> bool:
        """Replace the lock if it is still that of the parent; return whether it was."""
        if self._forks == _forks:
            return False
        with _renewing:
            if self._forks == _forks:  # another thread was faster
                return False
            self._lock, self._forks = self._new(), _forks
            return True


class RLock(Lock):
    """The same for a `threading.RLock`: a signal handler may meet the lock while its own thread holds it."""

    __slots__ = ()

    def _new(self) -> Any:
        return threading.RLock()


@process_end.after_fork_in_child
def _reset_in_child() -> None:
    global _forks, _renewing
    _forks, _renewing = _forks + 1, threading.Lock()


def _let_others_load() -> None:
    """Wait until no other thread is loading modules for this package, of which a child would have only parts.

    Wait for at most `_LOADING_S` s.
    """
    own = threading.get_ident()
    if _is_importing(sys._getframe()):  # then another thread may wait for what this one is loading
        return
    gives_up_at = time.monotonic() + _LOADING_S
    while time.monotonic() < gives_up_at:
        others = [frame for thread, frame in sys._current_frames().items() if thread != own]
        if not any(_is_importing(frame, for_package=True) for frame in others):
            return
        del others  # nothing is kept alive while this waits
        time.sleep(_GLANCE_S)


def _is_importing(frame: FrameType | None, *, for_package: bool = False) -> bool:
    """Return whether a thread at ``frame`` is importing; with ``for_package``, for this package."""
    importing = False
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            importing = True
            if not for_package:
                return True
        elif importing and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            return True
        frame = frame.f_back
    return False


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_let_others_load)
