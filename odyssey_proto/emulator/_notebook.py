"""The requests of clients to one emulator, as frozen values, for tests that check a program.

The loop's thread writes; any thread reads snapshots, or waits for what is still to come. Unlike the journal, which
is for people, this module also follows sessions and their streams.
"""

from __future__ import annotations

import collections
import json
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._base.public_path import publish
from .._model.traffic import Exchange, Message, Place

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .._model.traffic import Seen
    from ._accounts.service import Lease

__all__ = ["Notebook", "SeenMessage", "SeenRequest", "SeenSession", "SeenStream"]

_MOST_BYTES: Final = 32 * 2**20  # of bodies and messages; the oldest are dropped
_NOTE_BYTES: Final = 1024  # the rest of an entry, roughly
_MOST_KEPT: Final = 10_000  # prompts, and sessions


@attrs.frozen(kw_only=True)
class SeenRequest:
    """One HTTP call of a client, with its answer. A WebSocket counts as one once it has closed."""

    method: str
    """The method, such as ``GET``, ``POST`` or ``DELETE``."""
    path: str
    """The path, without the query."""
    route: str
    """The matching route, such as ``/recordings/{stream_id}``."""
    query: Mapping[str, str] = attrs.field(repr=False)
    """The arguments of the query; the last one of each name."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The headers of the request. Names are found in upper or lower case."""
    body: bytes = attrs.field(repr=False)
    """The body of the request; empty if it had none, or did not arrive completely."""
    status: int | None
    """The status of the answer; None if there was none."""
    answer: bytes = attrs.field(repr=False)
    """The body of the answer; empty if it was streamed."""
    by_fault: bool
    """Whether a fault wrote the answer, or sloppiness changed it."""
    time: float
    """When it was answered, in s since 1970."""

    def json(self) -> Any:
        """Return the body of the request, parsed.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class SeenMessage:
    """One message on the WebSocket or a data channel."""

    session_id: str
    """The session in which it travelled."""
    place: Place
    """``signaling``, ``clientToStreamer`` or ``streamerToClient``."""
    from_client: bool
    """Whether the client sent it; if not, the emulator did."""
    type: str
    """Its type, such as ``update``; empty if it has none."""
    text: str = attrs.field(repr=False)
    """The message, as it was sent."""
    by_fault: bool
    """Whether a fault wrote it, or sloppiness changed it."""
    time: float
    """When it was sent or received, in s since 1970."""

    def json(self) -> Any:
        """Return the message, parsed.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.text)


@attrs.frozen(kw_only=True)
class SeenStream:
    """One stream that was started."""

    stream_id: str
    """Its id."""
    prompt: str
    """The prompt with which it was started, as the client sent it."""
    applied_prompt: str
    """The same, as the emulator rewrote it."""
    portrait: bool
    """Whether its pictures are in portrait: 704×1280, rather than 1280×704, in the default size."""
    broadcast: bool
    """Whether spectators may watch it."""
    from_image: bool
    """Whether it was started from an image."""
    interactions: tuple[str, ...] = ()
    """The prompts that have been applied since, as the client sent them."""
    ended: str | None = None
    """Why it has ended: ``requested`` by the client, ``session_ended``, ``session_timeout``, ``quota_exceeded``,
    ``internal_error``, ``end_of_cassette``, or the reason of a world's failure, such as ``world_failed``; None
    while it runs."""


@attrs.frozen(kw_only=True)
class SeenSession:
    """One session that was requested."""

    session_id: str
    """Its id."""
    region: str | None
    """Its region."""
    connections: int = 0
    """How often a client has connected to it: more than once if it has reconnected."""
    streams: tuple[SeenStream, ...] = ()
    """Its streams."""
    ended: str | None = None
    """Why it has ended: ``client_disconnecting`` if the client gave it back, or the reason sent to the client,
    such as ``duration_limit_reached``; None while it lasts."""


class Notebook:
    """The requests to one emulator."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._requests: collections.deque[SeenRequest] = collections.deque()
        self._messages: collections.deque[SeenMessage] = collections.deque()
        self._bytes = {"requests": 0, "messages": 0}
        self._prompts: collections.deque[str] = collections.deque(maxlen=_MOST_KEPT)
        self._sessions: dict[str, SeenSession] = {}

    # Reading, on any thread

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The calls, in the order of their answers."""
        with self._news:
            return tuple(self._requests)

    @property
    def messages(self) -> tuple[SeenMessage, ...]:
        """The messages, in order."""
        with self._news:
            return tuple(self._messages)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that clients have sent, in order."""
        with self._news:
            return tuple(self._prompts)

    @property
    def sessions(self) -> tuple[SeenSession, ...]:
        """The sessions, in order."""
        with self._news:
            return tuple(self._sessions.values())

    def wait_until(self, condition: Callable[[], object], deadline: Deadline) -> None:
        """Wait until ``condition()`` is true; it is called again whenever something is noted.

        Raises:
            TimeoutError: it did not become true before ``deadline``.
        """
        with self._news:
            for seconds in deadline.waits():
                if condition():
                    return
                self._news.wait(seconds)
            if not condition():
                raise TimeoutError(f"It did not happen within {deadline.timeout:g} s")

    def clear(self) -> None:
        """Forget everything but the sessions that have not ended."""
        with self._news:
            self._requests.clear()
            self._messages.clear()
            self._prompts.clear()
            self._bytes = dict.fromkeys(self._bytes, 0)
            self._sessions = {name: session for name, session in self._sessions.items() if session.ended is None}

    # Writing, on the loop's thread

    def saw(self, seen: Seen, at: float) -> None:
        """Note a call or a message."""
        with self._news:
            if isinstance(seen, Message):
                self._keep("messages", self._messages, _message(seen, at))
            else:
                self._keep("requests", self._requests, _request(seen, at))

    def _keep(self, name: str, kept: collections.deque[Any], new: Any) -> None:
        kept.append(new)
        self._bytes[name] += _size(new) + _NOTE_BYTES
        while self._bytes[name] > _MOST_BYTES and len(kept) > 1:
            self._bytes[name] -= _size(kept.popleft()) + _NOTE_BYTES
        self._news.notify_all()

    def asked(self, *prompts: str) -> None:
        """Note prompts of a client."""
        with self._news:
            self._prompts.extend(prompts)
            self._news.notify_all()

    def session_began(self, session: Lease) -> None:
        """Note a new session."""
        with self._news:
            while len(self._sessions) >= _MOST_KEPT:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session.id] = SeenSession(session_id=session.id, region=session.region)
            self._news.notify_all()

    def session_connected(self, session: Lease) -> None:
        """Note a connection of a client to its session."""
        self._change(session.id, lambda seen: attrs.evolve(seen, connections=seen.connections + 1))

    def session_ended(self, session: Lease, reason: str) -> None:
        """Note the end of a session."""
        self._change(session.id, lambda seen: attrs.evolve(seen, ended=reason))

    def stream_began(self, session_id: str, stream: SeenStream) -> None:
        """Note a stream that begins."""
        self._change(session_id, lambda seen: attrs.evolve(seen, streams=(*seen.streams, stream)))

    def stream_changed(self, session_id: str, prompt: str) -> None:
        """Note a prompt that was applied to the latest stream of a session."""
        self._change_stream(
            session_id, lambda stream: attrs.evolve(stream, interactions=(*stream.interactions, prompt))
        )

    def stream_ended(self, session_id: str, reason: str) -> None:
        """Note the end of the latest stream of a session."""
        self._change_stream(session_id, lambda stream: attrs.evolve(stream, ended=reason))

    def _change_stream(self, session_id: str, change: Callable[[SeenStream], SeenStream]) -> None:
        def on_latest(seen: SeenSession) -> SeenSession:
            return attrs.evolve(seen, streams=(*seen.streams[:-1], *map(change, seen.streams[-1:])))

        self._change(session_id, on_latest)

    def _change(self, session_id: str, change: Callable[[SeenSession], SeenSession]) -> None:
        with self._news:
            seen = self._sessions.get(session_id)
            if seen is not None:
                self._sessions[session_id] = change(seen)
                self._news.notify_all()


def _size(seen: SeenRequest | SeenMessage) -> int:
    return len(seen.text) if isinstance(seen, SeenMessage) else len(seen.body) + len(seen.answer)


def _request(seen: Exchange, at: float) -> SeenRequest:
    return SeenRequest(
        method=seen.method,
        path=seen.path,
        route=seen.route,
        query=MappingProxyType(dict(seen.query)),
        headers=seen.request_headers,
        body=seen.request_body or b"",
        status=seen.status,
        answer=seen.body or b"",
        by_fault=seen.injected,
        time=at,
    )


def _message(seen: Message, at: float) -> SeenMessage:
    text = seen.text if isinstance(seen.text, str) else seen.text.decode(errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    kind = data.get("type") if isinstance(data, dict) else None
    return SeenMessage(
        session_id=seen.session_id,
        place=seen.place,
        from_client=seen.from_client,
        type=kind if isinstance(kind, str) else "",
        text=text,
        by_fault=seen.injected,
        time=at,
    )


publish("odyssey_proto.emulator", SeenMessage, SeenRequest, SeenSession, SeenStream)
