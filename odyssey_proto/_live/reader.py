"""The iterator that users read frames or events from. Others fill and end the queue behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from .._base.clock import Deadline

if TYPE_CHECKING:
    from .._base.clock import Clock

__all__ = ["Origin", "Reader"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Source(Protocol[T_co]):
    def get(self, deadline: Deadline) -> T_co | None:
        """Wait for the next item and return it; None at the end."""


class Origin(Protocol):
    """The connection whose frames or events are read."""

    @property
    def clock(self) -> Clock:
        """The clock for deadlines."""
        ...

    def refuse_fork(self) -> None:
        """Raise in a forked child."""


class Reader(Iterator[T]):
    """Iterates over a queue of items from ``origin``; each step waits for at most ``timeout`` s (None: no limit).

    It keeps a reference to ``owner``, because dropping the owner ends the connection.
    """

    def __init__(self, owner: object, origin: Origin, queue: _Source[T], timeout: float | None) -> None:
        self._owner = owner
        self._origin = origin
        self._queue = queue
        self._timeout = timeout

    def __next__(self) -> T:
        self._origin.refuse_fork()
        found = self._queue.get(Deadline(self._timeout, self._origin.clock))
        if found is None:
            raise StopIteration
        return found
