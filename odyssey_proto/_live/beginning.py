"""How a session began: its calls, its newest connection and its newest stream, for a capture that starts later.

It usually keeps a few KiB for each session, and passes on each message that follows, so that none is missed or
seen twice.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from .._base.errors import MalformedMessageError
from .._base.forks import RLock
from .._model import codec
from .._model.traffic import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Seen

__all__ = ["Beginning"]

_MOST_BYTES: Final = 1024 * 1024  # an image, with which a stream starts, has about 300 KiB
_MESSAGE_BYTES: Final = 256  # what a message takes besides its text
_CALLS_MOST: Final = 50  # only the newest are kept: queueing for a streamer is a call each second


class Beginning:
    """Keeps the calls that connect a session, the signaling of its newest link, and its newest stream."""

    def __init__(self) -> None:
        self._lock = RLock()  # a follower may leave while it is being called
        self._calls: list[Seen] = []
        self._signaling = _Newest()
        self._channel = _Newest()
        self._followers: tuple[Callable[[Seen], None], ...] = ()

    def follow(self, follower: Callable[[Seen], None]) -> None:
        """Call ``follower`` with everything kept so far, in order, and with each message from now on."""
        with self._lock:
            for seen in (*self._calls, *self._signaling.messages, *self._channel.messages):
                follower(seen)
            self._followers = (*self._followers, follower)

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
                # A start may travel over signaling, but belongs to its stream all the same.
                of_link = seen.place == "signaling" and kind != "interactive_stream_start"
                (self._signaling if of_link else self._channel).add(seen)
            for follower in self._followers:
                follower(seen)


class _Newest:
    """The newest messages, as many as `_MOST_BYTES` hold."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self._bytes = 0

    def add(self, message: Message) -> None:
        self.messages.append(message)
        self._bytes += _size(message)
        while self._bytes > _MOST_BYTES:
            self._bytes -= _size(self.messages.popleft())

    def clear(self) -> None:
        self.messages.clear()
        self._bytes = 0


def _size(message: Message) -> int:
    return len(message.text) + _MESSAGE_BYTES


def _type_of(message: Message) -> str:
    text = message.text
    try:
        data = codec.parsed(text if isinstance(text, str) else text.decode(errors="replace"))
    except MalformedMessageError:
        return ""
    kind = data.get("type") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) else ""
