"""Calls and messages as data for watchers: emulators and clients show them, and checks examine them.

Nothing here sends, receives or judges.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

import attrs

from .._base.public_path import publish

__all__ = ["Exchange", "Message", "Place", "Seen", "Watcher", "Watchers"]

Place: TypeAlias = Literal["signaling", "clientToStreamer", "streamerToClient"]


@attrs.frozen(kw_only=True)
class Exchange:
    """One HTTP call and its answer.

    An emulator shows a handshake when its WebSocket has closed; a client shows it once the WebSocket is open.
    """

    method: str
    route: str
    """The matching route, such as ``/recordings/{stream_id}``; the path itself if none matches."""
    path: str
    query: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    request_headers: Mapping[str, str] = attrs.field(repr=False)
    request_body: bytes | None = attrs.field(repr=False)
    """None if it had not arrived completely."""
    status: int | None
    """None if the call was not answered."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)
    """None if it was streamed."""
    injected: bool = False
    """Whether a fault wrote the answer, or sloppiness changed it."""


@attrs.frozen(kw_only=True)
class Message:
    """One message of a session."""

    place: Place
    from_client: bool
    text: str | bytes = attrs.field(repr=False)
    user_agent: str
    """The client's User-Agent header in the handshake."""
    injected: bool = False
    """Whether a fault wrote it, or sloppiness changed it."""
    session_id: str = attrs.field(default="", repr=False)
    """The session, if an emulator shows the message; empty from a client, whose observation does not know it."""


Seen: TypeAlias = Exchange | Message
Watcher: TypeAlias = Callable[[Seen], None]
"""Called in order, on the thread that sends or receives. It must not block or raise."""


class Watchers:
    """The watchers of one side of this process's traffic. True in a condition while there are any."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    def __bool__(self) -> bool:
        return bool(self._watchers)

    @contextlib.contextmanager
    def watching(self, watcher: Watcher) -> Iterator[None]:
        """Show all traffic during the block to ``watcher``.

        >>> watchers, seen = Watchers(), []
        >>> with watchers.watching(seen.append):
        ...     watchers.show(Message(place="signaling", from_client=True, text="{}", user_agent=""))
        >>> seen
        [Message(place='signaling', from_client=True, user_agent='', injected=False)]
        """
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def show(self, seen: Seen) -> None:
        """Show ``seen`` to all watchers."""
        for watcher in tuple(self._watchers):
            watcher(seen)


publish("odyssey_proto.emulator", Exchange, Message)
