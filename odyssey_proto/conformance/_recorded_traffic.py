"""The traffic of one check while it happens: kept in order, and waited for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .._model.traffic import Exchange, Message
from ._schemas import parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Seen

__all__ = ["RecordedTraffic"]


class RecordedTraffic:
    """All calls and messages so far, each once. This is a watcher; any thread may call it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[Seen] = []

    def __call__(self, seen: Seen) -> None:
        with self._changed:
            self._seen.append(seen)
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._seen)

    def all(self) -> list[Seen]:
        """Return everything that was seen, in order."""
        with self._changed:
            return list(self._seen)

    def exchanges(self, call: str) -> list[Exchange]:
        """Return the exchanges of one call, such as ``POST /whep``."""
        return [one for one in self.all() if isinstance(one, Exchange) and f"{one.method} {one.route}" == call]

    def message_after(self, start: int, types: tuple[str, ...], timeout_s: float) -> Message | None:
        """Return the first message of the service that has one of ``types``, after the first ``start`` entries.

        None if none comes within ``timeout_s`` s.
        """
        return self._wait_for(start, lambda one: not one.from_client and _type(one) in types, timeout_s)

    def _wait_for(self, start: int, fits: Callable[[Message], bool], timeout_s: float) -> Message | None:
        def found() -> Message | None:
            messages = (one for one in self._seen[start:] if isinstance(one, Message))
            return next(filter(fits, messages), None)

        with self._changed:
            return self._changed.wait_for(found, timeout_s)


def _type(message: Message) -> str | None:
    data, _ = parsed(message.text)
    return data.get("type") if isinstance(data, dict) else None
