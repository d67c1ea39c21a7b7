"""The traffic between the emulators of this process and their clients, for watchers.

Watching lets each call and each message be checked against ``spec/``. A watcher changes nothing. Watchers are
registered for the whole process, so that they also see an emulator that a command or a demo starts.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Final

from aiohttp import web

from .._model.traffic import Exchange, Watcher, Watchers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

from .._base.public_path import publish

__all__ = [
    "MOVED",
    "answer_is_injected",
    "call_of",
    "injected",
    "show",
    "show_exchange",
    "watching",
]

MOVED: Final = "/moved"
"""Start of the paths to which calls are redirected; without it, they are those of the service."""

_FRONT_PAGE: Final = "/"

_watchers: Final = Watchers()
show: Final = _watchers.show
_injected = contextvars.ContextVar("odyssey_injected", default=False)


def watching(watcher: Watcher) -> contextlib.AbstractContextManager[None]:
    """Show all calls and messages of the emulators of this process to ``watcher``, during the block.

    ``watcher`` is called on an emulator's thread with each `Exchange` and each `Message`, in order, and must not
    block or raise.
    """
    if not callable(watcher):
        raise TypeError(f"watcher must be a function, not {type(watcher).__name__}")
    return _watchers.watching(watcher)


def answer_is_injected() -> None:
    """Mark the answer to the current call as injected by a fault."""
    _injected.set(True)


def injected() -> bool:
    """Return whether the answer to the current call is marked as injected."""
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
    """Show a call and its answer to the watchers. A middleware for calls that are admitted."""
    _injected.set(False)
    if not _watchers or request.path == _FRONT_PAGE:
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


publish("odyssey_proto.emulator", watching)
