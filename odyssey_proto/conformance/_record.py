"""The traffic between one client and one emulator, with times and look-ups."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._model.traffic import Exchange, Message
from ..emulator import watching
from ._schemas import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._model.traffic import Place, Seen
    from ..emulator import Emulator

__all__ = ["HANDSHAKE", "TrafficRecord", "recording"]

HANDSHAKE: Final = "GET /signaling/client/{session_id}"
_THREAD_WITHIN_S: Final = 10.0


@attrs.define
class TrafficRecord:
    """The traffic of one emulator, in order."""

    entries: list[tuple[float, Seen]] = attrs.field(factory=list)
    """Each item with its time, in s of a clock that never jumps back."""

    def calls(self, call: str) -> list[tuple[float, Exchange]]:
        """Return the calls of a method and a route, such as ``POST /sessions/request``."""
        return [
            (at, seen)
            for at, seen in self.entries
            if isinstance(seen, Exchange) and f"{seen.method} {seen.route}" == call
        ]

    def exchanges(self) -> list[Exchange]:
        """Return all calls."""
        return [seen for _, seen in self.entries if isinstance(seen, Exchange)]

    def sent(self, kind: str, place: Place | None = None) -> list[tuple[float, dict[str, Any]]]:
        """Return the messages of one type that the client sent."""
        return self._messages(kind, place, from_client=True)

    def received(self, kind: str, place: Place | None = None) -> list[tuple[float, dict[str, Any]]]:
        """Return the messages of one type that the service sent."""
        return self._messages(kind, place, from_client=False)

    def _messages(
        self, kind: str, place: Place | None, *, from_client: bool
    ) -> list[tuple[float, dict[str, Any]]]:
        return [
            (at, data)
            for at, seen in self.entries
            if isinstance(seen, Message) and seen.from_client == from_client and place in (None, seen.place)
            if (data := _data(seen)) is not None and data.get("type") == kind
        ]

    def acknowledged(self, prompt: str) -> list[str]:
        """Return the prompts with which the service acknowledged the updates that asked for ``prompt``.

        Answers come in the order of the requests; an error counts as an answer.
        """
        waiting: collections.deque[str] = collections.deque()
        found = []
        for _, seen in self.entries:
            data = (_data(seen) if isinstance(seen, Message) else None) or {}
            match data.get("type"):
                case "offer":  # a new connection: requests not answered yet will not be
                    waiting.clear()
                case "update":
                    waiting.append(str(data.get("prompt")))
                case "update_acknowledged" if waiting and waiting.popleft() == prompt:
                    found.append(str(data.get("prompt")))
                case "interactive_stream_error" if waiting:
                    waiting.popleft()
        return found


def _data(message: Message) -> dict[str, Any] | None:
    """Return the data of a message; None if a strict reader would refuse it."""
    data, _ = parsed(message.text)
    return data if isinstance(data, dict) else None


@contextlib.contextmanager
def recording(emulator: Emulator) -> Iterator[TrafficRecord]:
    """Record the traffic of one emulator, even if others run in this process."""
    record = TrafficRecord()
    own = emulator._loop.run(_thread(), timeout=_THREAD_WITHIN_S)  # an emulator has one thread

    def see(seen: Seen) -> None:
        if own is threading.current_thread():
            record.entries.append((time.monotonic(), seen))

    with watching(see):
        yield record


async def _thread() -> threading.Thread:
    return threading.current_thread()  # an ident may be given to another thread later
