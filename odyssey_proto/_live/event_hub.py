"""The hub from which the typed events of a session go to all its readers.

Every reader gets every event since it subscribed, in order, in a queue of its own. `odyssey_proto.core` decides
which events there are; `odyssey_proto._live.dispatcher` calls handlers.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import weakref
from typing import TYPE_CHECKING

from .._base import errands
from .._base.errors import OdysseyStreamTimeoutError
from .._base.limits import EVENTS_MOST_WAITING, EVENTS_MOST_WAITING_BYTES
from .._base.tracebacks import is_from_here
from .._model.text_size import text_size

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .._model.events import Event

__all__ = ["EventHub", "EventQueue"]

log = logging.getLogger("odyssey_proto.live")


class EventQueue:
    """The newest events that wait for one reader. `put` and `close` never block; `get` does."""

    def __init__(self) -> None:
        self._publishing = threading.RLock()
        # None marks the end. The queue is written in C, so a reader holds no lock: a signal handler that
        # interrupts it may wait for the publisher.
        self._events: queue.SimpleQueue[tuple[Event, int] | None] = queue.SimpleQueue()
        self._put_chars = self._taken_chars = 0  # in the texts of all events so far
        self._closed = False
        self._is_behind = False

    def __len__(self) -> int:
        """Return the number of waiting events."""
        return max(0, self._events.qsize() - self._closed)

    def put(self, event: Event) -> None:
        """Add an event, and leave out the oldest if too many wait; do nothing once closed."""
        with self._publishing:
            if self._closed:
                return
            self._put_chars += text_size(event)
            while len(self) >= EVENTS_MOST_WAITING or (
                len(self) and self._put_chars - self._taken_chars > EVENTS_MOST_WAITING_BYTES
            ):
                log.log(
                    logging.DEBUG if self._is_behind else logging.WARNING,
                    "a reader is %d events behind: the oldest are left out",
                    len(self),
                )
                self._is_behind = True
                with contextlib.suppress(queue.Empty):  # the reader was faster
                    self._taken(self._events.get_nowait())
            self._events.put((event, self._put_chars))

    def _taken(self, item: tuple[Event, int] | None) -> Event | None:
        if item is None:
            return None
        event, chars = item
        self._taken_chars = max(self._taken_chars, chars)
        return event

    def close(self) -> None:
        """Take no more events; those in the queue can still be read."""
        with self._publishing:
            if not self._closed:
                self._closed = True
                self._events.put(None)

    def get(self, deadline: Deadline) -> Event | None:
        """Wait for the next event and return it; None once the queue is closed and empty.

        Raises:
            OdysseyStreamTimeoutError: no event came before ``deadline``.
        """
        for seconds in errands.turns(deadline):
            try:
                event = self._taken(self._events.get(timeout=seconds))
            except queue.Empty as exc:
                if not is_from_here(exc):  # raised by a signal handler
                    raise
                if not self._closed or not self._events.empty():
                    continue
                event = None  # an earlier signal handler struck before the end was put back
            if event is None:
                self._events.put(None)  # for the next call
            return event
        raise OdysseyStreamTimeoutError(
            f"No event within {deadline.timeout:g} s", code="event_timeout", operation="events"
        )


class EventHub:
    """The hub from which events go to all readers. It holds readers weakly."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may subscribe while the same thread does
        self._readers: weakref.WeakSet[EventQueue] = weakref.WeakSet()
        self._closed = False

    def subscribe(self) -> EventQueue:
        """Return a queue that gets every event from now on; after `close`, the queue has already ended."""
        reader = EventQueue()
        with self._lock:
            self._readers.add(reader)
            if self._closed:
                reader.close()
        return reader

    def publish(self, event: Event) -> None:
        """Pass an event to every reader."""
        with self._lock:
            for reader in self._readers:
                reader.put(event)

    def close(self) -> None:
        """End all queues: no more events come."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.close()
