"""The duration of a round trip on the network, even while this process is busy.

While modules are imported, or other code holds the interpreter, a thread that waits for an answer resumes only
later. So Linux is asked when the answer arrived. On other systems the time at which the thread resumes counts.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from .._base.clock import seconds_since

if TYPE_CHECKING:
    from .._base.clock import Clock

__all__ = ["Stopwatch"]

_SO_TIMESTAMPNS: Final = 35  # of Linux; Python has no name for it
_TIMESPEC: Final = struct.Struct("@ll")
_MS: Final = 1000  # per s


class Stopwatch:
    """Takes the time from the first `begin` to the last `arrived`. One thread at a time uses it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._ended: float | None = None

    def begin(self, sock: socket.socket) -> None:
        """Start, unless it is already running: a request is about to be sent over ``sock``."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if self._began is None:
            self._began = self._clock.now()

    def arrived(self, sock: socket.socket) -> None:
        """Take the time: data has arrived at ``sock``. As long as it is unread, Linux knows when it arrived."""
        now = self._clock.now()
        ago = _waiting_s(sock) or 0.0
        begun = now if self._began is None else self._began
        self._ended = now - ago if 0.0 <= ago <= now - begun else now

    @property
    def is_running(self) -> bool:
        """Whether no time has been taken yet."""
        return self._ended is None

    @property
    def ms(self) -> int:
        """The time taken, in ms, rounded down; 0 if there was none."""
        return 0 if self._began is None or self._ended is None else int((self._ended - self._began) * _MS)


def _waiting_s(sock: socket.socket) -> float | None:
    """Return for how long the first data in ``sock`` has been waiting, in s; None if the system does not know."""
    if sys.platform != "linux":
        return None
    try:
        # The method of the plain socket: that of TLS refuses, although nothing is read here.
        _, notes, _, _ = socket.socket.recvmsg(sock, 1, socket.CMSG_SPACE(_TIMESPEC.size), socket.MSG_PEEK)
    except OSError:
        return None
    for level, kind, data in notes:
        if (level, kind, len(data)) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS, _TIMESPEC.size):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return seconds_since(seconds + nanoseconds / 1e9)
    return None
