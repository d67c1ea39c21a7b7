"""For tests of signaling: a connection and its reports."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any

import attrs

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net.signaling import SignalingConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import SignalingServer

LONG = 30.0


def until(seconds: float | None = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


@attrs.define
class Heard:
    """The reports of a connection, in order."""

    told: queue.SimpleQueue[Any] = attrs.field(factory=queue.SimpleQueue)
    threads: set[str] = attrs.field(factory=set)

    def __call__(self, what: object) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.put(what)

    def next(self) -> Any:
        return self.told.get(timeout=LONG)

    def rest(self) -> list[Any]:
        found = []
        while not self.told.empty():
            found.append(self.told.get())
        return found


@contextlib.contextmanager
def connected(server: SignalingServer, heard: Heard, **known: Any) -> Iterator[SignalingConnection]:
    connection = SignalingConnection.open(
        server.ws_url, "s-1", "token", until(), on_message=heard, on_closed=heard, on_malformed=heard, **known
    )
    try:
        yield connection
    finally:
        connection.close(timeout=LONG)  # a busy machine takes a while to send what is queued
