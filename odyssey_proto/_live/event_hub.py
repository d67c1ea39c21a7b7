"""The hub from which the typed events of a session go to all its readers.

Every reader gets every event since it subscribed, in order, in a queue of its own. `odyssey_proto.core` decides
which events there are; `odyssey_proto._live.dispatcher` calls handlers.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from .._base import errands
from .._base.errors import OdysseyStreamTimeoutError
from .._base.limits import EVENTS_MOST_WAITING

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .._model.events import Event

__all__ = ["EventHub", "EventQueue"]

log = logging.getLogger("odyssey_proto.live")


class EventQueue:
    """The events that wait for one reader, the newest 10,000. `put` and `close` never block; `get` does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=EVENTS_MOST_WAITING)
        self._closed = False
        self._is_behind = False

    def put(self, event: Event) -> None:
        """Add an event; do nothing once closed."""
        with self._changed:
            if not self._closed:
                if len(self._events) == EVENTS_MOST_WAITING:
                    log.log(
                        logging.DEBUG if self._is_behind else logging.WARNING,
                        "a reader of events is %d behind: the oldest are left out",
                        EVENTS_MOST_WAITING,
                    )
                    self._is_behind = True
                self._events.append(event)
                self._changed.notify()

    def close(self) -> None:
        """Take no more events; those in the queue can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, deadline: Deadline) -> Event | None:
        """Wait for the next event and return it; None once the queue is closed and empty.

        Raises:
            OdysseyStreamTimeoutError: no event came before ``deadline``.
        """
        with self._changed:
            turns = errands.turns(deadline)
            if not any(self._changed.wait_for(lambda: self._events or self._closed, left) for left in turns):
                raise OdysseyStreamTimeoutError(
                    f"No event within {deadline.timeout:g} s", code="event_timeout", operation="events"
                )
            return self._events.popleft() if self._events else None


class EventHub:
    """The hub from which events go to all readers. It holds readers weakly."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may subscribe while the same thread does
        self._readers: weakref.WeakSet[EventQueue] = weakref.WeakSet()
        self._closed = False

    def subscribe(self) -> EventQueue:
        """Return a queue that gets every event from now on; after `close`, the queue has already ended."""
        queue = EventQueue()
        with self._lock:
            self._readers.add(queue)
            if self._closed:
                queue.close()
        return queue

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
