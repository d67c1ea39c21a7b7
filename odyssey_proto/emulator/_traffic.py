"""The traffic between the emulators of this process and their clients, for tests that watch it.

It lets the tests of this library, or of another client, check each call and each message against ``spec/``. A
watcher changes nothing. Watchers are registered for the whole process, so that they also see an emulator that a
command or a demo starts by itself.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

__all__ = [
    "MOVED",
    "Exchange",
    "Message",
    "Place",
    "Seen",
    "Watcher",
    "answer_is_injected",
    "call_of",
    "injected",
    "show",
    "show_exchange",
    "watching",
]

MOVED: Final = "/moved"
"""Start of the addresses to which calls are redirected; without it, they are those of the service."""

Place: TypeAlias = Literal["signaling", "clientToStreamer", "streamerToClient"]


@attrs.frozen(kw_only=True)
class Exchange:
    """One HTTP call and its answer. A handshake is shown when its WebSocket has closed."""

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
    injected: bool
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


Seen: TypeAlias = Exchange | Message
Watcher: TypeAlias = Callable[[Seen], None]
"""Called on the emulator's thread, in order. It must not block or raise."""

_watchers: list[Watcher] = []
_injected = contextvars.ContextVar("odyssey_injected", default=False)


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Show all traffic during the block to ``watcher``.

    >>> seen = []
    >>> with watching(seen.append):
    ...     show(Message(place="signaling", from_client=True, text="{}", user_agent=""))
    >>> seen
    [Message(place='signaling', from_client=True, user_agent='', injected=False)]
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def show(seen: Seen) -> None:
    """Show ``seen`` to all watchers."""
    for watcher in tuple(_watchers):
        watcher(seen)


def answer_is_injected() -> None:
    """Mark the answer to the current call as injected by a fault."""
    _injected.set(True)


def injected() -> bool:
    """Return whether the answer to the current call is marked so."""
    return _injected.get()


def call_of(request: web.Request) -> str:
    """Return method and route of a call, such as ``GET /recordings/{stream_id}``; the path if no route matches."""
    return f"{request.method} {_route_of(request)}"


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical.removeprefix(MOVED) if resource else request.path


@web.middleware
async def show_exchange(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Show a call and its answer to the watchers. The outermost middleware."""
    _injected.set(False)
    if not _watchers:
        return await handler(request)
    response: web.StreamResponse | None = None
    try:
        response = await handler(request)
        return response
    finally:
        body = response.body if isinstance(response, web.Response) else None
        show(
            Exchange(
                method=request.method,
                route=_route_of(request),
                path=request.path,
                query=tuple(request.query.items()),
                request_headers=request.headers,
                request_body=await _body_of(request),
                status=None if response is None else response.status,
                headers={} if response is None else response.headers,
                body=body if isinstance(body, bytes) else None,
                injected=_injected.get(),
            )
        )


async def _body_of(request: web.Request) -> bytes | None:
    # Never waits: watching must not affect a client that is still sending.
    if not request.content.is_eof():
        return None
    try:
        return await request.read()
    except Exception:  # noqa: BLE001  # the handler has seen the same error and answered
        return None
