"""Typed events of a session, for whoever wants to read them one after the other.

Every reader gets every event from when it began to read, in order, in a queue of its own. Nothing here decides
what is told: that is `odyssey_proto.core`; and nothing here calls back: that is `odyssey_proto._live.dispatcher`.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from .._base.errors import OdysseyStreamTimeoutError

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .._model.events import Event

__all__ = ["EventHub", "EventQueue"]


class EventQueue:
    """The events that wait for one reader. `put` and `close` never block; `get` does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add an event; ignored once closed."""
        with self._changed:
            if not self._closed:
                self._events.append(event)
                self._changed.notify()

    def close(self) -> None:
        """Take no more events; those that wait are still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, deadline: Deadline) -> Event | None:
        """Wait for the next event and return it; None once all have been handed out and no more come.

        Raises:
            OdysseyStreamTimeoutError: none came before ``deadline``.
        """
        with self._changed:
            turns = deadline.waits()
            if not any(self._changed.wait_for(lambda: self._events or self._closed, left) for left in turns):
                raise OdysseyStreamTimeoutError(
                    f"No event within {deadline.timeout:g} s", code="event_timeout", operation="events"
                )
            return self._events.popleft() if self._events else None


class EventHub:
    """The one place from which events go to everyone who reads them. It holds readers weakly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: weakref.WeakSet[EventQueue] = weakref.WeakSet()
        self._closed = False

    def subscribe(self) -> EventQueue:
        """Return a queue that gets every event from now on; after `close`, one that has ended."""
        queue = EventQueue()
        with self._lock:
            self._readers.add(queue)
            if self._closed:
                queue.close()
        return queue

    def publish(self, event: Event) -> None:
        """Hand an event to every reader."""
        with self._lock:
            for reader in self._readers:
                reader.put(event)

    def close(self) -> None:
        """No more events come."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.close()
