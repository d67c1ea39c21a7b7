"""How a session began: its calls, its newest connection and its newest stream, for a capture that starts later.

It keeps a few KiB for each session, and passes on everything that follows, so that nothing is missed or seen
twice.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Final

from .._model.traffic import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Seen

__all__ = ["Beginning"]

_MOST_BYTES: Final = 1024 * 1024  # an image, with which a stream starts, has about 300 KiB
_CALLS_MOST: Final = 50  # the newest: queueing for a streamer is a call each second


class Beginning:
    """Keeps the calls until a session is connected, the signaling of its newest link, and its newest stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Seen] = []
        self._signaling: list[Message] = []
        self._channel: list[Message] = []
        self._followers: tuple[Callable[[Seen], None], ...] = ()

    def follow(self, follower: Callable[[Seen], None]) -> list[Seen]:
        """Return everything kept so far, in order, and call ``follower`` with each message from now on."""
        with self._lock:
            self._followers = (*self._followers, follower)
            return [*self._calls, *self._signaling, *self._channel]

    def leave(self, follower: Callable[[Seen], None]) -> None:
        """Stop calling ``follower``."""
        with self._lock:
            self._followers = tuple(each for each in self._followers if each != follower)

    def saw_call(self, seen: Seen) -> None:
        """Keep a call."""
        with self._lock:
            self._calls = [*self._calls[1 - _CALLS_MOST :], seen]

    def saw(self, seen: Seen) -> None:
        """Keep a message, and pass it on."""
        assert isinstance(seen, Message)
        kind = _type_of(seen)
        with self._lock:
            if kind == "offer":
                self._signaling.clear()
            elif kind == "interactive_stream_start":
                self._channel.clear()
            if kind != "keepalive":
                self._keep(seen, kind)
            for follower in self._followers:
                follower(seen)

    def _keep(self, seen: Message, kind: str) -> None:
        # A start may travel over signaling, and belongs to its stream anyhow.
        kept = (
            self._signaling if seen.place == "signaling" and kind != "interactive_stream_start" else self._channel
        )
        kept.append(seen)
        size = sum(len(each.text) for each in kept)
        while size > _MOST_BYTES:
            size -= len(kept.pop(0).text)


def _type_of(message: Message) -> str:
    try:
        data = json.loads(message.text)
    except (ValueError, RecursionError):
        return ""
    kind = data.get("type") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) else ""
