"""One exchange with a server: its deadline, its aborts, and the sockets that it waits on. This module opens none.

A timeout of the socket module limits one operation, but a server that drips bytes causes any number of them.
So every operation gets only the time that its `Call` has left. Waking another thread requires shutting down its
socket: a call keeps a duplicate of the descriptor for this, which no library closes, wraps in TLS or reuses. Only
Linux wakes every waiting thread, and on Windows Ctrl-C wakes none, so every wait is cut into short turns.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

from .._base.clock import TURN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .stopwatch import Stopwatch

__all__ = ["Call", "current_call"]

_LONGEST_TIMEOUT_S: Final = 1e6  # the C library's timeouts overflow not far above


class Call:
    """One exchange with a server: its deadline, its aborts, and the sockets that it waits on.

    Used in a ``with``. The aborting thread calls ``on_wake`` under a lock, so ``on_wake`` must not block.
    """

    def __init__(
        self,
        deadline: Deadline,
        *aborts: Abort | None,
        on_wake: Callable[[], object] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.deadline = deadline
        """The deadline for the whole exchange. It may be replaced between two operations."""
        self.aborts = tuple(abort for abort in aborts if abort is not None)
        """The aborts that may end it."""
        self.stopwatch = stopwatch
        """Measures its duration, if wanted."""
        self.target: str | None = None
        """The path and the query of the next request, as they are sent; None leaves them to urllib3."""
        self.proxy = ""
        """The host and port of the proxy of the next request, for texts; empty if there is none."""
        self.challenge = ""
        """How the proxy that answered last wants its clients to authenticate: its ``Proxy-Authenticate``."""
        self._on_wake = on_wake
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._lines: tuple[socket.socket, ...] = ()
        self._process = os.getpid()

    def __enter__(self) -> Self:
        for abort in self.aborts:
            abort._add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for abort in self.aborts:
            abort._remove(self)
        with self._lock:
            self._drop_lines()

    @property
    def aborted(self) -> bool:
        """Whether it was aborted."""
        return self._woken.is_set() or any(abort.aborted for abort in self.aborts)

    def wake(self) -> None:
        """End the current wait of this call at once, from any thread."""
        self._woken.set()
        self.shut()
        if self._on_wake is not None:
            self._on_wake()

    def remaining(self) -> float | None:
        """Return the time left for the next operation, in s, always above 0; None without a limit.

        Raises:
            ConnectionAbortedError: the call was aborted.
            TimeoutError: the deadline has passed.
        """
        if self.aborted:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the call was aborted")
        left = self.deadline.remaining()
        if left is None or left > _LONGEST_TIMEOUT_S:
            return None
        if left <= 0:
            raise TimeoutError("the time of the call is over")
        return left

    def guard(self, *socks: socket.socket) -> None:
        """Guard these sockets from now on, and no others: an abort shuts them down."""
        # The family is for information only, and TLS inside TLS has none.
        lines = tuple(socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) for sock in socks)
        with self._lock:
            self._drop_lines()
            self._lines = lines
        if self.aborted:
            self.shut()

    def shut(self) -> None:
        """Shut down the sockets in both directions: a waiting thread reads what has arrived, and then the end."""
        with self._lock:
            # A forked child shares the connections and must leave them alone.
            for line in self._lines if self._process == os.getpid() else ():
                with contextlib.suppress(OSError):  # not connected yet, or no longer
                    line.shutdown(socket.SHUT_RDWR)

    def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` and return whether the call can continue; if it cannot, return False at once."""
        left = self.deadline.remaining()
        return (left is None or left > seconds) and not any(map(self._woken.wait, _turns(seconds)))

    def turns(self) -> Iterator[float]:
        """Yield the length of each turn of one wait, in s; together they take the time that the call has left.

        Raises:
            ConnectionAbortedError: the call was aborted.
            TimeoutError: the last turn is over.
        """
        for turn in _turns(self.remaining()):
            yield turn
            self.remaining()
        raise TimeoutError("the time of the call is over")

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make this the call of all connections that the thread opens or uses within a ``with``."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def _drop_lines(self) -> None:
        for line in self._lines:
            line.close()
        self._lines = ()


def _turns(seconds: float | None) -> Iterator[float]:
    """Yield the turns into which a wait of ``seconds`` is cut, in s; endlessly for None."""
    while seconds is None or seconds > TURN_S:
        yield TURN_S
        seconds = None if seconds is None else seconds - TURN_S
    yield seconds


_current: contextvars.ContextVar[Call] = contextvars.ContextVar("odyssey_call")


def current_call() -> Call:
    """Return the call for which the thread opens or uses connections; see `Call.current`."""
    return _current.get()
